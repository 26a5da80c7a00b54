"""What the disk, a kill or another person's machine does to one trial keeps no other from MLflow."""

from __future__ import annotations

from pathlib import Path

import pytest

from sslbench.ledger import JOB, Ledger
from sslbench.tracking.facts import Ending
from sslbench.tracking.mirror import Mirror
from tests.sslbench.tracking.fake_ledger import (
    begin,
    end,
    facts_of,
    job_of,
    ledger_at,
    whole_sweep,
)
from tests.sslbench.tracking.test_mirror import by_uid


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return ledger_at(tmp_path)


def test_a_trial_whose_plan_is_damaged_is_left_out_and_the_others_are_shown(
    home: Path, uri: str, ledger: Ledger
) -> None:
    jobs = whole_sweep(ledger)
    damaged = jobs["confirm 102"].uid  # of the champion
    plan = ledger.trials / damaged / JOB
    plan.write_text(plan.read_text().replace("mae", "mbe", 1))
    Mirror(ledger, uri, facts_of(home)).close(Ending(verdict="not separable"))
    assert set(by_uid(uri)) == {job.uid for job in jobs.values()} - {damaged}


def test_a_trial_is_gone_on_with_by_somebody_with_another_home(
    home: Path, uri: str, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "sslbench.config.TrialConfig.flat", lambda _: {"pretext/programmes": "/home/ann/mine.gmt"}
    )
    job = job_of()
    attempt = begin(ledger, job)
    monkeypatch.setenv("HOME", "/home/ann")
    Mirror(ledger, uri, facts_of(home)).step()
    end(job, attempt)
    monkeypatch.setenv("HOME", "/home/ben")
    Mirror(ledger, uri, facts_of(home)).step()
    run = by_uid(uri)[job.uid]
    assert run.info.status == "FINISHED"
    assert run.data.params == {"pretext/programmes": "~/mine.gmt"}
