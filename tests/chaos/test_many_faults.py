"""Many sweeps, each hit several times by faults drawn from a seed: `KILLS=200 make test-nightly` for more of them."""

from __future__ import annotations

import os
import signal
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest

from tests.chaos.checker import check_nothing_left, check_nothing_lost, check_whole
from tests.chaos.harness import Fault, Place, early, ended, everything, late, place, strike, worker

KILLS = int(os.environ.get("KILLS", "20"))
FIRST_SEED = int(os.environ.get("SEED", "1"))
BLOWS_PER_SWEEP = 4
FAULTS = (
    Fault(early),
    Fault(late),
    Fault(worker),
    Fault(everything),
    Fault(early, signal.SIGINT),
    Fault(early, signal.SIGTERM),
    Fault(late, signal.SIGINT),
    Fault(late, signal.SIGTERM),
)


@pytest.mark.nightly
@pytest.mark.parametrize("seed", range(FIRST_SEED, FIRST_SEED + -(-KILLS // BLOWS_PER_SWEEP)))
def test_no_sequence_of_faults_loses_or_repeats_a_trial(tmp_path: Path, seed: int) -> None:
    # printed by pytest if the test fails
    print(f"again: SEED={seed} KILLS=1 .venv/bin/pytest -m nightly {Path(__file__).name}")
    with place(tmp_path) as here:
        run_through(here, Random(seed))


def run_through(here: Place, random: Random) -> None:
    snapshots = [ended(here.home)]
    for fault in random.choices(FAULTS, k=BLOWS_PER_SWEEP):
        driver = here.start()
        blow = strike(here, driver, fault, random)
        print(f"{fault.name}: hit {blow.hit}, exit {blow.exit_code}, {len(blow.ended)} ended")
        driver.wait()
        snapshots.append(ended(here.home))
    last = here.start()
    assert last.wait() == 0, last.output()
    for before, after in pairwise([*snapshots, ended(here.home)]):
        check_nothing_lost(before, after)
    check_whole(here.home)
    check_nothing_left(here)
