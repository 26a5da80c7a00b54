"""Tables of the terminal: one line a row, whatever arms are called and however many protocols there are."""

from dataclasses import replace

import pytest

from sslbench.leaderboard.fitting import label_lines, terminal_tables
from sslbench.leaderboard.table import Table
from tests.sslbench.leaderboard.fake_sweep import MAE, PCA, RANDOM_INIT, SUPERVISED, fake_sweep
from tests.sslbench.leaderboard.fake_tasks import with_shares

PROTOCOLS = ("calibration", "fine_tune", "knn", "knn_projector", "linear_probe", "open_set", "linear_probe_projector", "scib")  # fmt: skip
LONG = [
    replace(MAE, name="mae_with_gene_programmes_and_augmentations", protocols=PROTOCOLS),
    replace(MAE, name="mae_with_gene_programmes_and_no_augmentations"),
    replace(SUPERVISED, name="supervised_from_scratch_with_class_weights"),
    PCA,
]


def printed_width(table: Table) -> int:
    """How wide a line is, a space between columns; of a title its longest line counts."""
    widths = [
        max(len(line) for cell in (column.title, *(row[i] for row in table.rows)) for line in cell.splitlines())
        for i, column in enumerate(table.columns)
    ]  # fmt: skip
    return sum(widths) + len(widths) - 1


@pytest.mark.parametrize("width", [80, 100, 140])
@pytest.mark.parametrize("arms", [[MAE, SUPERVISED, PCA, RANDOM_INIT], LONG], ids=["short", "long"])
def test_tables_are_no_wider_than_a_line_and_hold_every_protocol(arms, width) -> None:
    board = fake_sweep(arms).ranked()
    tables = terminal_tables(board, digits=2, width=width)
    assert all(printed_width(table) <= width for table in tables)
    titles = [" ".join(column.title.split()) for table in tables for column in table.columns]
    assert set(titles) >= {*board.protocols, "#", "regime", "p (Holm)", "default → tuned", "trials"}
    for table in tables:
        at = [column.title for column in table.columns].index("method")
        names = [row[at] for row in table.rows]
        assert len(set(names)) == len(arms)
        for name, row in zip(names, board.rows):
            assert row.method.startswith(name.split("…")[0])
            assert row.method.endswith(name.split("…")[-1])


def test_what_fits_is_neither_cut_nor_broken() -> None:
    board = fake_sweep().ranked()
    first, second = terminal_tables(board, digits=2, width=100)
    assert [row[1] for row in first.rows] == [row.method for row in board.rows]
    assert [column.title for column in second.columns][:2] == ["method", "default → tuned"]


def test_names_that_no_cut_keeps_apart_are_left_whole() -> None:
    middle = "x" * 40
    names = [f"{middle}{i}{middle}" for i in range(3)]
    board = fake_sweep([SUPERVISED, *(replace(MAE, name=name) for name in names)]).ranked()
    table = terminal_tables(board, digits=2, width=100)[0]
    assert {row[1] for row in table.rows} == {row.method for row in board.rows}


@pytest.mark.parametrize("width", [90, 100])
def test_the_label_table_is_no_wider_than_a_line(width: int) -> None:
    accuracy = {0.05: {LONG[0].name: 0.8, LONG[2].name: 0.7}, 0.1: {LONG[0].name: 0.82}}
    curve = with_shares(fake_sweep(LONG), accuracy).ranked().label_curve
    assert curve is not None
    table = label_lines(curve, digits=2, width=width)
    assert printed_width(table) <= width
    assert len(table.rows) == 3
