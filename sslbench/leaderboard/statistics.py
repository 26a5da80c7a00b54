"""Means, 95 % intervals and paired differences of macro F1; pure functions of labels and predictions.

Macro F1 is the unweighted mean of F1 over the labels with at least one true cell among the scored cells, in
[0, 1], higher is better. Cells or seeds that arms share are paired: every arm is resampled alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

N_RESAMPLES = 2000
LEVEL = 0.95
_SEED = 20240913  # any constant: two people with the same records must see the same interval
_CHUNK_CELLS = 8_000_000  # resampled cells held at once: 32 MB of float32 weights


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A mean and its 95 % interval."""

    mean: float
    low: float
    high: float

    @property
    def spans_zero(self) -> bool:
        """Whether the interval holds 0: as a difference, a tie."""
        return self.low <= 0.0 <= self.high


@dataclass(frozen=True, kw_only=True)
class ArmScores:
    """One arm under one protocol: its mean and the draws or donor scores that its interval is made of."""

    mean: float
    per_unit: (
        np.ndarray
    )  # (n_resamples,) resampled means, or (n_donors,) scores; aligned between arms


def class_f1(truth: np.ndarray, predicted: np.ndarray, *, n_labels: int) -> np.ndarray:
    """Return F1 of each label (n_labels,) for codes (n_cells,); NaN where a label has no true cell."""
    kept = truth >= 0
    true = np.bincount(truth[kept], minlength=n_labels)
    guessed = np.bincount(predicted[kept & (predicted >= 0)], minlength=n_labels)[:n_labels]
    hit = np.bincount(truth[kept & (truth == predicted)], minlength=n_labels)
    f1 = 2.0 * hit / np.maximum(true + guessed, 1)
    return np.where(true > 0, f1, np.nan)


def macro_f1(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Return macro F1 of codes (n_cells,); cells with truth -1 do not count.

    Raises
    ------
    ValueError
        If no cell has a label.
    """
    if not (truth >= 0).any():
        raise ValueError("macro F1 needs at least one labelled cell, got none")
    n_labels = int(max(truth.max(), predicted.max())) + 1
    return float(np.nanmean(class_f1(truth, predicted, n_labels=n_labels)))


def seed_scores(truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Return macro F1 of each seed (n_seeds,) for predictions (n_seeds, n_cells)."""
    return np.array([macro_f1(truth, one_seed) for one_seed in predicted])


def cell_scores(truth: np.ndarray, predictions: Sequence[np.ndarray]) -> list[ArmScores]:
    """Score arms on the cells of one donor: resample its cells, stratified by label, and each arm's seeds.

    `truth` is (n_cells,), each arm's predictions (n_seeds, n_cells). All arms see the same resampled cells, and
    arms with equally many seeds the same seed positions; what an arm gets depends on no other arm.
    """
    kept = truth >= 0
    resampled = _resampled_seed_scores(truth[kept], [p[:, kept] for p in predictions])
    means = [float(seed_scores(truth, p).mean()) for p in predictions]
    return [
        ArmScores(mean=mean, per_unit=_resample_seeds(by_seed))
        for mean, by_seed in zip(means, resampled, strict=True)
    ]


def donor_scores(
    truth: np.ndarray, predictions: Sequence[np.ndarray], *, donor: np.ndarray
) -> list[ArmScores]:
    """Score arms per donor: macro F1 within each donor over the labels it has, averaged over seeds.

    Donors without a labelled cell do not count; the mean of an arm weighs every donor the same.
    """
    members = [donor == name for name in np.unique(donor[truth >= 0])]
    per_arm = [
        np.array([seed_scores(truth[m], p[:, m]).mean() for m in members]) for p in predictions
    ]
    return [ArmScores(mean=float(scores.mean()), per_unit=scores) for scores in per_arm]


def cell_interval(scores: ArmScores) -> Estimate:
    """Return the bootstrap interval of a mean: the central 95 % of its resampled values, centred on the mean."""
    return _clipped(_bootstrap(scores.mean, scores.per_unit))


def cell_difference(arm: ArmScores, other: ArmScores) -> Estimate:
    """Return arm − other with its paired bootstrap interval; identical predictions give exactly 0 to 0."""
    return _bootstrap(arm.mean - other.mean, arm.per_unit - other.per_unit)


def donor_interval(scores: ArmScores) -> Estimate:
    """Return the t interval of a mean over donors (at least two)."""
    return _clipped(_t_interval(scores.per_unit))


def donor_difference(arm: ArmScores, other: ArmScores) -> Estimate:
    """Return arm − other with its paired t interval over donors (at least two)."""
    return _t_interval(arm.per_unit - other.per_unit)


def _bootstrap(mean: float, draws: np.ndarray) -> Estimate:
    # F1 of resampled cells is biased (the rare labels most); centring takes the bias out of the interval.
    tail = (1.0 - LEVEL) / 2.0
    low, high = np.quantile(draws - draws.mean(), [tail, 1.0 - tail])
    return Estimate(mean=mean, low=mean + float(low), high=mean + float(high))


def _t_interval(values: np.ndarray) -> Estimate:
    mean, n = float(values.mean()), len(values)
    reach = stats.t.ppf((1.0 + LEVEL) / 2.0, n - 1) * values.std(ddof=1) / np.sqrt(n)
    return Estimate(mean=mean, low=mean - float(reach), high=mean + float(reach))


def _clipped(estimate: Estimate) -> Estimate:
    return Estimate(mean=estimate.mean, low=max(estimate.low, 0.0), high=min(estimate.high, 1.0))


def _resampled_seed_scores(
    truth: np.ndarray, predictions: Sequence[np.ndarray]
) -> list[np.ndarray]:
    """Return macro F1 of every resample and seed, (n_resamples, n_seeds) an arm."""
    guessed, hit = _indicators(truth, predictions)  # (n_cells, n_predictions * n_labels)
    labels, true = np.unique(truth, return_counts=True)
    n_predictions = sum(len(p) for p in predictions)
    chunks = []
    for weights in _resampled_cells(truth):
        shape = (len(weights), n_predictions, len(labels))
        f1 = 2.0 * (weights @ hit).reshape(shape) / (true + (weights @ guessed).reshape(shape))
        chunks.append(f1.mean(axis=2))
    ends = np.cumsum([len(p) for p in predictions])[:-1]
    return np.split(np.concatenate(chunks), ends, axis=1)


def _indicators(
    truth: np.ndarray, predictions: Sequence[np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Return, for each cell, prediction and true label: was it guessed, and was that right (float32)."""
    stacked = np.concatenate(list(predictions)).T[:, :, None]  # (n_cells, n_predictions, 1)
    labels = np.unique(truth)
    guessed = (stacked == labels).astype(np.float32)  # (n_cells, n_predictions, n_labels)
    hit = guessed * (truth[:, None, None] == labels)
    return guessed.reshape(len(truth), -1), hit.reshape(len(truth), -1).astype(np.float32)


def _resampled_cells(truth: np.ndarray) -> Iterator[np.ndarray]:
    """Yield how often each cell is drawn, (some resamples, n_cells) float32; each label keeps its count."""
    strata = [np.flatnonzero(truth == label) for label in np.unique(truth)]
    size = max(1, min(N_RESAMPLES, _CHUNK_CELLS // len(truth)))
    for start in range(0, N_RESAMPLES, size):
        generator = np.random.default_rng([_SEED, start])
        n = min(size, N_RESAMPLES - start)
        weights = np.empty((n, len(truth)), dtype=np.float32)
        for cells in strata:
            weights[:, cells] = _draw_counts(generator, n_draws=len(cells), n_resamples=n)
        yield weights


def _draw_counts(generator: np.random.Generator, *, n_draws: int, n_resamples: int) -> np.ndarray:
    """Return how often each of `n_draws` things is drawn in `n_draws` draws, (n_resamples, n_draws)."""
    drawn = generator.integers(n_draws, size=(n_resamples, n_draws))
    drawn += np.arange(n_resamples)[:, None] * n_draws
    return np.bincount(drawn.ravel(), minlength=n_resamples * n_draws).reshape(n_resamples, n_draws)


def _resample_seeds(by_seed: np.ndarray) -> np.ndarray:
    """Return the mean over resampled seeds (n_resamples,) of scores (n_resamples, n_seeds).

    Resampling S values understates the variance of their mean by (S-1)/S, which matters at 3 or 5 seeds, so
    the seeds' part is widened by sqrt(S/(S-1)). One seed has no spread: the interval is that of the cells.
    """
    n_resamples, n_seeds = by_seed.shape
    mean = by_seed.mean(axis=1)
    if n_seeds == 1:
        return np.asarray(mean)
    generator = np.random.default_rng([_SEED, n_seeds, 1])
    counts = _draw_counts(generator, n_draws=n_seeds, n_resamples=n_resamples)
    drawn = (by_seed * counts).sum(axis=1) / n_seeds
    return np.asarray(mean + (drawn - mean) * np.sqrt(n_seeds / (n_seeds - 1)))
