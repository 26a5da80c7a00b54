"""One sweep is hit by every kind of fault in turn; the same command goes on each time, to the same end."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import pytest

from sslbench.search.leftovers import TOKEN, TOKEN_VARIABLE
from tests.chaos.checker import check_everything, check_nothing_left
from tests.chaos.faults import Blow, Fault, early, late, strike, worker
from tests.chaos.harness import N_TRIALS, SWEEP, Driver, Ended, Place, ended, place
from tests.chaos.processes import of_driver, send, wait_until

SEED = 20
RAY_SERVERS = {
    "gcs_server",
    "raylet",
}  # workers write their titles over what /proc shows of their environment
KILLED_EARLY, ENDED_EARLY = Fault(early), Fault(early, signal.SIGTERM)
KILLED_WORKER, KILLED = Fault(worker), Fault(late)
CTRL_C, ENDED = Fault(late, signal.SIGINT), Fault(late, signal.SIGTERM)
pytestmark = pytest.mark.slow


@dataclass
class Story:
    """What happened to one sweep, told from its first command to its last."""

    here: Place
    blows: dict[Fault, Blow] = field(default_factory=dict)
    second: subprocess.CompletedProcess[str] | None = None
    first_pid: int = 0
    last: Driver | None = None
    started: dict[int, str] = field(default_factory=dict)  # processes of the last driver
    environments: list[dict[str, str]] = field(
        default_factory=list
    )  # of those that keep Ray together
    token_mode: int = 0
    at_the_end: dict[str, Ended] = field(default_factory=dict)

    def run(self, random: Random, *faults: Fault) -> None:
        """Type the command, and deal the faults to it one after the other."""
        driver = self.here.start()
        for fault in faults:
            self.blows[fault] = strike(self.here, driver, fault, random)

    def look_at_ray(self) -> None:
        """Note what the last driver has started, with which environment."""
        assert self.last is not None
        self.started = of_driver(self.last.pid)
        self.environments = [
            environment(process)
            for process, command in self.started.items()
            if Path(command.split()[0]).name in RAY_SERVERS
        ]
        self.token_mode = Path(self.environments[0][TOKEN_VARIABLE]).stat().st_mode & 0o777


def environment(process: int) -> dict[str, str]:
    entries = Path(f"/proc/{process}/environ").read_bytes().decode().split("\0")
    return {name: value for name, _, value in (entry.partition("=") for entry in entries)}


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    random = Random(SEED)
    with place(tmp_path_factory.mktemp("faults")) as here:
        told = Story(here)
        told.run(random, KILLED_EARLY)
        told.run(random, ENDED_EARLY)
        told.run(random, KILLED_WORKER, KILLED)
        told.run(random, CTRL_C)
        told.run(random, ENDED)
        told.last = here.start()
        told.first_pid = told.last.pid
        wait_until(lambda: "resume" in here.drivers[-1].output(), seconds=300, what="it starts")
        told.second = here.command("sweep", SWEEP)
        wait_until(lambda: bool(here.workers(told.last)), seconds=300, what="a trial runs")
        told.look_at_ray()
        told.last.wait()
        told.at_the_end = ended(here.home)
        yield told


def test_every_fault_met_a_running_sweep(story: Story) -> None:
    missed = [f"{fault.name}: {blow.output}" for fault, blow in story.blows.items() if not blow.hit]
    assert missed == []


def test_the_same_command_comes_to_its_end_after_every_fault(story: Story) -> None:
    assert story.last is not None
    assert story.last.wait() == 0, story.last.output()
    assert "verdict" in story.last.output()


def test_nothing_is_lost_run_again_or_left_and_everything_can_be_rebuilt(story: Story) -> None:
    snapshots = [*(blow.ended for blow in story.blows.values()), story.at_the_end]
    assert len(snapshots[-2]) > 0
    check_everything(story.here, snapshots, is_synced=True)


def test_a_private_ray_wants_a_token_that_only_its_user_can_read(story: Story) -> None:
    assert len(story.environments) == len(RAY_SERVERS)
    (token,) = {Path(e.get(TOKEN_VARIABLE, "")) for e in story.environments}
    assert token.name == TOKEN
    assert story.token_mode == 0o600
    assert {e.get("RAY_AUTH_MODE") for e in story.environments} == {"token"}


def test_a_killed_worker_costs_one_more_attempt_and_no_trial(story: Story) -> None:
    outcomes = {blow.exit_code for fault, blow in story.blows.items() if fault.moment is worker}
    assert outcomes == {None}
    assert max(trial.n_attempts for trial in story.at_the_end.values()) > 1


@pytest.mark.parametrize("fault", [CTRL_C, ENDED], ids=lambda fault: fault.name)
def test_an_interrupted_sweep_ends_soon_with_130_and_says_how_to_go_on(
    story: Story, fault: Fault
) -> None:
    blow = story.blows[fault]
    assert blow.exit_code == 130, blow.output
    assert blow.seconds <= 15 * crowd(), f"on a machine with {crowd():.0f} processes for each core"
    assert f"{len(blow.ended)} of {N_TRIALS} trials are safe; the same command" in blow.output
    assert "Traceback" not in blow.output


def crowd() -> float:
    """Return how many processes want each core: at least 1, and more where others work on the machine too."""
    return max(1.0, *(load / (os.cpu_count() or 1) for load in os.getloadavg()))


def test_sigterm_in_the_first_seconds_is_no_crash(story: Story) -> None:
    blow = story.blows[ENDED_EARLY]
    assert blow.exit_code in (130, -signal.SIGTERM), blow.output  # -15: before Python was there
    assert "Traceback" not in blow.output
    assert "***" not in blow.output


def test_a_second_driver_is_refused_and_told_who_owns_the_sweep(story: Story) -> None:
    assert story.second is not None
    assert story.second.returncode == 4
    assert "error[S020]" in story.second.stderr
    assert f"process {story.first_pid} since" in story.second.stderr
    assert "Traceback" not in story.second.stderr


def test_fresh_starts_anew_and_keeps_the_old_trials_aside(story: Story) -> None:
    here = story.here
    old = sorted(trial.sha256 for trial in ended(here.home).values())
    driver = here.start("--fresh")
    wait_until(lambda: 0 < here.n_ended() < N_TRIALS, seconds=600, what="a first new trial")
    send(driver.pid, signal.SIGINT)
    assert driver.wait() == 130, driver.output()
    new = {trial.sha256 for trial in ended(here.home).values()}
    (aside,) = here.home.glob("ledger/*/before-*")
    assert 0 < len(new) < N_TRIALS
    assert new.isdisjoint(old)
    assert len(list(aside.glob("*/attempt-*/result.json"))) >= N_TRIALS
    check_nothing_left(here)
