"""The finalists' test cells on maps of two dimensions, beside each other: for looks, not for ranking."""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pandas as pd

from sslbench.leaderboard.board import Row
from sslbench.leaderboard.maps import MAX_MAPS, MIN_CELLS, finalists, made_with
from sslbench.leaderboard.report.material import Material
from sslbench.leaderboard.report.style import N_COLOURS, series_class

_SIDE, _EDGE = 300, 8  # pixels of a map and of the air around its dots
_UNLABELLED = "no label"


def maps_section(material: Material) -> str:
    """Return a map of each finalist, coloured by cell type and, where cells are of several batches, by batch."""
    shown = finalists(material.board, material.records)
    drawn = [row for row in material.board.rows if shown.get(row.arm) in material.maps]
    title = "<section><h2>Maps of the test cells: for looks, not for ranking</h2>"
    if not drawn:
        return f'{title}<p class="read">{_why_none(material)}</p></section>'
    cells = {row.arm: _cells(material, shown[row.arm]) for row in drawn}
    first = cells[drawn[0].arm]
    by_type = _grid(drawn, cells, "type", words="cell type", names=_by_size(first["type"]))
    batches = _by_size(first["batch"])
    by_batch = (
        _grid(drawn, cells, "batch", words="batch", names=batches) if len(batches) > 1 else ""
    )
    return (
        f'{title}<p class="read"><b>How to read:</b> each dot is one of {len(first):,} test cells, the same on every '
        "map, where UMAP puts its embedding by the seed that is best on validation. Neighbours on a map are mostly "
        "neighbours in the embedding; how large groups are, and how far apart, means little. "
        f"Nothing on this page is ranked by it. {_capped(material, drawn)}{html.escape(made_with())}.</p>"
        f"{by_type}{by_batch}</section>"
    )


def _why_none(material: Material) -> str:
    if not material.board.rows:
        return "None: no arm has a score."
    return (
        f"None: no confirm trial of these left the embedding of at least {MIN_CELLS} test cells that differ; "
        "trials of earlier versions left none."
    )


def _capped(material: Material, drawn: Sequence[Row]) -> str:
    left_out = [row.method for row in material.board.rows if row not in drawn]
    if not left_out:
        return ""
    names = html.escape(", ".join(left_out))
    return f"Not drawn, as {MAX_MAPS} maps are the most or for want of an embedding: {names}. "


def _cells(material: Material, uid: str) -> pd.DataFrame:
    """Return x, y, type and batch of a trial's mapped cells, in the order of their rows."""
    told = material.predictions[uid][["row_id", "label", "donor"]]
    cells = material.maps[uid].merge(told, on="row_id", validate="one_to_one").sort_values("row_id")
    named = [material.label(code) if code >= 0 else _UNLABELLED for code in cells["label"]]
    has_batch = (cells["batch"] != "").any()
    return cells.assign(type=named, batch=cells["batch"] if has_batch else cells["donor"])


def _by_size(names: pd.Series) -> list[str]:
    """Return the names, most cells first, unlabelled cells last."""
    counts = Counter(str(name) for name in names)
    return sorted(counts, key=lambda name: (name == _UNLABELLED, -counts[name], name))


def _grid(
    rows: Sequence[Row],
    cells: dict[str, pd.DataFrame],
    column: str,
    *,
    words: str,
    names: Sequence[str],
) -> str:
    coloured = [name for name in names if name != _UNLABELLED][:N_COLOURS]
    figures = "".join(
        f"<figure><h3>{html.escape(row.method)}</h3>"
        f"{_map(cells[row.arm], column, coloured=coloured, label=f'Map of {row.method}, coloured by {words}')}</figure>"
        for row in rows
    )
    keys = "".join(
        f'<span class="{series_class(i)}"><i class="key"></i>{html.escape(name)}</span>'
        for i, name in enumerate(coloured)
    )
    others = [name for name in names if name not in coloured]
    if others:
        keys += f'<span class="other"><i class="key"></i>{html.escape(", ".join(others))}</span>'
    return f'<h3>Coloured by {words}</h3><div class="legend">{keys}</div><div class="panels maps">{figures}</div>'


def _map(cells: pd.DataFrame, column: str, *, coloured: Sequence[str], label: str) -> str:
    """Return a square of dots: one path a colour, others beneath, then most frequent first, so that rare types show."""
    places = _placed(cells[["x", "y"]].to_numpy(dtype=float))
    names = cells[column].astype(str).to_numpy()
    groups = [("other", ~np.isin(names, coloured))]
    groups += [(series_class(i), names == name) for i, name in enumerate(coloured)]
    paths = "".join(
        f'<path class="dots {css}" d="{_dots(places[own])}"/>' for css, own in groups if own.any()
    )
    return (
        f'<svg class="map" viewBox="0 0 {_SIDE} {_SIDE}" role="img" aria-label="{html.escape(label)}">'
        f'<rect class="frame" x="1" y="1" width="{_SIDE - 2}" height="{_SIDE - 2}" rx="6"/>{paths}</svg>'
    )


def _placed(places: np.ndarray) -> np.ndarray:
    """Return places (n_cells, 2) in pixels: centred, both axes on one scale."""
    low, high = places.min(axis=0), places.max(axis=0)
    scale = (_SIDE - 2 * _EDGE) / max(float((high - low).max()), 1e-9)
    return np.asarray(_SIDE / 2 + (places - (low + high) / 2) * scale)


def _dots(places: np.ndarray) -> str:
    """Return lines of no length, which a round cap makes dots of: a tenth of the text of circles."""
    return "".join(f"M{x:.1f} {y:.1f}h0" for x, y in places)
