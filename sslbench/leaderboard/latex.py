"""The leaderboard as LaTeX, for a paper: tables in the style of booktabs, every name escaped."""

from __future__ import annotations

from collections.abc import Iterator

from sslbench.leaderboard.board import Leaderboard
from sslbench.leaderboard.facts import SweepFacts
from sslbench.leaderboard.table import Table, label_table, main_table, protocol_table

_ESCAPES = {
    "\\": r"\textbackslash{}",
    **{character: f"\\{character}" for character in "{}$&#_%"},
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "−": "$-$",
    "–": "--",
    "—": "---",
    "×": r"$\times$",
    "·": r"$\cdot$",
    "→": r"$\rightarrow$",
    "…": r"\dots{}",
}
_TABLE = str.maketrans(_ESCAPES)


def render_latex(board: Leaderboard, facts: SweepFacts) -> str:
    r"""Return the leaderboard, the same by protocol and the label curve, each as a `table` with a caption.

    Needs `\\usepackage{booktabs}`; names in other scripts need an engine that reads UTF-8.
    """
    about = f"{facts.sweep} on {facts.dataset}"
    tables = []
    if board.rows:
        caption = " ".join((f"{about}. {board.verdict}", _sentence(board.stamp)))
        tables.append(_float(main_table(board, digits=3), caption=caption))
        words = (
            f"{about}: mean test {board.metric.words} by protocol; * the one that validation chose."
        )
        tables.append(_float(protocol_table(board, digits=3), caption=words))
    if board.label_curve is not None:
        curve = board.label_curve
        caption = " ".join((f"{about}, fewer labels. {curve.sentence}", _sentence(curve.stamp)))
        tables.append(_float(label_table(curve, digits=3), caption=caption))
    return "\n".join([r"% needs \usepackage{booktabs}", *tables])


def escaped(text: str) -> str:
    """Return text that LaTeX sets as it is, on one line: a line break could end a comment or a paragraph."""
    return " ".join(text.split()).translate(_TABLE)


def _float(table: Table, *, caption: str) -> str:
    return "\n".join(_lines(table, caption=caption)) + "\n"


def _lines(table: Table, *, caption: str) -> Iterator[str]:
    align = "".join("r" if column.align == "right" else "l" for column in table.columns)
    yield r"\begin{table}"
    yield rf"\caption{{{escaped(caption)}}}"
    yield rf"\begin{{tabular}}{{{align}}}"
    yield r"\toprule"
    yield _row(column.title for column in table.columns)
    yield r"\midrule"
    yield from (_row(cells) for cells in table.rows)
    yield r"\bottomrule"
    yield r"\end{tabular}"
    yield r"\end{table}"


def _row(cells: Iterator[str] | tuple[str, ...]) -> str:
    # In a group, or a cell that begins with [ or * would be read as an option of the line break before it.
    return " & ".join(f"{{{escaped(cell)}}}" for cell in cells) + r" \\"


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}." if words else ""
