"""What the checker of the fault tests lets pass, and what it does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from sslbench.ledger import Ledger
from sslbench.results import Failure, FailureKind
from sslbench.search.agenda import MAX_ATTEMPTS
from tests.chaos.checker import check_failed_by_deaths
from tests.sslbench.tracking.fake_ledger import begin, end, job_of


def home_with(folder: Path, *kinds: FailureKind) -> Path:
    ledger = Ledger(folder / "ledger" / "sweep-0")
    ledger.trials.mkdir(parents=True)
    for seed, kind in enumerate(kinds):
        job = job_of(seed=seed)
        failure = Failure(kind=kind, message="why")
        end(job, begin(ledger, job), outcome="failed", failure=failure)
    return folder


def test_a_trial_may_fail_whose_workers_were_killed_as_often_as_it_bears(tmp_path: Path) -> None:
    home = home_with(tmp_path, "killed")
    check_failed_by_deaths(home, n_deaths=MAX_ATTEMPTS)
    with pytest.raises(AssertionError):
        check_failed_by_deaths(home, n_deaths=MAX_ATTEMPTS - 1)


def test_none_has_to(tmp_path: Path) -> None:
    check_failed_by_deaths(home_with(tmp_path), n_deaths=0)


def test_no_other_may(tmp_path: Path) -> None:
    home = home_with(tmp_path, "killed", "error")
    with pytest.raises(AssertionError):
        check_failed_by_deaths(home, n_deaths=9)
