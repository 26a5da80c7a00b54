"""What the disk, a kill or another person's machine does to one trial keeps no other from MLflow."""

from __future__ import annotations

import signal
import subprocess
import sys
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
    whole_sweep,
)
from tests.sslbench.tracking.test_mirror import by_uid

KILLED_IN_THE_MIDDLE = """
import os, signal, sys
from pathlib import Path
from sslbench.tracking import trial_run
from sslbench.tracking.mirror import Mirror
from tests.sslbench.tracking.fake_ledger import facts_of, ledger_at

def write_figures(record, *, attempt, label_names, to):
    (to / "half.png").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)

trial_run.write_figures = write_figures
Mirror(ledger_at(Path(sys.argv[1])), sys.argv[2], facts_of(Path(sys.argv[3]))).step()
"""


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


@pytest.mark.slow
def test_a_kill_while_figures_are_made_leaves_nothing_once_they_are_sent(
    home: Path, uri: str, tmp_path: Path, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = whole_sweep(ledger)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))
    places = [str(tmp_path), uri, str(home)]
    killed = subprocess.run([sys.executable, "-c", KILLED_IN_THE_MIDDLE, *places])
    assert killed.returncode == -signal.SIGKILL
    assert [f.parent.parent for f in tmp_path.rglob("half.png")] == [ledger.folder]
    assert list(scratch.iterdir()) == []
    Mirror(ledger, uri, facts_of(home)).step()
    assert by_uid(uri)[jobs["confirm 101"].uid].info.status == "FINISHED"
    assert {entry.name for entry in ledger.folder.iterdir()} == {"trials"}
