import re
from dataclasses import replace

import numpy as np
import pytest

from sslbench.leaderboard.ranking import rank_arms
from sslbench.leaderboard.report.page import render_html
from sslbench.leaderboard.table import main_table
from tests.sslbench.leaderboard.fake_sweep import ARMS, MAE, SUPERVISED, FakeSweep, fake_sweep
from tests.sslbench.leaderboard.report.markup import Structure, refuse_what_loads_or_runs


def page_of(sweep: FakeSweep) -> str:
    board = rank_arms(sweep.records, sweep.predictions, sweep.facts)
    return render_html(board, sweep.records, sweep.predictions, sweep.facts)


PAGE = page_of(fake_sweep())


def test_the_page_is_well_formed_and_holds_every_section() -> None:
    Structure(PAGE)
    headings = re.findall(r"<h2>(.*?)</h2>", PAGE)
    assert headings == [
        "Leaderboard",
        "Difference to the best supervised arm",
        "F1 of each cell type",
        "What mae/mlp takes for what",
        "Maps of the test cells: for looks, not for ranking",
        "Masking rate, by kind of mask",
        "What the search tried",
        "Would a larger budget change the answer?",
        "Does halving stop the right trials?",
        "Learning curves",
        "Optimisation history",
        "Failed trials",
        "Data, budget, versions",
    ]


def test_every_figure_says_how_to_read_it() -> None:
    sections = re.findall(r"<section>.*?</section>", PAGE, flags=re.DOTALL)
    with_figures = [section for section in sections if "<svg" in section]
    assert len(with_figures) == 10
    assert all("How to read:" in section for section in with_figures)


def test_the_verdict_is_on_top_of_the_page() -> None:
    verdict = PAGE.index("No SSL arm is separable from the best supervised baseline")
    assert verdict < PAGE.index("<section>")


def test_the_page_loads_nothing_and_runs_nothing() -> None:
    refuse_what_loads_or_runs(Structure(PAGE))
    assert "http:" not in PAGE
    assert "https:" not in PAGE


def test_the_page_fits_light_and_dark_and_narrow_screens_and_paper() -> None:
    assert "screen and (prefers-color-scheme:dark)" in PAGE  # paper is light
    assert "@media screen and (max-width:" in PAGE
    assert "@media print{" in PAGE
    assert 'name="viewport"' in PAGE


def test_a_page_of_a_large_sweep_stays_below_a_megabyte() -> None:
    large = [replace(arm, n_trials=150 if arm.n_trials > 4 else arm.n_trials) for arm in ARMS]
    assert len(page_of(fake_sweep(large)).encode()) < 1_000_000


def test_types_are_sorted_by_their_number_of_test_cells() -> None:
    section = PAGE[PAGE.index("F1 of each cell type") : PAGE.index("takes for what")]
    counts = re.findall(r'<span class="dim">(\d+)</span>', section)
    assert counts == ["120", "90", "60", "50", "40", "20", "12", "8"]


def test_the_diagonal_of_the_confusion_matrix_is_the_recall_of_each_type() -> None:
    sweep = fake_sweep()
    board = rank_arms(sweep.records, sweep.predictions, sweep.facts)
    best = board.rows[0]
    recalls = []
    for uid in best.uids:
        frame = sweep.predictions[uid]
        frame = frame[frame["label"] == 0]
        recalls.append((frame[f"predicted/{best.protocol}"] == 0).mean())
    assert f"CD4 T → CD4 T: {np.mean(recalls):.0%}" in PAGE


def test_holes_and_failures_are_listed() -> None:
    sweep = fake_sweep()
    records = [r for r in sweep.records if not (r.arm == "pca" and r.stage == "confirm")]
    page = page_of(FakeSweep(records, sweep.predictions, sweep.facts))
    assert "hole — pca: no confirm trial" in page
    assert "the loss became NaN after 75 updates" in page


@pytest.mark.parametrize("donors", [("",), ("a", "b", "c")])
def test_other_splits_make_a_page_too(donors: tuple[str, ...]) -> None:
    sweep = fake_sweep(donors=donors)
    page = page_of(sweep)
    Structure(page)
    expected = "split by cells, not by donors" if donors == ("",) else "3 test donors"
    assert expected in page


def test_a_sweep_without_a_single_score_still_has_a_page_that_says_so() -> None:
    sweep = fake_sweep([MAE])
    failed = [r for r in sweep.records if r.outcome == "failed"]
    page = page_of(FakeSweep(failed, {}, sweep.facts))
    Structure(page)
    assert "No verdict: every trial failed (1 of 1)." in page
    assert "No arm has a score." in page
    assert "the loss became NaN" in page


def test_more_labels_than_fit_are_left_out_with_a_word() -> None:
    sweep = fake_sweep([MAE, SUPERVISED])
    generator = np.random.default_rng(0)
    label = generator.integers(0, 60, len(next(iter(sweep.predictions.values()))))
    label[:60] = np.arange(60)
    predictions = {
        uid: frame.assign(
            label=label, **{c: label for c in frame.columns if c.startswith("predicted/")}
        )
        for uid, frame in sweep.predictions.items()
    }
    records = []
    for record in sweep.records:
        if record.uid in predictions and record.result:
            scores = dict.fromkeys(record.result.scores, 1.0)
            result = record.result.model_copy(update={"scores": scores})
            record = record.model_copy(update={"result": result})
        records.append(record)
    page = page_of(FakeSweep(records, predictions, sweep.facts))
    assert "The 20 rarest types are not drawn: " in page
    left_out = page[page.index("The 20 rarest types") :].partition("</p>")[0]
    assert left_out.count(",") == 19


def test_each_test_donor_has_a_dot_below_the_interval_of_a_difference() -> None:
    sweep = fake_sweep(donors=("a", "b", "c"))
    page = page_of(sweep)
    section = page[page.index("Difference to the best") :].partition("</section>")[0]
    rivals = [row for row in sweep.ranked().rows if not row.is_control]
    n_compared = sum(row.difference is not None for row in rivals)
    assert section.count('class="single"') == 3 * n_compared
    assert "Small dots: the difference in each test donor." in section
    assert 'class="single"' not in PAGE
    assert "Small dots" not in PAGE


def test_every_picture_has_words_for_who_cannot_see_it() -> None:
    pictures = re.findall(r"<svg[^>]*>(?:<title>)?", PAGE)
    assert len(pictures) > 20
    silent = [p for p in pictures if not re.search(r"aria-label=|aria-hidden=|<title>$", p)]
    assert silent == []


def test_the_columns_of_the_page_are_those_of_the_table() -> None:
    sweep = fake_sweep()
    head = PAGE[PAGE.index('<table class="board">') :].partition("</thead>")[0]
    titles = re.findall(r"<th(?: [^>]*)?>(.*?)</th>", head)
    columns = main_table(sweep.ranked(), digits=3).columns
    assert titles == [column.title for column in columns if column.key != "regime"]
