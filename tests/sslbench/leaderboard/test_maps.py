from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.neighbors import NearestNeighbors

from sslbench.leaderboard.maps import MAX_MAPS, MIN_CELLS, finalists, map_cells
from tests.sslbench.leaderboard.fake_sweep import ARMS, MAE, SUPERVISED, fake_sweep


def embedding(z: np.ndarray) -> pd.DataFrame:
    table = pd.DataFrame(z, columns=[f"z{i}" for i in range(z.shape[1])])
    return table.assign(row_id=np.arange(len(z)) * 2, batch="a")


def islands() -> np.ndarray:
    generator = np.random.default_rng(0)
    return (generator.normal(size=(120, 10)) + 12 * np.repeat(np.eye(3, 10), 40, axis=0)).astype(
        np.float32
    )


def test_cells_of_one_island_stay_together_and_keep_their_rows() -> None:
    z = islands()
    placed = map_cells(embedding(z))
    assert placed is not None
    assert list(placed.columns) == ["row_id", "batch", "x", "y"]
    assert list(placed["row_id"]) == list(np.arange(120) * 2)
    places = placed[["x", "y"]].to_numpy()
    assert np.isfinite(places).all()
    _, near = NearestNeighbors(n_neighbors=6).fit(places).kneighbors()
    assert (near // 40 == np.arange(120)[:, None] // 40).mean() > 0.95


def test_cells_that_lie_on_each_other_have_a_map() -> None:
    placed = map_cells(embedding(np.repeat(islands()[::30], 25, axis=0)))
    assert placed is not None
    assert np.isfinite(placed[["x", "y"]].to_numpy()).all()


def test_the_same_embedding_gives_the_same_map() -> None:
    first, again = (map_cells(embedding(islands())) for _ in range(2))
    assert first is not None
    pd.testing.assert_frame_equal(first, again)


def test_too_few_cells_a_single_dimension_and_cells_all_alike_have_no_map() -> None:
    assert map_cells(embedding(np.ones((100, 8), dtype=np.float32))) is None
    assert map_cells(embedding(islands()[: MIN_CELLS - 1])) is None
    assert map_cells(embedding(islands()[:, :1])) is None


def test_an_arm_is_shown_by_the_seed_that_is_best_on_validation() -> None:
    sweep = fake_sweep()
    board, records = sweep.ranked(), {record.uid: record for record in sweep.records}
    for arm, uid in finalists(board, sweep.records).items():
        row = board.row(arm)
        assert row is not None
        key = f"val/{row.protocol}/macro_f1"
        scores = {u: r.scores[key] for u in row.uids if (r := records[u].result) is not None}
        assert scores[uid] == max(scores.values())
        assert uid == min(u for u, score in scores.items() if score == scores[uid])


@pytest.mark.parametrize("accuracy", [0.5, 0.95])
def test_of_many_arms_the_first_rows_and_the_reference_are_shown(accuracy: float) -> None:
    others = [replace(MAE, name=f"mae_{i}", accuracy=0.8 + 0.01 * i) for i in range(10)]
    board_of = fake_sweep([*others, replace(SUPERVISED, accuracy=accuracy)])
    board = board_of.ranked()
    shown = finalists(board, board_of.records)
    assert len(shown) == MAX_MAPS
    assert "supervised" in shown
    assert list(shown) == [row.arm for row in board.rows if row.arm in shown]
    assert [row.arm for row in board.rows[: MAX_MAPS - 1]] == list(shown)[: MAX_MAPS - 1]
    usual = fake_sweep(ARMS)
    assert set(finalists(usual.ranked(), usual.records)) == {
        "mae",
        "supervised",
        "pca",
    }  # no control
