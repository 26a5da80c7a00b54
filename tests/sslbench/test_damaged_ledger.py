"""A record or a file that the disk has damaged costs its own trial, which is named and runs again; other versions are read or refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from sslbench.cli.cells import prepared
from sslbench.cli.places import Home
from sslbench.cli.question import asked as questions
from sslbench.cli.results import show_status
from sslbench.cli.sweep import Asked, OwnCells, resolve, run_sweep
from sslbench.durable import sealed, sha256, unsealed
from sslbench.errors import SetupError
from sslbench.ledger import JOB, RESULT, Attempt, Ledger
from sslbench.results import RECORD_SCHEMA
from sslbench.search.agenda import Agenda
from sslbench.search.run import open_execution_folder
from tests.factories import synthetic_spec
from tests.sslbench.cli.finished import TOY, finished_sweep, run
from tests.sslbench.test_ledger import job, run_whole_trial

LEDGERS = Path(__file__).with_name("ledgers")
ENCODER = "checkpoint/encoder.safetensors"


def cut(name: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:-9])


def flip(name: str) -> Callable[[Path], object]:
    def damage(folder: Path) -> None:
        whole = bytearray((folder / name).read_bytes())
        whole[len(whole) // 2] ^= 1
        (folder / name).write_bytes(whole)

    return damage


DAMAGES: dict[str, Callable[[Path], object]] = {
    "the record is empty": lambda folder: (folder / RESULT).write_bytes(b""),
    "the record is cut": cut(RESULT),
    "the record is garbage": lambda folder: (folder / RESULT).write_bytes(b"\x93\x00{" * 99),
    "a bit of the record": flip(RESULT),
    "a bit of the weights": flip(ENCODER),
    "the weights are cut": cut(ENCODER),
    "a bit of the predictions": flip("predictions.parquet"),
    "no checkpoint": lambda folder: shutil.rmtree(folder / "checkpoint"),
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A sweep that has come to its end."""
    return finished_sweep(tmp_path_factory.mktemp("whole"))


def contents(folder: Path) -> dict[str, str]:
    files = (f for f in sorted(folder.rglob("*")) if f.is_file() and f.name != "driver.lock")
    return {f.relative_to(folder).as_posix(): sha256(f) for f in files}


def a_confirm_trial(ledger: Ledger) -> Attempt:
    record = next(r for r in ledger.records().values() if r.stage == "confirm")
    attempt = ledger.attempt(record.uid)
    assert attempt is not None
    return attempt


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_trial_is_named_and_runs_again_and_no_other_is_touched(
    whole: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str], damage: str
) -> None:
    home = Home(tmp_path / "home")
    shutil.copytree(whole.folder, home.folder)
    ((folder, question),) = questions(home)
    ledger = Ledger(folder)
    before, attempt = ledger.records(), a_confirm_trial(ledger)
    uid = attempt.folder.parent.name
    others = contents(ledger.trials)

    DAMAGES[damage](attempt.folder)

    assert ledger.records() == {u: record for u, record in before.items() if u != uid}
    assert ledger.damaged(ledger.records()) == [uid]
    show_status(home, None, "table")
    said = capsys.readouterr().err.splitlines()
    assert [line for line in said if uid in line and "not as they were written" in line]

    spec = question.sweep_spec
    plan = Agenda(spec, ledger, data_fingerprint=question.data_fingerprint)
    again = plan.next()
    assert again is not None
    assert (again.uid, plan.next()) == (uid, None)
    run(ledger, again, store=Path(question.store))
    plan.ended(uid)
    assert plan.is_done()
    assert ledger.records().keys() == before.keys()
    assert ledger.damaged(()) == []
    after = contents(ledger.trials)
    kept = {name: digest for name, digest in others.items() if uid not in name}
    assert {name: digest for name, digest in after.items() if uid not in name} == kept


def test_any_flipped_byte_of_a_record_or_a_plan_is_seen(tmp_path: Path) -> None:
    ledger, the_job = Ledger(tmp_path), job()
    run_whole_trial(ledger, the_job)
    attempt = ledger.attempt(the_job.uid)
    assert attempt is not None
    looks = (
        (attempt.folder / RESULT, lambda: ledger.record(the_job.uid)),
        (ledger.trials / the_job.uid / JOB, lambda: ledger.jobs() or None),
    )
    for file, read in looks:
        whole = file.read_bytes()
        for i in range(len(whole)):
            file.write_bytes(whole[:i] + bytes([whole[i] ^ (1 << i % 8)]) + whole[i + 1 :])
            assert read() is None, f"byte {i} of {file.name}"
        file.write_bytes(whole)
        assert read() is not None


# Versions


@pytest.mark.parametrize("schema", range(1, RECORD_SCHEMA + 1))
def test_a_ledger_of_this_and_every_earlier_schema_is_read(tmp_path: Path, schema: int) -> None:
    """A new schema needs a ledger of it in tests/sslbench/ledgers: three trials, kept for ever."""
    shutil.copytree(LEDGERS / f"schema_{schema}", tmp_path / "ledger")
    ledger = Ledger(tmp_path / "ledger")
    records = list(ledger.records().values())
    assert [record.schema_version for record in records] == [schema] * 3
    assert [(r.stage, r.outcome) for r in records] == [
        ("search", "stopped"),
        ("search", "failed"),
        ("confirm", "finished"),
    ]
    stopped, failed, finished = records
    assert stopped.score == 0.5
    assert [p.updates for p in stopped.reports] == [0, 20]
    assert failed.failure is not None
    assert failed.failure.kind == "diverged"
    assert finished.result is not None
    assert finished.result.scores["test/knn/macro_f1"] == 0.7
    assert list(finished.files) == ["checkpoint/genes.txt", "notes.txt"]
    assert ledger.jobs().keys() == ledger.records().keys()
    assert ledger.jobs()[finished.uid].params == finished.params
    assert ledger.damaged(()) == []


def of_a_newer_version(text: str) -> str:
    plain = unsealed(text)
    assert plain is not None
    fields = json.loads(plain) | {"schema_version": RECORD_SCHEMA + 1, "novel": 1}
    return sealed(json.dumps(fields, indent=1))


def test_a_newer_ledger_is_refused_with_both_versions_and_nothing_is_written(
    tmp_path: Path,
) -> None:
    cells = synthetic_spec(tmp_path, n_donors=4)
    sweep, home = tmp_path / "toy.yaml", Home(tmp_path / "home")
    sweep.write_text(json.dumps(TOY))
    own = OwnCells(str(cells.files[0]), label_key="cell_type", donor_key="donor")
    asked = Asked(sweep=str(sweep), cells=own)
    spec, dataset = resolve(asked)
    spec, ready = prepared(dataset, spec, home)
    folder = open_execution_folder(home.ledgers, "toy", spec, ready.fingerprint)
    shutil.copytree(LEDGERS / f"schema_{RECORD_SCHEMA}", folder, dirs_exist_ok=True)
    ledger = Ledger(folder)
    arm = next(iter(spec.arms))
    for uid, planned in ledger.jobs().items():
        plan = planned.model_copy(update={"arm": arm}).model_dump_json(indent=1)
        (ledger.trials / uid / JOB).write_text(sealed(plan))
    files = list(folder.glob(f"trials/*/attempt-1/{RESULT}"))
    for file in files:
        file.write_text(of_a_newer_version(file.read_text()))
    before = contents(tmp_path)

    with pytest.raises(SetupError) as refused:
        run_sweep(asked, home)

    error = refused.value
    assert (error.code, error.exit_code) == ("S010", 4)
    assert error.where in map(str, files)
    assert f"schema {RECORD_SCHEMA + 1}, here {RECORD_SCHEMA}" in str(error)
    assert contents(tmp_path) == before
