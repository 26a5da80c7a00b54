"""A made-up but plausible sweep: records and test predictions of four arms, without training anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from sklearn.metrics import f1_score

from sslbench.leaderboard.board import Leaderboard
from sslbench.leaderboard.facts import PlannedArm, SweepFacts
from sslbench.leaderboard.ranking import rank_arms
from sslbench.results import CurvePoint, Failure, Regime, TrialRecord, TrialResult

LABELS = (
    "CD4 T",
    "CD14 monocyte",
    "B",
    "CD8 T",
    "NK",
    "CD16 monocyte",
    "dendritic",
    "megakaryocyte",
)
SUPPORT = (120, 90, 60, 50, 40, 20, 12, 8)
OBJECTIVE = "val/knn/macro_f1"


@dataclass(frozen=True)
class FakeArm:
    """How good an arm is, and how it was searched."""

    name: str
    regime: Regime
    encoder: str = "mlp"
    accuracy: float = 0.8  # of the best recipe on test cells
    n_trials: int = 8
    n_failed: int = 0
    protocols: tuple[str, ...] = ("knn", "linear_probe")
    seeds: tuple[int, ...] = (101, 102, 103, 104, 105)
    validation: Mapping[str, float] = field(default_factory=dict)  # protocol → score, else made up
    is_control: bool = False
    permutes_labels: bool = False


MAE = FakeArm("mae", "self-supervised", accuracy=0.86, n_trials=16, n_failed=1)
SUPERVISED = FakeArm(
    "supervised",
    "supervised",
    accuracy=0.82,
    n_trials=16,
    protocols=("head", "knn", "linear_probe"),
)
PCA = FakeArm("pca", "unsupervised", encoder="linear", accuracy=0.78, n_trials=4)
RANDOM_INIT = FakeArm("random_init", "untrained", accuracy=0.66, n_trials=1, is_control=True)
ARMS = (MAE, SUPERVISED, PCA, RANDOM_INIT)


@dataclass(frozen=True)
class FakeSweep:
    """What `rank_arms` takes."""

    records: list[TrialRecord]
    predictions: dict[str, pd.DataFrame]
    facts: SweepFacts
    units: dict[str, pd.DataFrame] = field(default_factory=dict)

    def ranked(self) -> Leaderboard:
        return rank_arms(self.records, self.predictions, self.facts, units=self.units)


def fake_sweep(arms: Sequence[FakeArm] = ARMS, *, donors: Sequence[str] = ("p4",)) -> FakeSweep:
    """Return a sweep of `arms`; an arm's records and predictions do not depend on the other arms."""
    records: list[TrialRecord] = []
    predictions: dict[str, pd.DataFrame] = {}
    for arm in arms:
        generator = np.random.default_rng([len(arm.name), *arm.name.encode()])
        searched = [search_record(arm, i, generator) for i in range(arm.n_trials)]
        records += searched
        chosen = max(
            (r for r in searched if r.outcome == "finished"), key=lambda r: r.objective_value or 0.0
        )
        for seed in arm.seeds:
            frame = test_frame(arm, generator, donors=donors)
            record = confirm_record(arm, chosen, seed=seed, frame=frame)
            records.append(record)
            predictions[record.uid] = frame
    return FakeSweep(records, predictions, fake_facts(arms, donors=donors))


def fake_facts(arms: Sequence[FakeArm] = ARMS, *, donors: Sequence[str] = ("p4",)) -> SweepFacts:
    """Return the facts of such a sweep."""
    return SweepFacts(
        sweep="mae_masking",
        question="Which mask, at which rate, gives the best frozen representation, and does it beat a tuned supervised model?",
        dataset="pbmc_cite",
        data_line="1,200 cells x 500 genes, 3 donors, 8 cell types; counts: X",
        split_line="by donor: train p3, validate p1, test p4; leak checks 6/6 ok",
        label_names=LABELS,
        excluded_labels=("plasma cell (2 test cells)", "other (residual class)"),
        test_donors=tuple(d for d in donors if d),
        budget_trials=16,
        confirm_seeds=5,
        objective=OBJECTIVE,
        versions=(("sslbench", "0.1.0"), ("torch", "2.13.0"), ("data", "a1b2c3d4e5f60718")),
        commit="0123abc",
        arms=tuple(
            PlannedArm(
                name=arm.name,
                pretext="masked",
                encoder=arm.encoder,
                regime=arm.regime,
                n_trials=arm.n_trials,
                exhausted=arm.n_trials < 8,
                is_control=arm.is_control,
                permutes_labels=arm.permutes_labels,
            )
            for arm in arms
        ),
        first_rung=225,  # where the stopped trials were stopped
    )


def search_record(arm: FakeArm, i: int, generator: np.random.Generator) -> TrialRecord:
    """Return the i-th search trial: the first `n_failed` fail, every fifth is stopped."""
    params = _params(arm, generator)
    rate = params.get("pretext/mask_rate", 0.5)
    value = arm.accuracy - 0.02 - 0.35 * (float(rate) - 0.5) ** 2 + generator.normal(0, 0.01)
    if i < arm.n_failed:
        failure = Failure(
            kind="diverged", message="the loss became NaN after 75 updates\nTraceback …"
        )
        return _record(arm, i, params=params, outcome="failed", failure=failure)
    curve = _curve(value, generator, n=1 if arm.name in ("pca", "random_init") else 8)
    if i % 5 == 4:
        return _record(
            arm, i, params=params, outcome="stopped", objective_value=value - 0.05, curve=curve[:3]
        )
    return _record(
        arm,
        i,
        params=params,
        outcome="finished",
        objective_value=value,
        result=_result(arm, curve, {OBJECTIVE: value}),
    )


def confirm_record(
    arm: FakeArm, chosen: TrialRecord, *, seed: int, frame: pd.DataFrame
) -> TrialRecord:
    """Return the confirm trial of the chosen recipe on one seed; its test scores are those of its predictions."""
    best = chosen.objective_value or 0.0
    scores: dict[str, float] = {}
    for position, protocol in enumerate(arm.protocols):
        made_up = best - 0.01 * position + 0.001 * (seed % 3)
        scores[f"val/{protocol}/macro_f1"] = arm.validation.get(protocol, made_up)
        scores[f"test/{protocol}/macro_f1"] = reference_macro_f1(frame, protocol)
    curve = _curve(best, np.random.default_rng(seed), n=len(chosen.reports))
    return chosen.model_copy(
        update={
            "uid": f"{arm.name}-{chosen.recipe}-{seed}",
            "stage": "confirm",
            "config": {**chosen.config, "seed": seed},
            "result": _result(arm, curve, scores),
            "ended_unix_ms": chosen.ended_unix_ms + 100_000 + seed,
        }
    )


def test_frame(
    arm: FakeArm, generator: np.random.Generator, *, donors: Sequence[str]
) -> pd.DataFrame:
    """Return test predictions that are right as often as the arm is accurate, less so for rare labels."""
    label = np.repeat(np.arange(len(LABELS)), SUPPORT)
    difficulty = np.linspace(0.08, -0.15, len(LABELS))[label]
    columns = {
        "row_id": np.arange(len(label)) * 3 + 7,
        "donor": [donors[i % len(donors)] for i in range(len(label))],
        "label": label,
    }
    for position, protocol in enumerate(arm.protocols):
        right = generator.random(len(label)) < arm.accuracy + difficulty - 0.015 * position
        confused = (label + generator.choice([1, 2, 3], size=len(label))) % len(LABELS)
        columns[f"predicted/{protocol}"] = np.where(right, label, confused)
    unlabelled = pd.DataFrame(columns).iloc[:3].assign(row_id=[0, 1, 2], label=-1)
    return pd.concat([pd.DataFrame(columns), unlabelled], ignore_index=True)


def reference_macro_f1(frame: pd.DataFrame, protocol: str) -> float:
    """Return scikit-learn's macro F1 over the labels that occur."""
    kept = frame[frame["label"] >= 0]
    truth = kept["label"]
    return float(
        f1_score(
            truth,
            kept[f"predicted/{protocol}"],
            labels=sorted(truth.unique()),
            average="macro",
            zero_division=0.0,
        )
    )


def _params(arm: FakeArm, generator: np.random.Generator) -> dict[str, object]:
    if arm.regime == "self-supervised":
        mask = str(generator.choice(["random", "gene_programme", "isolated_programme"]))
        rate = (
            {}
            if mask == "isolated_programme"
            else {"pretext/mask_rate": float(generator.uniform(0.05, 0.95))}
        )
        return {
            "pretext/mask": mask,
            **rate,
            "training/learning_rate": float(10 ** generator.uniform(-4, -2)),
        }
    if arm.name == "pca":
        return {"encoder/embedding_dim": int(generator.choice([16, 32, 64, 128]))}
    if arm.regime == "supervised":
        return {
            "training/learning_rate": float(10 ** generator.uniform(-4, -2)),
            "encoder/dropout": float(generator.uniform(0, 0.5)),
        }
    return {}


def _curve(value: float, generator: np.random.Generator, *, n: int) -> tuple[CurvePoint, ...]:
    return tuple(
        CurvePoint(
            updates=75 * (i + 1),
            seconds=0.4 * (i + 1),
            unix_ms=1000 * i,
            values={
                OBJECTIVE: value - 0.25 * np.exp(-0.8 * i) * (n > 1) + generator.normal(0, 0.004)
            },
        )
        for i in range(n)
    )


def _result(arm: FakeArm, curve: tuple[CurvePoint, ...], scores: dict[str, float]) -> TrialResult:
    return TrialResult(
        scores=scores,
        best_updates=curve[-1].updates,
        updates=curve[-1].updates,
        seconds=3.0,
        curve=curve,
        n_parameters=1000,
        regime=arm.regime,
    )


def _record(arm: FakeArm, i: int, **parts: object) -> TrialRecord:
    return TrialRecord.model_validate(
        {
            "uid": f"{arm.name}-{i}",
            "arm": arm.name,
            "stage": "search",
            "attempt": 1,
            "config": {
                "seed": i,
                "encoder": {"name": arm.encoder},
                "pretext": {"name": "masked"},
            },
            "recipe": f"recipe{i:02d}",
            "dataset": "pbmc_cite",
            "data_fingerprint": "a1b2c3d4e5f60718",
            "objective": OBJECTIVE,
            "objective_value": None,
            "provenance": {"sslbench": "0.1.0"},
            "started_unix_ms": 10_000 * i,
            "ended_unix_ms": 10_000 * i + 3_800,
            **parts,
        }
    )


def searched(
    arm: str, i: int, curve: Mapping[int, float], *, outcome: str = "finished"
) -> TrialRecord:
    """Return a search trial that reported these values of the objective after so many updates."""
    points = tuple(
        CurvePoint(updates=updates, seconds=0.0, unix_ms=0, values={OBJECTIVE: value})
        for updates, value in curve.items()
    )
    failure = Failure(kind="diverged", message="NaN") if outcome == "failed" else None
    return _record(
        FakeArm(arm, "self-supervised"),
        i,
        params={"encoder/dropout": 0.01 * i},
        outcome=outcome,
        objective_value=max(curve.values()),
        failure=failure,
        curve=points,
    )
