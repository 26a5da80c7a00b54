"""Does a classifier of permuted labels do better than chance? Then labels leak, and no row of the leaderboard holds."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from scipy import special  # scipy.stats takes a second to import

from sslbench.leaderboard.facts import SweepFacts
from sslbench.leaderboard.predictions import TestFrames, labelled_cells, predicted_labels
from sslbench.leaderboard.selection import Confirmed
from sslbench.leaderboard.standing import Standing
from sslbench.leaderboard.statistics import chance_macro_f1, seed_scores

MIN_SEEDS = 3  # draws of the permutation distribution, of which fewer have no spread worth the name
LEVEL = 0.99  # of the interval: a false alarm in some 200 leaderboards, where one claims that all of them are void


def label_leaks(standing: Standing, frames: TestFrames, facts: SweepFacts) -> Iterator[str]:
    """Yield a note for each arm fitted on permuted labels whose macro F1 on test cells lies clearly above chance.

    Its seeds are permutations of the training labels, so they are draws of the permutation distribution of that very
    classifier; the majority label is no yardstick for it. Of each draw counts how much it is above its own chance:
    the mean over permutations of the test labels, its predictions as they are. If nothing leaks this is 0 on average
    over draws, while single draws scatter, since a type that is one cloud is hit or missed as a whole. Fewer than
    `MIN_SEEDS` draws are not judged.
    """
    permuted = {arm.name for arm in facts.arms if arm.permutes_labels}
    for arm in standing.arms:
        if arm.arm in permuted and len(arm.uids) >= MIN_SEEDS:
            yield from _leak_of(arm, frames, protocol=standing.protocols[arm.arm])


def _leak_of(arm: Confirmed, frames: TestFrames, *, protocol: str) -> Iterator[str]:
    column = f"predicted/{protocol}"
    tables = [frames.predictions[uid] for uid in arm.uids]
    if any(column not in table.columns for table in tables):
        return
    truth = labelled_cells(frames, arm.uids).label
    predicted = np.array([predicted_labels(table, column) for table in tables])
    scores = seed_scores(truth, predicted)
    chance = np.array([chance_macro_f1(truth, of_seed) for of_seed in predicted])
    if lower_bound(scores - chance) > 0:
        yield (
            f"LABELS LEAK: {arm.arm}, which was fitted on permuted labels, reaches macro F1 {scores.mean():.3f} on test "
            f"cells where chance is {chance.mean():.3f} ({LEVEL:.0%} interval over {len(scores)} permutations): believe no "
            "row before this is explained"
        )


def lower_bound(excess: np.ndarray) -> float:
    """Return the lower end of the t interval of the mean of (n_seeds,) independent draws."""
    n = len(excess)
    half = special.stdtrit(n - 1, 0.5 + LEVEL / 2) * excess.std(ddof=1) / math.sqrt(n)
    return float(excess.mean() - half)
