"""The sections that say what the search has taught: options, masking rates, budget, halving."""

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from sslbench.leaderboard.importance import ArmImportance, ParameterImportance
from sslbench.leaderboard.pruning import check_pruning
from sslbench.leaderboard.ranking import rank_arms
from sslbench.leaderboard.report.budget import budget_section
from sslbench.leaderboard.report.importance import importance_section
from sslbench.leaderboard.report.mask_rates import mask_rates_section, upper_edge
from sslbench.leaderboard.report.material import Material
from sslbench.leaderboard.report.page import render_html
from sslbench.leaderboard.report.pruning import pruning_section
from sslbench.results import TrialRecord
from tests.sslbench.leaderboard.fake_sweep import MAE, PCA, SUPERVISED, fake_sweep, searched
from tests.sslbench.leaderboard.report.hostile import HOSTILE
from tests.sslbench.leaderboard.report.markup import Structure

SWEEP = fake_sweep([MAE, SUPERVISED, PCA])
BOARD = rank_arms(SWEEP.records, SWEEP.predictions, SWEEP.facts)
MASK = ParameterImportance(
    parameter="pretext/mask", importance=0.62, low=0.3, high=0.8, chance=0.2, n_trials=16
)
DROPOUT = replace(MASK, parameter="encoder/dropout", importance=0.1, low=0.0, high=0.25)
IMPORTANCE = (
    ArmImportance(arm="mae", updates=225, parameters=(MASK, DROPOUT)),
    ArmImportance(arm="pca", updates=None, missing=("encoder/embedding_dim: 4 trials",)),
)


def material(
    records: Sequence[TrialRecord] = SWEEP.records, importance: Sequence[ArmImportance] = IMPORTANCE
) -> Material:
    return Material(
        board=BOARD,
        records=records,
        predictions=SWEEP.predictions,
        facts=SWEEP.facts,
        importance=importance,
    )


def figures(section: str) -> dict[str, str]:
    """The figures of a section by their titles."""
    found = re.findall(r"<figure.*?</figure>", section, flags=re.DOTALL)
    return {re.sub(r"<.*?>", "", re.findall(r"<h3>(.*?)</h3>", f)[0]): f for f in found}


def test_options_are_shown_with_interval_and_those_within_chance_are_dimmed() -> None:
    section = importance_section(material())
    Structure(section)
    assert "How to read:" in section
    assert "0.62 (0.30–0.80)" in section
    assert "chance 0.20" in section
    assert "after 225 updates, the first rung" in section
    assert "encoder/embedding_dim: 4 trials" in section
    dimmed = re.findall(r'<div class="faded"><span class="name">(.*?) <', section)
    assert dimmed == ["encoder/dropout"]


def test_without_anything_searched_there_is_no_section_of_options() -> None:
    assert importance_section(material(importance=())) == ""
    assert importance_section(material(importance=[ArmImportance(arm="mae", updates=None)])) == ""


def test_names_of_options_never_become_markup() -> None:
    hostile = ArmImportance(
        arm="mae", updates=None, parameters=(replace(MASK, parameter=HOSTILE),), missing=(HOSTILE,)
    )
    page = render_html(BOARD, SWEEP.records, SWEEP.predictions, SWEEP.facts, importance=(hostile,))
    assert "Which options matter" in page
    assert "<img" not in page


def test_each_kind_of_mask_with_a_rate_has_a_panel_with_all_its_trials() -> None:
    section = mask_rates_section(material())
    Structure(section)
    own = [r for r in SWEEP.records if r.arm == "mae" and r.stage == "search" and r.score]
    rated = [r for r in own if "pretext/mask_rate" in r.params]
    kinds = {str(r.params["pretext/mask"]) for r in rated}
    drawn = figures(section)
    assert set(drawn) == {f"mae: {kind}" for kind in kinds}
    for kind in kinds:
        n = sum(r.params["pretext/mask"] == kind for r in rated)
        assert drawn[f"mae: {kind}"].count("<circle") == n
    best = max(r.score for r in own if r not in rated if r.score is not None)
    assert f"dashed: isolated_programme, {best:.3f}" in section


def test_the_rate_is_not_drawn_a_second_time_among_the_other_options() -> None:
    page = render_html(BOARD, SWEEP.records, SWEEP.predictions, SWEEP.facts)
    assert "<h3>mae: mask_rate</h3>" not in page
    assert "<h3>mae: mask</h3>" in page


def test_the_rate_of_a_task_without_kinds_of_masks_stays_among_the_other_options() -> None:
    records = [
        r.model_copy(update={"params": {k: v for k, v in r.params.items() if k != "pretext/mask"}})
        for r in SWEEP.records
    ]
    assert mask_rates_section(material(records)) == ""
    page = render_html(BOARD, records, SWEEP.predictions, SWEEP.facts)
    assert "<h3>mae: mask_rate</h3>" in page


def test_a_kind_that_was_given_and_not_searched_has_a_panel_too() -> None:
    records = [
        searched("mae", i, {0: 0.5 + 0.01 * i}).model_copy(
            update={
                "params": {"pretext/mask_rate": 0.1 * (i + 1)},
                "config": {"pretext": {"name": "masked", "mask": "random"}},
            }
        )
        for i in range(4)
    ]
    assert list(figures(mask_rates_section(material(records)))) == ["mae: random"]


@pytest.mark.parametrize("seed", range(5))
def test_the_upper_edge_is_the_lowest_concave_line_above_all_trials(seed: int) -> None:
    random = np.random.default_rng(seed)
    points = [
        (float(x), float(y))
        for x, y in zip(random.integers(0, 6, 14), random.normal(size=14), strict=True)
    ]
    edge = upper_edge(points)
    xs, ys = np.array(edge).T
    assert set(edge) <= set(points)
    assert (xs[0], xs[-1]) == (min(x for x, _ in points), max(x for x, _ in points))
    assert all(y <= np.interp(x, xs, ys) + 1e-12 for x, y in points)
    assert (np.diff(np.diff(ys) / np.diff(xs)) < 0).all()


def test_the_budget_is_drawn_for_arms_that_were_sampled_and_others_are_named() -> None:
    section = budget_section(material())
    Structure(section)
    assert set(figures(section)) == {"mae", "supervised"}
    assert "their whole space was tried: pca." in section
    assert "not independent draws" in section
    scores = sorted(
        r.score
        for r in SWEEP.records
        if r.arm == "supervised" and r.stage == "search" and r.score is not None
    )
    assert f"best of {len(scores)} trials: {scores[-1]:.3f}" in section


def test_three_trials_make_no_curve_of_the_budget() -> None:
    few = [r for r in SWEEP.records if r.arm == "mae" and r.stage == "search" and r.score][:3]
    assert budget_section(material(few)) == ""


def test_halving_is_drawn_for_arms_that_had_trials_stopped() -> None:
    section = pruning_section(material())
    Structure(section)
    drawn = figures(section)
    assert set(drawn) == {"mae", "supervised"}
    check = check_pruning(SWEEP.records, "mae", first_rung=225)
    assert check is not None
    assert drawn["mae"].count("<circle") == len(check.survivors) + len(check.stopped) == 15
    assert "tau 0." in drawn["mae"]


def test_a_warning_of_halving_is_marked() -> None:
    ends = (0.77, 0.76, 0.75, 0.74, 0.73, 0.72)
    kept = [searched("mae", i, {225: 0.5 + 0.01 * i, 300: end}) for i, end in enumerate(ends)]
    lost = searched("mae", 9, {225: 0.5}, outcome="stopped")
    section = pruning_section(material([*kept, lost]))
    assert '<p class="warned">tau −1.00' in section
    assert "1 of 1 stopped would have ended in their better half, 1 as the best" in section
    few = pruning_section(material([*kept[:3], lost]))
    assert "3 went on: too few for tau (6)" in few
    assert 'class="warned"' not in few
