"""A finished trial is repeated beside the ledger; every reason why it cannot be is one error."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from pathlib import Path

import anndata
import pytest

from sslbench.cli.exit_codes import NOT_REPRODUCED, OK
from sslbench.cli.finding import find_trial
from sslbench.cli.places import Home
from sslbench.cli.rerun import rerun
from sslbench.errors import ConfigError, DataError, DivergedError, SetupError
from sslbench.results import TrialRecord
from sslbench.tracking.description import run_name
from tests.sslbench.cli.finished import finished_sweep, ledger_of


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sweep")
    finished_sweep(folder)
    return folder


@pytest.fixture
def home(kept: Path, tmp_path: Path) -> Home:
    """A copy of the sweep's home, which a test may change."""
    shutil.copytree(kept / "home", tmp_path / "home")
    return Home(tmp_path / "home")


def trial(home: Home, *, arm: str = "supervised", stage: str = "confirm") -> TrialRecord:
    records = ledger_of(home).records().values()
    return next(r for r in records if (r.arm, r.stage) == (arm, stage))


def changed(home: Home, uid: str, **parts: object) -> None:
    """Write another record into the ledger, as if it had ended so."""
    ledger = ledger_of(home)
    attempt, record = ledger.attempt(uid), ledger.record(uid)
    assert attempt is not None
    assert record is not None
    attempt.finish(record.model_copy(update=parts))


def files(folder: Path) -> dict[str, str]:
    found = [f for f in sorted(folder.rglob("*")) if f.is_file()]
    return {str(f): hashlib.sha256(f.read_bytes()).hexdigest() for f in found}


@pytest.mark.parametrize("stage", ["search", "confirm"])
def test_a_trial_comes_out_bit_equal_and_the_ledger_is_only_read(
    home: Home, stage: str, capfd: pytest.CaptureFixture[str]
) -> None:
    record, before = trial(home, stage=stage), files(home.folder)
    assert rerun(home, record.uid[:8]) == OK
    said = capfd.readouterr()
    assert record.result is not None
    assert f"all {len(record.result.scores)} scores are bit-equal" in said.out
    assert ("nothing new of test is opened" in said.err) == (stage == "confirm")
    assert files(home.folder) == before


def with_scores(record: TrialRecord, by: float) -> dict[str, object]:
    assert record.result is not None
    scores = record.result.scores | {"test/knn/macro_f1": record.result.scores["test/knn/macro_f1"] + by}  # fmt: skip
    return {"result": record.result.model_copy(update={"scores": scores})}


def test_other_scores_are_shown_with_what_else_differs(
    home: Home, capfd: pytest.CaptureFixture[str]
) -> None:
    record = trial(home)
    made = record.provenance | {"torch": "1.0.0", "threads": "1"}
    changed(home, record.uid, provenance=made, **with_scores(record, -0.25))
    assert rerun(home, record.uid) == NOT_REPRODUCED
    said = capfd.readouterr()
    assert "not reproduced" in said.out
    assert "test/knn/macro_f1 by 0.25" in said.out
    assert "1.0.0" in said.out
    assert "the same weights" in said.err


def test_scores_within_the_tolerance_are_reproduced_and_the_largest_difference_is_said(
    home: Home, capfd: pytest.CaptureFixture[str]
) -> None:
    record = trial(home, arm="pca")
    changed(home, record.uid, **with_scores(record, 5e-5))
    assert rerun(home, record.uid) == OK
    said = capfd.readouterr()
    assert "reproduced within 0.0001" in said.out
    assert "test/knn/macro_f1 by 5e-05" in said.out
    assert "nothing that is recorded" in said.err


def test_a_trial_that_fails_now_is_not_reproduced(
    home: Home, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def diverges(*_: object, **__: object) -> None:
        raise DivergedError("the loss is nan")

    monkeypatch.setattr("sslbench.trial.run_trial", diverges)
    assert rerun(home, trial(home).uid) == NOT_REPRODUCED
    assert "the trial fails now (DivergedError: the loss is nan)" in capfd.readouterr().out


def test_a_trial_without_scores_cannot_come_out_again(home: Home) -> None:
    record = trial(home, stage="search")
    changed(home, record.uid, outcome="stopped", result=None)
    with pytest.raises(ConfigError, match="ran to its end") as raised:
        rerun(home, record.uid)
    assert (raised.value.code, raised.value.found) == ("C044", "stopped")


def test_changed_data_are_refused(kept: Path, home: Home, tmp_path: Path) -> None:
    elsewhere(kept, home, tmp_path / "mine.h5ad")
    adata = anndata.read_h5ad(tmp_path / "mine.h5ad")
    adata.X[0, 0] += 1
    adata.write_h5ad(tmp_path / "mine.h5ad")
    before = files(home.folder)
    with pytest.raises(DataError, match="not the one that this trial ran on") as raised:
        rerun(home, trial(home).uid)
    assert raised.value.code == "D065"
    assert files(home.folder) == before


def test_other_splits_of_the_same_file_are_changed_data(
    kept: Path, home: Home, tmp_path: Path
) -> None:
    elsewhere(kept, home, tmp_path / "mine.h5ad", donor_key=None)
    with pytest.raises(DataError, match="not the one that this trial ran on"):
        rerun(home, trial(home).uid)


def test_data_that_are_gone_are_one_error(kept: Path, home: Home, tmp_path: Path) -> None:
    elsewhere(kept, home, tmp_path / "mine.h5ad")
    (tmp_path / "mine.h5ad").unlink()
    with pytest.raises(DataError, match="no such file") as raised:
        rerun(home, trial(home).uid)
    assert str(tmp_path / "mine.h5ad") in str(raised.value.where)


def test_a_sweep_that_did_not_note_its_cells_says_how_they_are_noted(home: Home) -> None:
    question = rewritten(home, described=None)
    assert question["data"]["dataset"] == "synthetic"
    with pytest.raises(SetupError, match="cannot be found again") as raised:
        rerun(home, trial(home).uid)
    assert raised.value.code == "S023"


def test_a_configuration_that_the_code_no_longer_knows_names_the_commit(home: Home) -> None:
    record = trial(home)
    config = record.config | {"pretext": {"name": "pca", "no_such_option": 1}}
    changed(home, record.uid, config=config, provenance={"commit": "0123abc"})
    with pytest.raises(ConfigError, match="cannot run this trial") as raised:
        rerun(home, record.uid)
    assert "0123abc" in str(raised.value.fix)


def test_threads_are_those_of_the_record(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    record = trial(home)
    changed(home, record.uid, provenance=record.provenance | {"threads": "3"})
    seen: list[int] = []
    monkeypatch.setattr(
        sys.modules[rerun.__module__], "_repeat", lambda *_, threads: seen.append(threads) or OK
    )
    rerun(home, record.uid)
    assert seen == [3]


def test_a_trial_is_found_by_uid_by_its_start_and_by_its_name_in_mlflow(home: Home) -> None:
    ledger = ledger_of(home)
    for order, (uid, job) in enumerate(ledger.jobs().items(), start=1):
        for name in (uid, uid[:10], run_name(job, order=order)):
            assert find_trial(home, name).record.uid == uid


def test_what_names_no_trial_or_several_is_an_error(home: Home) -> None:
    for name in ("zzzz", "f" * 32, "mae/mlp #99"):
        with pytest.raises(ConfigError, match="no trial") as raised:
            find_trial(home, name)
        assert raised.value.code == "C042"
    uids = list(ledger_of(home).jobs())
    (ledger_of(home).trials / uids[0]).rename(ledger_of(home).trials / "0a")
    (ledger_of(home).trials / uids[1]).rename(ledger_of(home).trials / "0b")
    with pytest.raises(ConfigError, match="give more digits") as raised:
        find_trial(home, "0")
    assert raised.value.code == "C043"


def elsewhere(kept: Path, home: Home, file: Path, **changes: object) -> None:
    """Let the sweep have been asked of a copy of its file."""
    shutil.copy(kept / "synthetic.h5ad", file)
    described = json.loads(next(home.ledgers.glob("*/sweep.json")).read_text())["described"]
    rewritten(home, described=described | {"files": [str(file)]} | changes)


def rewritten(home: Home, **changes: object) -> dict[str, dict[str, object]]:
    """Change the question of the sweep on disk."""
    file = next(home.ledgers.glob("*/sweep.json"))
    question: dict[str, dict[str, object]] = json.loads(file.read_text()) | changes
    file.write_text(json.dumps(question), encoding="utf-8")
    return question
