import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from sslbench.leaderboard.ranking import rank_arms
from sslbench.leaderboard.report.page import render_html
from sslbench.results import Failure
from tests.sslbench.leaderboard.fake_sweep import ARMS, MAE, SUPERVISED, FakeSweep, fake_sweep

HOSTILE = '<img src=x onerror="alert(1)">'
VOID = {"meta", "img", "br", "hr", "input", "link"}


class Structure(HTMLParser):
    """Collects tags and attributes, and complains about tags that do not close."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.open: list[str] = []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


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
    structure = Structure(PAGE)
    assert not {"script", "link", "img", "iframe", "object", "base", "form"} & set(structure.tags)
    assert not {"src", "href", "xlink:href", "srcset", "action"} & structure.attributes
    assert not any(name.startswith("on") for name in structure.attributes)
    assert "http:" not in PAGE
    assert "https:" not in PAGE
    assert "url(" not in PAGE
    assert "@import" not in PAGE


def test_the_page_fits_light_and_dark_and_narrow_screens() -> None:
    assert "prefers-color-scheme:dark" in PAGE
    assert "@media(max-width:" in PAGE
    assert 'name="viewport"' in PAGE


def test_names_from_outside_never_become_markup() -> None:
    arms = [replace(MAE, name=HOSTILE, encoder=HOSTILE), replace(SUPERVISED, encoder=HOSTILE)]
    sweep = fake_sweep(arms)
    facts = replace(
        sweep.facts,
        sweep=HOSTILE,
        question=HOSTILE,
        dataset=HOSTILE,
        data_line=HOSTILE,
        split_line=HOSTILE,
        label_names=(HOSTILE,) * 8,
        excluded_labels=(HOSTILE,),
        test_donors=(HOSTILE,),
        versions=((HOSTILE, HOSTILE),),
        commit=HOSTILE,
        notes=(HOSTILE,),
    )
    records = []
    for record in sweep.records:
        params = {HOSTILE: HOSTILE + str(len(records) % 3), "pretext/mask": HOSTILE}
        failure = record.failure and Failure(kind="error", message=HOSTILE)
        records.append(record.model_copy(update={"params": params, "failure": failure}))
    page = page_of(FakeSweep(records, sweep.predictions, facts))
    assert "img" not in Structure(page).tags
    assert "<img" not in page
    assert "&lt;img src=x onerror=" in page


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
    assert "The 20 rarest types are not drawn." in page
