import shutil
import subprocess
from pathlib import Path

import pytest

from sslbench.leaderboard.latex import escaped, render_latex
from sslbench.leaderboard.table import main_table, protocol_table
from tests.sslbench.leaderboard.fake_sweep import ARMS, fake_sweep
from tests.sslbench.leaderboard.fake_tasks import with_shares

SWEEP = with_shares(
    fake_sweep(), {0.05: {arm.name: 0.6 for arm in ARMS}}, lost={0.01: ("NK", "a_b & c")}
)
BOARD = SWEEP.ranked()
LATEX = render_latex(BOARD, SWEEP.facts)


def test_every_table_has_a_line_for_each_row_with_as_many_cells_as_columns() -> None:
    tables = LATEX.split(r"\begin{table}")[1:]
    assert len(tables) == 3
    for text, table in zip(
        tables, (main_table(BOARD, digits=3), protocol_table(BOARD, digits=3)), strict=False
    ):
        lines = [line for line in text.splitlines() if line.endswith(r" \\")]
        assert len(lines) == len(table.rows) + 1
        assert {line.count(" & ") for line in lines} == {len(table.columns) - 1}
        for rule in (r"\toprule", r"\midrule", r"\bottomrule"):
            assert text.count(rule) == 1


def test_names_are_set_as_they_are() -> None:
    assert escaped("a_b & 5 % of $x$ #1 {y}") == r"a\_b \& 5 \% of \$x\$ \#1 \{y\}"
    assert escaped("\\input{x} ~^") == (
        r"\textbackslash{}input\{x\} \textasciitilde{}\textasciicircum{}"
    )
    assert escaped("a\n% b\n\nc") == r"a \% b c"
    assert escaped("+0.1 (−0.2, 0.3–0.4)") == "+0.1 ($-$0.2, 0.3--0.4)"


def test_the_verdict_and_what_limits_it_stand_in_the_caption() -> None:
    caption = next(line for line in LATEX.splitlines() if line.startswith(r"\caption"))
    assert escaped(BOARD.verdict) in caption
    assert escaped(BOARD.stamp)[1:] in caption


def test_a_leaderboard_without_rows_has_no_table() -> None:
    failed = [record for record in SWEEP.records if record.outcome == "failed"]
    board = type(SWEEP)(failed, {}, SWEEP.facts).ranked()
    assert r"\begin{tabular}" not in render_latex(board, SWEEP.facts)


@pytest.mark.slow
def test_latex_itself_sets_the_tables(tmp_path: Path) -> None:
    engine = next(
        (found for name in ("pdflatex", "lualatex", "tectonic") if (found := shutil.which(name))),
        None,
    )
    if engine is None:
        pytest.skip("no LaTeX is installed (looked for pdflatex, lualatex, tectonic)")
    document = rf"\documentclass{{article}}\usepackage{{booktabs}}\usepackage{{textcomp}}\begin{{document}}{LATEX}\end{{document}}"
    (tmp_path / "board.tex").write_text(document, encoding="utf-8")
    subprocess.run(
        [engine, "-interaction=nonstopmode", "-halt-on-error", "board.tex"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        timeout=120,
    )
