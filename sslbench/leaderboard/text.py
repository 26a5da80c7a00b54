"""The leaderboard as a data frame, as CSV and as markdown."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence

import pandas as pd

from sslbench.discretion import without_home
from sslbench.leaderboard.board import (
    ExternalRow,
    JudgedClaim,
    LabelCurve,
    Leaderboard,
    Row,
    StaleRow,
)
from sslbench.leaderboard.facts import SweepFacts
from sslbench.leaderboard.freshness import stale_line
from sslbench.leaderboard.table import (
    HOW_TO_READ,
    Table,
    label_table,
    main_table,
    part_text,
    protocol_table,
)

_LOOSE_UNDERSCORE = re.compile(r"(?<!\w)_|_(?!\w)")  # inside a word markdown leaves it alone
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def to_frame(board: Leaderboard) -> pd.DataFrame:
    """Return one line a row of the leaderboard, then its external and stale ones; numbers as numbers, empty if there are none."""
    ranked = [_values(board, row) for row in board.rows]
    external = [_external_values(board, row) for row in board.external]
    return pd.DataFrame([*ranked, *external, *(_stale_values(board, row) for row in board.stale)])


def render_csv(board: Leaderboard) -> str:
    """Return the frame as CSV; text that a spreadsheet would run as a formula is prefixed with an apostrophe."""
    frame = to_frame(board)
    text_columns = frame.select_dtypes(include="object").columns
    return frame.assign(**{name: frame[name].map(defused) for name in text_columns}).to_csv(
        index=False, lineterminator="\n"
    )


def render_markdown(board: Leaderboard, facts: SweepFacts) -> str:
    """Return verdict, table, same-protocol table, notes, holes and failures as GitHub markdown."""
    lines = [f"## {escaped(facts.sweep)} on {escaped(facts.dataset)}", ""]
    lines += [escaped(facts.question), "", f"**{escaped(board.verdict)}**", ""]
    if board.claim is not None:
        lines += _claim_lines(board.claim)
    if board.rows or board.external:
        lines += [
            *markdown_table(main_table(board, digits=3)),
            "",
            f"_{escaped(board.stamp)}_",
            "",
        ]
        lines += [f"_{HOW_TO_READ}_", ""]
        lines += [f"The same, by protocol (mean test {board.metric.words}):", ""]
        lines += [*markdown_table(protocol_table(board, digits=3)), ""]
    if board.label_curve is not None:
        lines += _label_lines(board.label_curve)
    lines += [*bullets("Notes", board.notes), *bullets("Holes", board.holes)]
    stale = [without_home(stale_line(row, digits=3)) for row in board.stale]
    lines += bullets("Stale rows: not ranked, not compared", stale)
    failures = [f"{g.n_trials} × {g.arm} ({g.stage}) {g.kind}: {g.message}" for g in board.failures]
    return "\n".join([*lines, *bullets("Failed trials", failures)]).rstrip() + "\n"


def _claim_lines(claim: JudgedClaim) -> list[str]:
    parts = [f"{part.says}: {part_text(part, digits=3)}" for part in claim.parts]
    published = escaped(f"{claim.text} ({claim.source})")
    sentence = escaped(claim.sentence)
    return [f"Claim: {published}", "", *bullets(sentence, parts)]


def _label_lines(curve: LabelCurve) -> list[str]:
    sentence, stamp = escaped(curve.sentence), escaped(curve.stamp)
    table = markdown_table(label_table(curve, digits=3))
    holes = bullets("Shares of the labels that are not there", curve.holes)
    return [f"**Fewer labels.** {sentence}", "", *table, "", f"_{stamp}_", "", *holes]


def _values(board: Leaderboard, row: Row) -> dict[str, object]:
    difference, metric = row.difference, board.metric.name
    return {
        "rank": row.rank,
        "method": row.method,
        "arm": row.arm,
        "regime": row.regime,
        "protocol": row.protocol,
        f"test_{metric}": row.test.mean,
        "test_low": row.test.low,
        "test_high": row.test.high,
        "is_reference": row.is_reference,
        "is_control": row.is_control,
        "difference": difference.mean if difference else None,
        "difference_low": difference.low if difference else None,
        "difference_high": difference.high if difference else None,
        f"validation_{metric}": row.validation,
        **{f"test/{name}/{metric}": row.test_by_protocol.get(name) for name in board.protocols},
        **_at_shares(board, row),
        "seeds": len(row.seeds),
        "trials": row.effort.n_trials,
        "trials_collapsed": row.effort.n_collapsed,
        "trials_failed": row.effort.n_failed,
        "trials_planned": row.effort.n_planned,
        "seconds": round(row.effort.seconds, 1),
        "recipe": row.recipe,
        "recipe_params": "; ".join(f"{k}={v}" for k, v in sorted(row.params.items())),
        "test_openings": row.n_test_openings,
        "rank_low": row.rank_interval[0] if row.rank_interval else None,
        "rank_high": row.rank_interval[1] if row.rank_interval else None,
        "p": row.p,
        "p_holm": row.p_holm,
        "objective": f"val/{row.chosen_by}/{metric}",
        "objective_default": row.default,
        "objective_tuned": row.tuned,
        "max_updates": row.effort.max_updates,
        "status": "ranked",
        **row.made_with,
    }


def _external_values(board: Leaderboard, row: ExternalRow) -> dict[str, object]:
    difference, metric = row.difference, board.metric.name
    return {
        "method": row.method,
        "arm": row.name,
        "regime": "external",
        "protocol": row.protocol,
        f"test_{metric}": row.test.mean,
        "test_low": row.test.low,
        "test_high": row.test.high,
        "is_reference": False,
        "difference": difference.mean if difference else None,
        "difference_low": difference.low if difference else None,
        "difference_high": difference.high if difference else None,
        f"validation_{metric}": row.validation,
        **{f"test/{name}/{metric}": row.test_by_protocol.get(name) for name in board.protocols},
        "status": "external",
        "saw_dataset": row.saw_dataset,
        **row.made_with,
    }


def _stale_values(board: Leaderboard, row: StaleRow) -> dict[str, object]:
    return {
        "method": row.method,
        "arm": row.arm,
        "protocol": row.protocol,
        f"test_{board.metric.name}": row.test,
        "is_reference": False,
        "seeds": row.n_seeds,
        "recipe": row.recipe,
        "status": "stale",
        **row.made_with,
        "stale_because": row.reason,
    }


def _at_shares(board: Leaderboard, row: Row) -> dict[str, object]:
    """Return the row's mean test score at each further share of the labels, each under the protocol chosen there."""
    further = board.label_curve.points[:-1] if board.label_curve else ()
    found = {f"{100 * point.fraction:g}": point.arm(row.arm) for point in further}
    return {f"test_at_{share}_percent": at.test.mean if at else None for share, at in found.items()}


def defused(value: object) -> object:
    """Return a value that a spreadsheet takes for text and never for a formula."""
    if isinstance(value, str) and value.startswith(_FORMULA_STARTS):
        return f"'{value}"
    return value


def markdown_table(table: Table) -> Iterator[str]:
    """Yield the lines of a table in markdown."""
    yield _markdown_line([column.title for column in table.columns])
    yield _markdown_line(["---:" if c.align == "right" else "---" for c in table.columns])
    for row in table.rows:
        yield _markdown_line([escaped(cell) for cell in row])


def _markdown_line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def bullets(title: str, lines: Sequence[str]) -> list[str]:
    """Return the lines of a titled list in markdown; nothing where there is nothing to list."""
    return [f"**{title}**", "", *(f"- {escaped(line)}" for line in lines), ""] if lines else []


def escaped(text: str) -> str:
    """Return text that markdown shows as it is: no HTML, no table cells, no line breaks."""
    one_line = " ".join(text.split())
    quoted = html.escape(one_line, quote=False)
    for character in ("\\", "|", "`", "*", "[", "]"):
        quoted = quoted.replace(character, f"\\{character}")
    return _LOOSE_UNDERSCORE.sub(r"\\_", quoted)
