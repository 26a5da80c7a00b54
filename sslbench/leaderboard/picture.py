"""The leaderboard as one picture, for a README or a tracking server."""

from __future__ import annotations

import textwrap
from pathlib import Path

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from sslbench.leaderboard.board import Leaderboard, Row
from sslbench.leaderboard.facts import SweepFacts
from sslbench.leaderboard.table import difference_text, score_text

_COLOUR = {
    "self-supervised": "#2a78d6",
    "supervised": "#d95a1e",
    "unsupervised": "#12966a",
    "untrained": "#7b8491",
}
_AXES_WIDTH = 2.88  # inches, as is what names need beside it
_INK, _INK_2, _RULE = "#14181f", "#525b68", "#e2e6eb"


def draw_leaderboard(board: Leaderboard, facts: SweepFacts, file: Path) -> None:
    """Write a PNG or SVG, as the file is called, with verdict, means, intervals and differences.

    The same leaderboard gives the same bytes.
    """
    verdict = textwrap.wrap(board.verdict, 84)
    above = 0.75 + 0.2 * len(verdict)  # inches, as is `height`
    height = 0.8 + above + 0.42 * max(len(board.rows), 1)
    more = _more_for_names(board)
    width = 9.6 + more
    figure = Figure(figsize=(width, height), dpi=160, facecolor="white")
    FigureCanvasAgg(figure)
    top = 1.0 - above / height
    for i, words in enumerate(verdict):
        y = 1.0 - (0.3 + 0.2 * i) / height
        figure.text(0.02, y, _plain(words), fontsize=11.5, weight="bold", color=_INK)
    subtitle = f"{facts.sweep} on {facts.dataset} · {board.stamp or 'no scores'}"
    y = 1.0 - (0.36 + 0.2 * len(verdict)) / height
    figure.text(0.02, y, _plain(subtitle), fontsize=9, color=_INK_2)
    place = ((2.592 + more) / width, 0.55 / height, _AXES_WIDTH / width, top - 0.55 / height)
    axes = figure.add_axes(place)
    _draw_frame(axes, board)
    for position, row in enumerate(board.rows):
        _describe_row(axes, row, position=position, names_at=-0.83 - more / _AXES_WIDTH)
        if row in board.on_axis:
            _draw_row(axes, row, position=position)
        else:
            _beside(axes, 0.0, position, "◂", color=_COLOUR["untrained"])
    about = {"Date": None} if file.suffix == ".svg" else {"Software": None}
    with rc_context({"svg.hashsalt": "sslbench"}):
        figure.savefig(file, metadata=about)


def _draw_frame(axes: Axes, board: Leaderboard) -> None:
    axes.set_ylim(max(len(board.rows), 1) - 0.4, -0.7)
    axes.set_yticks([])
    words = _plain(f"test {board.metric.words}, 95 % interval")
    axes.set_xlabel(words, fontsize=9, color=_INK_2)
    axes.tick_params(axis="x", labelsize=8.5, colors=_INK_2, length=0)
    axes.grid(axis="x", color=_RULE)
    axes.set_axisbelow(True)
    for side in axes.spines.values():
        side.set_visible(False)
    _beside(axes, 1.03, -0.62, "mean (interval)", color=_INK_2)
    _beside(axes, 1.52, -0.62, f"vs best {board.baseline}", color=_INK_2)


def _draw_row(axes: Axes, row: Row, *, position: int) -> None:
    colour, bounds = (
        _COLOUR["untrained" if row.is_control else row.regime],
        [row.test.low, row.test.high],
    )
    axes.plot(
        bounds if row.test.is_known else [row.test.mean] * 2,
        [position, position],
        color=colour,
        alpha=0.5,
        linewidth=3,
        solid_capstyle="round",
    )
    axes.plot([row.test.mean], [position], marker="o", color=colour, markersize=7, mec="white")


def _describe_row(axes: Axes, row: Row, *, position: int, names_at: float) -> None:
    _beside(axes, names_at, position, f"{row.rank}   {row.method}", color=_INK)
    _beside(axes, -0.06, position, row.protocol, color=_INK_2, align="right")
    _beside(axes, 1.03, position, score_text(row.test, digits=3), color=_INK)
    _beside(axes, 1.52, position, difference_text(row, digits=3), color=_INK)


def _beside(axes: Axes, x: float, y: float, words: str, *, color: str, align: str = "left") -> None:
    """Write beside the plot: `x` in widths of the axes, `y` in rows."""
    axes.text(
        x,
        y,
        _plain(words),
        transform=axes.get_yaxis_transform(),
        fontsize=9,
        color=color,
        ha=align,
        va="center",
    )


def _more_for_names(board: Leaderboard) -> float:
    """Return the inches that the picture is wider for the longest name: it is never cut."""
    longest = max((len(row.method) for row in board.rows), default=0)
    return 0.08 * max(0, longest - 24)


def _plain(words: str) -> str:
    # matplotlib reads text between dollar signs as mathematics.
    return words.replace("$", r"\$")
