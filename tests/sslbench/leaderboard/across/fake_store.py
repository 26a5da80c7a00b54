"""Sweeps as their leaderboards leave them, made by hand: scores are what a test says they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sslbench.leaderboard.across.pairs import RankedSweep
from sslbench.leaderboard.board import Leaderboard, Row, SearchEffort
from sslbench.leaderboard.facts import PlannedArm
from sslbench.leaderboard.intervals import Estimate
from sslbench.leaderboard.metric import ranked_metric
from sslbench.results import Regime
from tests.sslbench.leaderboard.fake_sweep import fake_facts

REGIMES: dict[str, Regime] = {
    "masked": "self-supervised",
    "byol": "self-supervised",
    "supervised": "supervised",
    "pca": "unsupervised",
    "random_init": "untrained",
}
EFFORT = SearchEffort(
    n_finished=4,
    n_stopped=0,
    n_collapsed=0,
    n_failed=0,
    seconds=1.0,
    n_planned=4,
    exhausted=False,
)


def ranked(
    dataset: str,
    scores: Mapping[str, float],
    *,
    sweep: str = "s",
    objective: str = "val/knn/macro_f1",
    half_width: float = 0.01,
    validation: Mapping[str, float] | None = None,
    pretexts: Mapping[str, str] | None = None,
    **facts: Any,
) -> RankedSweep:
    """Return a sweep with a row an arm: its test score, which is its validation score too unless that is given.

    An arm is called by its pretext task unless `pretexts` says otherwise; the reference is `supervised`, and
    differences to it have an interval of twice `half_width`.
    """
    own = {arm: (pretexts or {}).get(arm, arm) for arm in scores}
    rows = tuple(
        _row(
            arm,
            regime=REGIMES[own[arm]],
            test=test,
            validation=(validation or scores)[arm],
            reference=scores.get("supervised"),
            half_width=half_width,
        )
        for arm, test in sorted(scores.items(), key=lambda item: -item[1])
    )
    board = Leaderboard(
        rows=rows,
        metric=ranked_metric(objective.rpartition("/")[2]),
        verdict=f"what {sweep} on {dataset} says.",
        unit="cells",
        stamp="",
        reference="supervised" if "supervised" in scores else None,
        baseline="supervised",
        protocols=("knn",),
    )
    arms = tuple(
        PlannedArm(name=a, pretext=p, encoder="mlp", regime=REGIMES[p], n_trials=4)
        for a, p in own.items()
    )
    told = {"sweep": sweep, "dataset": dataset, "objective": objective, "arms": arms} | facts
    return RankedSweep(board=board, facts=replace(fake_facts(), **told))


def _row(
    arm: str,
    *,
    regime: Regime,
    test: float,
    validation: float,
    reference: float | None,
    half_width: float,
) -> Row:
    difference = None
    if reference is not None and arm != "supervised":
        mean = test - reference
        difference = Estimate(mean=mean, low=mean - half_width, high=mean + half_width)
    return Row(
        rank=1,
        arm=arm,
        method=f"{arm}/mlp",
        regime=regime,
        protocol="knn",
        chosen_by="knn",
        test=Estimate(mean=test, low=test - 0.01, high=test + 0.01),
        difference=difference,
        is_reference=arm == "supervised",
        validation=validation,
        test_by_protocol={"knn": test},
        seeds=(1, 2, 3),
        uids=("a", "b", "c"),
        effort=EFFORT,
        recipe="r",
        params={},
        n_test_openings=1,
    )
