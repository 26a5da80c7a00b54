"""`clean` shows what can go and, if asked, removes that and nothing else; never beside a driver."""

from __future__ import annotations

import fcntl
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sslbench.cli.cleaning import YOUNG_SECONDS
from sslbench.cli.places import Home
from sslbench.cli.question import write_question
from sslbench.ledger import Ledger
from sslbench.search.spec import SweepSpec
from tests.sslbench.cli.questions import question_on
from tests.sslbench.cli.typed import Typed, typed
from tests.sslbench.tracking.fake_ledger import begin, end, job_of

SPEC = SweepSpec.model_validate(
    {
        "question": "Which?",
        "dataset": {"name": "pbmc_cite"},
        "evaluation": [{"name": "knn"}],
        "arms": {"pca": {"pretext": {"name": "pca"}, "encoder": {"name": "linear"}}},
    }
)


@pytest.fixture(autouse=True)
def scratch(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="sc-", dir="/tmp") as folder:
        monkeypatch.setenv("TMPDIR", folder)
        monkeypatch.setattr(tempfile, "tempdir", None)
        yield Path(folder)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """A sweep with a trial tried twice, one interrupted, one set aside, a store it needs and one that nobody does."""
    ledger = Ledger(tmp_path / "ledger" / "smoke-01234567")
    question = question_on("f" * 16, spec=SPEC)
    write_question(ledger, question.model_copy(update={"store": str(tmp_path / "moved/needed")}))
    (ledger.folder / "driver.lock").touch()
    twice, interrupted = job_of(seed=1), job_of(seed=2)
    begin(ledger, twice)
    put(ledger.trials / twice.uid / "attempt-1" / "state.bin", 3_000)
    attempt = begin(ledger, twice)
    put(attempt.folder / "checkpoint" / "encoder.safetensors", 5_000)
    attempt.finish(end(twice, attempt))
    put(attempt.folder / ".result.json.1.tmp", 50)
    begin(ledger, interrupted)
    put(ledger.trials / interrupted.uid / "attempt-1" / "state.bin", 700)
    begin(ledger, interrupted)
    put(ledger.folder / "before-20260101-000000" / "0123" / "attempt-1" / "result.json", 20_000)
    for name in ("needed", "orphan"):
        put(tmp_path / "store" / name / "counts.npy", 1_000_000)
        old = time.time() - 2 * YOUNG_SECONDS
        os.utime(tmp_path / "store" / name, (old, old))
    put(tmp_path / "store" / "young" / "counts.npy", 1_000)
    return ledger


def put(file: Path, n_bytes: int) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"x" * n_bytes)


def cleaned(ledger: Ledger, *words: str) -> Typed:
    return typed("clean", *words, "--home", str(Home(ledger.folder.parents[1]).folder))


def everything(ledger: Ledger) -> set[str]:
    root = ledger.folder.parents[1]
    return {str(file.relative_to(root)) for file in root.rglob("*") if file.is_file()}


def test_without_yes_nothing_is_removed(ledger: Ledger) -> None:
    before = everything(ledger)
    done = cleaned(ledger)
    assert done.code == 0
    assert "1.0 MB with --yes; nothing was removed" in done.err
    assert everything(ledger) == before


def test_with_yes_what_nothing_needs_is_removed_and_nothing_else(ledger: Ledger) -> None:
    before, records = everything(ledger), ledger.records()
    done = cleaned(ledger, "--yes")
    assert done.code == 0, done.err
    gone = {Path(name).parts[-1] for name in before - everything(ledger)}
    assert gone == {"state.bin", ".result.json.1.tmp", "result.json", "counts.npy"}
    assert len(before - everything(ledger)) == 4
    assert ledger.records() == records  # the one that ended is whole
    assert not list(ledger.folder.glob("before-*"))
    stores = ledger.folder.parents[1] / "store"
    assert {folder.name for folder in stores.iterdir()} == {"needed", "young"}
    assert "nothing" not in cleaned(ledger, "--yes").err
    assert "0.0 MB" in cleaned(ledger).err


def test_curves_stay_and_so_do_files_of_a_trial_that_has_not_ended(ledger: Ledger) -> None:
    curves = list(ledger.trials.glob("*/attempt-*/curve.jsonl"))
    cleaned(ledger, "--yes")
    assert len(curves) == 4
    assert all(curve.exists() for curve in curves)
    assert len(list(ledger.trials.glob("*/attempt-1/state.bin"))) == 1


def test_beside_a_driver_neither_its_ledger_nor_any_store_is_touched(ledger: Ledger) -> None:
    before = everything(ledger)
    with (ledger.folder / "driver.lock").open("w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write("host process 1 since then\n")
        lock.flush()
        done = cleaned(ledger, "--yes")
    assert "is being run by host process 1 since then" in done.err
    assert everything(ledger) == before


def test_a_question_that_cannot_be_read_keeps_every_store(ledger: Ledger) -> None:
    (ledger.folder / "sweep.json").write_text("{}", encoding="utf-8")
    done = cleaned(ledger, "--yes")
    assert "cannot be read" in done.err
    assert (ledger.folder.parents[1] / "store" / "orphan").exists()


def test_a_link_is_removed_and_what_it_leads_to_stays(ledger: Ledger, tmp_path: Path) -> None:
    put(tmp_path / "elsewhere" / "thesis.tex", 10)
    (ledger.folder / "before-20270101-000000").symlink_to(tmp_path / "elsewhere")
    cleaned(ledger, "--yes")
    assert (tmp_path / "elsewhere" / "thesis.tex").exists()
    assert not list(ledger.folder.glob("before-*"))


def test_scratch_of_a_killed_driver_is_shown_and_removed(ledger: Ledger, scratch: Path) -> None:
    put(scratch / "sslb-1-x" / "driver.lock", 0)
    put(scratch / "sslb-1-x" / "results" / "a", 100)
    assert "scratch of a killed driver" in cleaned(ledger).err
    assert (scratch / "sslb-1-x").exists()
    cleaned(ledger, "--yes")
    assert list(scratch.iterdir()) == []


def test_a_home_without_anything_is_no_error(tmp_path: Path) -> None:
    done = typed("clean", "--home", str(tmp_path / "none"))
    assert (done.code, "0.0 MB" in done.err) == (0, True)
    assert list(tmp_path.iterdir()) == []


def test_status_says_whether_somebody_drives_the_sweep(ledger: Ledger) -> None:
    home = str(ledger.folder.parents[1])
    assert "smoke-01234567: no driver is running" in typed("status", "--home", home).err
    with (ledger.folder / "driver.lock").open("w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write("host process 1 since then\n")
        lock.flush()
        assert "host process 1 since then" in typed("status", "--home", home).err
        assert (
            '"driver": "host process 1' in typed("status", "--format", "json", "--home", home).out
        )
