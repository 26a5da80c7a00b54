from __future__ import annotations

from pathlib import Path

import pytest
from mlflow import MlflowClient

from sslbench.champion import champion
from sslbench.errors import SetupError
from sslbench.ledger import Ledger
from sslbench.tracking import registry
from sslbench.tracking.facts import Ending
from sslbench.tracking.mirror import Mirror
from sslbench.tracking.registry import model_name, pull_from_registry
from tests.sslbench.tracking.fake_ledger import (
    begin,
    end,
    facts_of,
    job_of,
    whole_sweep,
)

NAME = "sslbench.pbmc_cite.cell_type"


def close(ledger: Ledger, uri: str, home: Path) -> None:
    Mirror(ledger, uri, facts_of(home)).close(Ending(verdict="not separable"))


def confirmed(ledger: Ledger, *, seed: int, score: float, arm: str = "mae") -> str:
    job = job_of(arm=arm, stage="confirm", seed=seed)
    end(job, begin(ledger, job), score=score)
    return job.uid


def contents(folder: Path) -> dict[str, bytes]:
    files = [f for f in folder.rglob("*") if f.is_file()]
    return {f.relative_to(folder).as_posix(): f.read_bytes() for f in files}


def test_the_name_says_data_set_and_task() -> None:
    assert model_name("pbmc_cite", "cell_type") == NAME


def test_the_champion_is_the_best_seed_by_validation(home: Path, uri: str, ledger: Ledger) -> None:
    jobs = whole_sweep(ledger)
    close(ledger, uri, home)
    version = MlflowClient(uri, uri).get_model_version_by_alias(NAME, "champion")
    assert version.tags["sslbench.uid"] == jobs["confirm 102"].uid
    assert version.tags["sslbench.arm"] == "mae"
    assert version.tags["sslbench.regime"] == "self-supervised"
    assert version.tags["sslbench.protocol"] == "knn"
    assert float(version.tags["sslbench.validation"]) == pytest.approx(0.6)


def test_the_same_trial_is_registered_once(home: Path, uri: str, ledger: Ledger) -> None:
    whole_sweep(ledger)
    close(ledger, uri, home)
    close(ledger, uri, home)
    assert len(MlflowClient(uri, uri).search_model_versions(f"name = '{NAME}'")) == 1


def test_the_alias_moves_when_the_sweep_goes_on_and_another_wins(
    home: Path, uri: str, ledger: Ledger
) -> None:
    whole_sweep(ledger)
    close(ledger, uri, home)
    better = confirmed(ledger, seed=103, score=0.9)
    close(ledger, uri, home)
    client = MlflowClient(uri, uri)
    assert client.get_model_version_by_alias(NAME, "champion").tags["sslbench.uid"] == better
    assert len(client.search_model_versions(f"name = '{NAME}'")) == 2


def test_a_weaker_sweep_on_the_same_data_does_not_depose_the_champion(
    home: Path, uri: str, tmp_path: Path, ledger: Ledger
) -> None:
    jobs = whole_sweep(ledger)
    close(ledger, uri, home)
    smoke = Ledger(tmp_path / "smoke")
    job = job_of(arm="supervised")
    end(job, begin(smoke, job), score=0.2)
    confirmed(smoke, arm="supervised", seed=1, score=0.2)
    close(smoke, uri, home)
    client = MlflowClient(uri, uri)
    holder = client.get_model_version_by_alias(NAME, "champion")
    assert holder.tags["sslbench.uid"] == jobs["confirm 102"].uid
    assert len(client.search_model_versions(f"name = '{NAME}'")) == 2


def test_pulling_gives_the_same_files(home: Path, uri: str, tmp_path: Path, ledger: Ledger) -> None:
    whole_sweep(ledger)
    close(ledger, uri, home)
    best = champion(ledger.records().values())
    assert best is not None
    attempt = ledger.attempt(best.record.uid)
    assert attempt is not None
    folder = pull_from_registry(uri, NAME, tmp_path / "out" / "best")
    assert contents(folder) == contents(attempt.folder / "checkpoint")
    assert [f.name for f in folder.parent.iterdir()] == ["best"]


def test_pulling_never_overwrites(uri: str, tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="never overwritten"):
        pull_from_registry(uri, NAME, tmp_path)


def test_pulling_an_unknown_model_says_so_and_leaves_nothing(uri: str, tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="could not be fetched") as caught:
        pull_from_registry(uri, "sslbench.nothing.cell_type", tmp_path / "out" / "best")
    assert caught.value.code == "S033"
    assert list((tmp_path / "out").iterdir()) == []


def test_a_failure_that_says_nothing_is_called_by_its_name(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(*_: object, **__: object) -> None:
        raise ConnectionError

    monkeypatch.setattr(registry, "_download", silent)
    with pytest.raises(SetupError) as caught:
        pull_from_registry(uri, NAME, tmp_path / "best")
    assert caught.value.found == "ConnectionError"


def test_a_sweep_without_confirm_runs_registers_nothing(
    home: Path, uri: str, ledger: Ledger
) -> None:
    job = job_of()
    end(job, begin(ledger, job))
    close(ledger, uri, home)
    assert MlflowClient(uri, uri).search_registered_models() == []
