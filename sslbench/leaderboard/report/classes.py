"""Which cell types the best row gets right, and what it takes the others for."""

from __future__ import annotations

import html

import numpy as np

from sslbench.leaderboard.board import Row
from sslbench.leaderboard.report.material import Material
from sslbench.leaderboard.report.svg import Scale, clip, text
from sslbench.leaderboard.report.whiskers import dots_track, tick_track
from sslbench.leaderboard.statistics import class_f1

MAX_LABELS = 40
_CELL, _MARGIN, _HEAD = 34, 150, 96  # pixels of the confusion matrix
_NUMBERED = 14  # up to so many labels the cells carry numbers


def class_f1_section(material: Material) -> str:
    """Return F1 of each label, most frequent first, of the best row beside the reference."""
    best, other = material.board.rows[0], _rival(material)
    support = material.cells.support(n_labels=_n_labels(material))
    own = _mean_class_f1(material, best)
    others = _mean_class_f1(material, other) if other else None
    scale = Scale(low=-0.02, high=1.02, start=0.0, end=100.0)
    rows = [
        _class_row(
            f"{material.label(code)}",
            n_cells=int(support[code]),
            value=float(own[code]),
            other=float(others[code]) if others is not None else None,
            track=(scale, material.colour(best.arm), material.colour(other.arm) if other else ""),
        )
        for code in _by_support(support)
    ]
    legend = _key(material, best, css="key")
    if other:
        legend += _key(material, other, css="key hollow")
    return (
        "<section><h2>F1 of each cell type</h2>"
        '<p class="read"><b>How to read:</b> mean over seeds on test cells, most frequent type on top, number of test '
        "cells in grey. Macro F1 weighs every row the same, so rare types at the bottom decide as much as common ones.</p>"
        f'<div class="legend">{legend}</div>'
        f'<div class="forest">{"".join(rows)}<div class="axis"><span class="name"></span>{tick_track(scale)}'
        '<span class="value"></span></div></div></section>'
    )


def confusion_section(material: Material) -> str:
    """Return the row-normalised confusion matrix of the best row, and of its rival where both have room."""
    best, support = material.board.rows[0], material.cells.support(n_labels=_n_labels(material))
    shown = _by_support(support)[:MAX_LABELS]
    left_out = [material.label(code) for code in _by_support(support)[MAX_LABELS:]]
    cut = (
        f" The {len(left_out)} rarest types are not drawn: {html.escape(', '.join(left_out))}."
        if left_out
        else ""
    )
    rival = _rival(material) if len(shown) <= _NUMBERED else None
    names = [material.label(code) for code in shown]
    figures = "".join(
        f"<figure><h3>{html.escape(row.method)}</h3>"
        f'<div class="scroll">{_matrix(_confusion(material, row)[np.ix_(shown, shown)], names)}</div></figure>'
        for row in (best, rival)
        if row is not None
    )
    return (
        f"<section><h2>What {html.escape(best.method)} takes for what</h2>"
        '<p class="read"><b>How to read:</b> each row is a true type and shares 100 % of its test cells over the types '
        f"that were predicted (mean over seeds). The diagonal is what is right.{cut}</p>"
        f'<div class="side">{figures}</div></section>'
    )


def _rival(material: Material) -> Row | None:
    """Return the row that the best one is shown beside: the reference, or of the reference the best SSL row, or any."""
    others = material.board.rows[1:]
    wanted = [row for row in others if row.is_reference]
    wanted += [row for row in others if row.regime == "self-supervised"]
    return next(iter((*wanted, *others)), None)


def _key(material: Material, row: Row, *, css: str) -> str:
    name = html.escape(f"{row.method} ({row.protocol})")
    return f'<span class="{material.colour(row.arm)}"><i class="{css}"></i>{name}</span>'


def _mean_class_f1(material: Material, row: Row) -> np.ndarray:
    truth, n_labels = material.cells.label, _n_labels(material)
    per_seed = [class_f1(truth, p, n_labels=n_labels) for p in material.predicted(row)]
    return np.asarray(np.mean(per_seed, axis=0))


def _confusion(material: Material, row: Row) -> np.ndarray:
    """Return the share of each true label (rows) predicted as each label, mean over seeds."""
    truth, n_labels = material.cells.label, _n_labels(material)
    counts = np.zeros((n_labels, n_labels))
    for predicted in material.predicted(row):
        kept = predicted >= 0
        np.add.at(counts, (truth[kept], predicted[kept]), 1.0)
    return np.asarray(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1.0))


def _n_labels(material: Material) -> int:
    known = [len(material.facts.label_names), int(material.cells.label.max()) + 1]
    predicted = [int(material.predicted(row).max()) + 1 for row in material.board.rows]
    return max(known + predicted)


def _by_support(support: np.ndarray) -> list[int]:
    order = np.argsort(-support, kind="stable")
    return [int(code) for code in order if support[code] > 0]


def _class_row(
    name: str, *, n_cells: int, value: float, other: float | None, track: tuple[Scale, str, str]
) -> str:
    shown = f"{value:.2f}" if other is None else f"{value:.2f} · {other:.2f}"
    scale, *colours = track
    drawn = dots_track(value, other, scale=scale, colours=colours, tip=f"{name}: {shown}")
    return (
        f'<div><span class="name">{html.escape(name)} <span class="dim">{n_cells:,}</span></span>'
        f'{drawn}<span class="value">{shown}</span></div>'
    )


def _matrix(shares: np.ndarray, names: list[str]) -> str:
    n = len(names)
    width, height = _MARGIN + n * _CELL + 60, _HEAD + n * _CELL + 8
    parts = [
        f'<svg class="matrix" viewBox="0 0 {width} {height}" role="img" aria-label="{_in_words(shares, names)}" style="max-width:{width}px;min-width:{min(width, 300 + 8 * n)}px">'
    ]
    for i, name in enumerate(names):
        middle = _HEAD + i * _CELL + _CELL / 2
        parts.append(text(_MARGIN - 8, middle + 4, clip(name, 21), anchor="end", css="t name"))
        x = _MARGIN + i * _CELL + _CELL / 2
        turned = text(0, 0, clip(name, 18), css="t name")
        parts.append(f'<g transform="translate({x + 4:.0f} {_HEAD - 8}) rotate(-40)">{turned}</g>')
        parts += [_square(shares[i, j], i, j, names=names) for j in range(n)]
    side = n * _CELL
    frame = f'<rect class="frame" x="{_MARGIN}" y="{_HEAD}" width="{side}" height="{side}"/>'
    return "".join([*parts, frame, "</svg>"])


def _in_words(shares: np.ndarray, names: list[str]) -> str:
    """Return the matrix for who cannot see it: what each type is taken for most, beside itself."""
    others = shares - np.diag(np.diag(shares))
    worst = others.argmax(axis=1)
    said = (
        f"{name}: {shares[i, i]:.0%} right"
        + (f", {others[i, worst[i]]:.0%} {names[worst[i]]}" if others[i, worst[i]] >= 0.005 else "")
        for i, name in enumerate(names)
    )
    return html.escape(f"Confusion matrix. {'; '.join(said)}")


def _square(share: float, i: int, j: int, *, names: list[str]) -> str:
    if share < 0.005:
        return ""
    x, y = _MARGIN + j * _CELL, _HEAD + i * _CELL
    tip = html.escape(f"{names[i]} → {names[j]}: {share:.0%}")
    square = (
        f'<rect class="cell" x="{x + 1}" y="{y + 1}" width="{_CELL - 2}" height="{_CELL - 2}" rx="3" '
        f'fill-opacity="{0.08 + 0.92 * share:.2f}"><title>{tip}</title></rect>'
    )
    if len(names) > _NUMBERED:
        return square
    css = "t count on" if share > 0.55 else "t count"
    return square + text(
        x + _CELL / 2, y + _CELL / 2 + 4, f"{100 * share:.0f}", anchor="middle", css=css
    )
