from dataclasses import replace
from pathlib import Path

from matplotlib.image import imread

from sslbench.leaderboard.picture import draw_leaderboard
from sslbench.leaderboard.ranking import rank_arms
from tests.sslbench.leaderboard.fake_sweep import MAE, SUPERVISED, fake_sweep


def test_the_picture_is_the_same_bytes_for_the_same_leaderboard(tmp_path: Path) -> None:
    sweep = fake_sweep()
    board = rank_arms(sweep.records, sweep.predictions, sweep.facts)
    for form in ("png", "svg"):
        first, again = tmp_path / f"a.{form}", tmp_path / f"b.{form}"
        for file in (first, again):
            draw_leaderboard(board, sweep.facts, file)
        assert first.read_bytes() == again.read_bytes()


def test_more_arms_make_a_taller_picture_with_something_on_it(tmp_path: Path) -> None:
    heights = []
    for arms in ([MAE, SUPERVISED], [MAE, SUPERVISED, replace(MAE, name="a $x$ name")]):
        sweep = fake_sweep(arms)
        board = rank_arms(sweep.records, sweep.predictions, sweep.facts)
        draw_leaderboard(board, sweep.facts, tmp_path / "board.png")
        pixels = imread(tmp_path / "board.png")
        assert pixels[..., :3].min() < 0.2
        heights.append(pixels.shape[0])
    assert heights[0] < heights[1]


def test_a_long_name_is_not_cut_and_does_not_run_into_its_protocol(tmp_path: Path) -> None:
    widths = []
    for name in ("mae", "a_mask_of_whole_programmes_per_minibatch_"):
        sweep = fake_sweep([replace(MAE, name=name), SUPERVISED])
        board = rank_arms(sweep.records, sweep.predictions, sweep.facts)
        draw_leaderboard(board, sweep.facts, tmp_path / "board.png")
        draw_leaderboard(board, sweep.facts, tmp_path / "board.svg")
        assert f"{name}/mlp" in (tmp_path / "board.svg").read_text()
        widths.append(imread(tmp_path / "board.png").shape[1])
    assert widths[0] == 1536
    assert widths[1] > widths[0] + 150


def test_a_leaderboard_without_rows_is_drawn_with_its_verdict(tmp_path: Path) -> None:
    facts = fake_sweep([MAE]).facts
    draw_leaderboard(rank_arms([], {}, facts), facts, tmp_path / "board.png")
    assert imread(tmp_path / "board.png")[..., :3].min() < 0.2


def test_a_metric_with_dollar_signs_is_no_mathematics(tmp_path: Path) -> None:
    sweep = fake_sweep([MAE])
    board = rank_arms(sweep.records, sweep.predictions, sweep.facts)
    named = replace(board, metric=replace(board.metric, words=r"gain in $\foo$"))
    draw_leaderboard(named, sweep.facts, tmp_path / "board.svg")
    assert r"gain in $\foo$" in (tmp_path / "board.svg").read_text()
