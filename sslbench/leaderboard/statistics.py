"""Macro F1 of all cells, of resampled cells and of donors; pure functions of labels and predictions.

Macro F1 is the unweighted mean of F1 over the labels with at least one true cell among the scored cells, in
[0, 1], higher is better.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from sslbench.leaderboard.intervals import (
    N_RESAMPLES,
    SEED,
    ArmScores,
    draw_counts,
    mean_scores,
    with_seeds_resampled,
)

_CHUNK_CELLS = 8_000_000  # resampled cells held at once: 32 MB of float32 weights


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
    f1 = class_f1(truth, predicted, n_labels=n_labels)
    return float(f1[np.isfinite(f1)].mean())


def seed_scores(truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Return macro F1 of each seed (n_seeds,) for predictions (n_seeds, n_cells)."""
    return np.array([macro_f1(truth, one_seed) for one_seed in predicted])


def chance_macro_f1(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Return what macro F1 is on average over all permutations of `truth` (n_cells,) among the cells.

    The numbers of true and of predicted cells of a label stay as they are then, and the expected number of hits is
    their product over n_cells. Cells with truth -1 do not count.
    """
    kept = truth >= 0
    n_labels = int(max(truth.max(), predicted.max())) + 1
    true = np.bincount(truth[kept], minlength=n_labels)
    guessed = np.bincount(predicted[kept], minlength=n_labels)
    expected = 2.0 * true * guessed / (kept.sum() * np.maximum(true + guessed, 1))
    return float(expected[true > 0].mean())


def cell_scores(
    truth: np.ndarray,
    predictions: Sequence[np.ndarray],
    *,
    seeds: Sequence[Sequence[int]] | None = None,
) -> list[ArmScores]:
    """Score arms on the cells of one donor: resample its cells, stratified by label, and each arm's seeds.

    `truth` is (n_cells,), each arm's predictions (n_seeds, n_cells), and `seeds` the numbers of each arm's seeds;
    without them seeds are numbered by their position. All arms see the same resampled cells and the same luck of a
    seed that they share by its number; what an arm gets depends on no other arm.
    """
    kept = truth >= 0
    numbers = seeds if seeds is not None else [range(len(p)) for p in predictions]
    resampled = _resampled_seed_scores(truth[kept], [p[:, kept] for p in predictions])
    means = [float(seed_scores(truth, p).mean()) for p in predictions]
    return [
        ArmScores(mean=mean, per_unit=with_seeds_resampled(by_seed, seeds=own))
        for mean, by_seed, own in zip(means, resampled, numbers, strict=True)
    ]


def donor_scores(
    truth: np.ndarray,
    predictions: Sequence[np.ndarray],
    *,
    donor: np.ndarray,
    seeds: Sequence[Sequence[int]] | None = None,
) -> list[ArmScores]:
    """Score arms per donor: macro F1 within each donor over the labels it has, averaged over seeds.

    Donors without a labelled cell do not count; the mean of an arm weighs every donor the same. `seeds` are the numbers
    of each arm's seeds; without them seeds are numbered by their position.
    """
    codes, _ = pd.factorize(donor, sort=True)  # comparing names of a million cells takes seconds
    members = [codes == code for code in np.unique(codes[truth >= 0])]
    per_arm = [
        np.stack([seed_scores(truth[m], p[:, m]) for m in members], axis=1) for p in predictions
    ]  # (n_seeds, n_donors) each
    numbers = seeds if seeds is not None else [range(len(p)) for p in predictions]
    return [mean_scores(by_seed, seeds=own) for by_seed, own in zip(per_arm, numbers, strict=True)]


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
        generator = np.random.default_rng([SEED, start])
        n = min(size, N_RESAMPLES - start)
        weights = np.empty((n, len(truth)), dtype=np.float32)
        for cells in strata:
            weights[:, cells] = draw_counts(generator, n_draws=len(cells), n_resamples=n)
        yield weights
