"""Many sweeps, each hit several times by faults drawn from a seed: what `make chaos` does, one test a seed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.chaos.stories import BLOWS_PER_STORY, kept_seeds, plot, tell

KILLS = int(os.environ.get("KILLS", "20"))
FIRST_SEED = int(os.environ.get("SEED", "1"))


@pytest.mark.slow
@pytest.mark.parametrize("seed", kept_seeds())
def test_what_failed_once_holds(tmp_path: Path, seed: int) -> None:
    tell_again(tmp_path, seed)


@pytest.mark.nightly
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(FIRST_SEED, FIRST_SEED + -(-KILLS // BLOWS_PER_STORY)))
def test_no_sequence_of_faults_loses_or_repeats_a_trial(tmp_path: Path, seed: int) -> None:
    tell_again(tmp_path, seed)


def tell_again(folder: Path, seed: int) -> None:
    print(f"again: make chaos KILLS=1 SEED={seed}")  # printed by pytest if the test fails
    folder.mkdir(exist_ok=True)
    tell(folder, plot(seed), on_blow=lambda blow: print(f"{blow.fault.name}: hit {blow.hit}"))
