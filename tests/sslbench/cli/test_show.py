"""The leaderboard as it stands in a terminal of 100 columns."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from sslbench.cli import terminal
from sslbench.cli.board import Answer
from sslbench.cli.show import show_answer
from sslbench.ledger import Ledger
from tests.sslbench.leaderboard.fake_sweep import MAE, PCA, SUPERVISED, fake_sweep

LONG = [
    replace(MAE, name="mae_with_gene_programmes_and_augmentations"),
    replace(SUPERVISED, name="supervised_from_scratch_with_class_weights"),
    PCA,
]
SNAPSHOT = """
                                                        test macro F1                         p
#       method                          regime          (95 % CI)        vs best supervised   (Holm)
1 (1–2) mae_with_gene_p…gmentations/mlp self-supervised 0.78 (0.75–0.81) +0.03 (−0.01, +0.09) 0.360
1 (1–3) supervised_from…ass_weights/mlp supervised      0.74 (0.71–0.77) reference            –
1 (1–3) pca/linear                      unsupervised    0.73 (0.70–0.76) −0.01 (−0.06, +0.03) 0.557

method                          default → tuned trials        seconds head  knn   linear_probe
mae_with_gene_p…gmentations/mlp – → 0.85        16 (1 failed) 61      –     0.78* 0.78
supervised_from…ass_weights/mlp – → 0.82        16            61      0.74* 0.73  0.69
"""


@pytest.mark.parametrize("is_terminal", [True, False])
def test_long_names_leave_every_row_in_one_line_of_a_hundred_columns(
    is_terminal: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr(
        terminal,
        "out",
        Console(highlight=False, soft_wrap=True, force_terminal=is_terminal, no_color=True),
    )
    sweep = fake_sweep(LONG)
    board = sweep.ranked()
    show_answer(
        Answer(
            board=board,
            facts=sweep.facts,
            records=sweep.records,
            predictions=sweep.predictions,
            ledger=Ledger(Path("none")),
        )
    )
    printed = capsys.readouterr().out
    tables, _, verdict = printed.partition("verdict")
    lines = [line.rstrip() for line in tables.splitlines()]
    assert max(map(len, lines)) <= 100
    assert board.verdict in verdict
    assert lines[:9] == SNAPSHOT.splitlines()[1:]
