"""The two figures of a confirm run: how it learned, and which cell types it mistakes for which.

Names are drawn as they are: matplotlib would read what stands between two dollar signs as mathematics.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from sslbench.results import TrialRecord

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_PREFIX = "predicted/"


def write_figures(
    record: TrialRecord, *, attempt: Path, label_names: Sequence[str], to: Path
) -> None:
    """Write `learning_curve.png` and a `confusion_<protocol>.png` per protocol that has predictions.

    `label_names` are in the order of their codes; a code beyond them is shown as a number.
    """
    to.mkdir(parents=True, exist_ok=True)
    learning_curve(record, file=to / "learning_curve.png")
    if "predictions.parquet" not in record.files:
        return
    predictions = pd.read_parquet(attempt / "predictions.parquet")
    names = dict(enumerate(label_names))
    for column in sorted(c for c in predictions.columns if c.startswith(_PREFIX)):
        protocol = column.removeprefix(_PREFIX)
        counts, codes = confusion(
            label=predictions["label"].to_numpy(), predicted=predictions[column].to_numpy()
        )
        confusion_matrix(
            counts,
            names=[names.get(int(code), str(code)) for code in codes],
            title=f"{record.arm}, {protocol}: test cells, share of each true type",
            file=to / f"confusion_{protocol}.png",
        )


def learning_curve(record: TrialRecord, *, file: Path) -> None:
    """Draw the objective and the losses against updates, one panel above the other, on a shared axis."""
    from matplotlib.figure import Figure

    reports = record.reports
    keys = sorted({key for point in reports for key in point.values}, key=_objective_first(record))
    figure = Figure(figsize=(6.4, 1.0 + 1.9 * max(len(keys), 1)), layout="constrained")
    panels = figure.subplots(max(len(keys), 1), 1, sharex=True, squeeze=False)[:, 0]
    for key, panel in zip(keys, panels):
        points = [(p.updates, p.values[key]) for p in reports if key in p.values]
        panel.plot(*zip(*points, strict=True), marker="o", markersize=3)
        panel.set_ylabel(key, fontsize=8, parse_math=False)
        if record.result is not None:
            panel.axvline(record.result.best_updates, linestyle=":", color="0.4")
    panels[-1].set_xlabel("updates (dotted: the weights that were kept)")
    title = f"{record.arm}, seed {record.config['seed']}"
    panels[0].set_title(title, fontsize=10, parse_math=False)
    _save(figure, file)


def _save(figure: Figure, file: Path) -> None:
    figure.savefig(file, dpi=110)
    figure.clear()  # its parts point at each other and at its pixels, which would wait for the garbage collector


def _objective_first(record: TrialRecord) -> Callable[[str], tuple[bool, str]]:
    return lambda key: (key != record.objective, key)


def confusion(*, label: np.ndarray, predicted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return counts (n_labels, n_labels), true labels in rows, and the codes (n_labels,); unlabelled cells (−1) count nowhere."""
    known = label >= 0
    codes, found = np.unique(np.concatenate([label[known], predicted[known]]), return_inverse=True)
    true, guessed = np.split(found, 2)
    counts = np.zeros((len(codes), len(codes)), dtype=np.int64)
    np.add.at(counts, (true, guessed), 1)
    return counts, codes


def confusion_matrix(counts: np.ndarray, *, names: Sequence[str], title: str, file: Path) -> None:
    """Draw counts (n_labels, n_labels) as shares of each row, so that rare types are seen as well."""
    from matplotlib.figure import Figure

    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = 2.5 + 0.45 * len(names)
    figure = Figure(figsize=(side + 1, side), layout="constrained")
    panel = figure.subplots()
    image = panel.imshow(shares, vmin=0, vmax=1, cmap="Blues")
    figure.colorbar(image, ax=panel)
    panel.set_xticks(
        range(len(names)), names, rotation=60, ha="right", fontsize=8, parse_math=False
    )
    panel.set_yticks(range(len(names)), names, fontsize=8, parse_math=False)
    panel.set_xlabel("predicted")
    panel.set_ylabel("true")
    panel.set_title(title, fontsize=9, parse_math=False)
    for (row, column), count in np.ndenumerate(counts):
        if count:
            colour = "white" if shares[row, column] > 0.6 else "black"
            panel.text(column, row, str(count), ha="center", va="center", fontsize=7, color=colour)
    _save(figure, file)
