"""Collapse is seen where it happens and nowhere else, and looking for it changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix
from torch import nn

import sslbench.pretraining as pretraining_module
from sslbench.collapse import (
    FRACTION,
    MAX_CELLS,
    RULE,
    CollapseMonitor,
    EmbeddingShape,
    monitor_of,
    refuse_collapse,
    thinned,
)
from sslbench.config import TrialConfig
from sslbench.data.catalogue import load_dataset
from sslbench.data.store import prepare_store
from sslbench.durable import sha256
from sslbench.encoders.base import Encoder, build_encoder, embed_cells
from sslbench.errors import CollapsedError, DivergedError
from sslbench.metrics.embedding import alignment, mean_deviation, rankme, uniformity
from sslbench.results import CurvePoint, TrialResult
from sslbench.seeding import global_stream
from sslbench.trial import run_trial
from tests.factories import SMALL, synthetic_cells, synthetic_store

N_GENES = SMALL["n_genes"]
UNTRAINED = EmbeddingShape(rank=51.0, deviation=1.0, alignment=0.5, uniformity=-2.0)
KEYS = {f"train/embedding/{name}" for name in EmbeddingShape._fields}
# What holds dimensions apart is taken away: the shortest way to agreement is to give up the cells.
COLLAPSING = {"name": "vicreg", "variance_weight": 0.0, "covariance_weight": 0.0}


def encoder_of(name: str = "mlp", **options: Any) -> Encoder:
    with global_stream(0, "init"):
        return build_encoder(name, {"embedding_dim": 16} | options, n_genes=N_GENES)


def monitor(
    encoder: Encoder | None = None, *, seed: int = 0, n_cells: int = 240
) -> CollapseMonitor:
    cells = synthetic_cells(n_cells=n_cells)
    return monitor_of(encoder or encoder_of(), cells, seed=seed, device="cpu")


# The watched cells


def test_the_watched_cells_depend_on_the_seed_alone_so_that_tasks_compare() -> None:
    first, same, other = monitor(), monitor(encoder_of("linear")), monitor(seed=1)
    for one, two in zip((first.cells, *first.pair), (same.cells, *same.pair)):
        np.testing.assert_array_equal(one.dense_counts(), two.dense_counts())
    assert not np.array_equal(first.pair[0].dense_counts(), other.pair[0].dense_counts())
    assert not np.array_equal(first.pair[0].dense_counts(), first.pair[1].dense_counts())


def test_at_most_so_many_cells_are_watched_each_at_most_once_and_without_labels() -> None:
    cells = synthetic_cells(n_cells=700)
    watched = monitor_of(encoder_of(), cells, seed=0, device="cpu").cells
    assert len(watched) == MAX_CELLS
    assert watched.label is None
    rows = {row.tobytes() for row in cells.dense_counts()}
    seen = [row.tobytes() for row in watched.dense_counts()]
    assert set(seen) <= rows
    assert len(set(seen)) > MAX_CELLS - 5  # two cells may have equal counts
    assert len(monitor(n_cells=90).cells) == 90


def test_each_view_keeps_each_molecule_with_probability_one_half() -> None:
    counts = csr_matrix(np.full((200, 50), 8.0, dtype=np.float32))
    kept = thinned(counts, np.random.default_rng(0)).toarray()
    assert kept.min() >= 0
    assert kept.max() <= 8
    assert np.array_equal(kept, np.round(kept))
    assert kept.mean() == pytest.approx(4.0, abs=5 * np.sqrt(2 / kept.size))
    assert kept.var() == pytest.approx(2.0, rel=0.05)  # binomial: 8 * 1/2 * 1/2
    assert counts.data.min() == 8


def test_the_shape_is_that_of_the_embedding_in_eval_mode() -> None:
    encoder = encoder_of(norm="batch", dropout=0.5)
    watched = monitor(encoder)
    z, first, second = (embed_cells(encoder, c) for c in (watched.cells, *watched.pair))
    expected = (rankme(z), mean_deviation(z), alignment(first, second), uniformity(z))
    assert watched.shape(encoder) == watched.untrained == expected


def test_looking_draws_nothing_and_leaves_the_encoder_as_it_was() -> None:
    encoder = encoder_of(norm="batch")
    before = {key: value.clone() for key, value in encoder.state_dict().items()}
    streams = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    monitor(encoder).shape(encoder)
    assert torch.equal(torch.get_rng_state(), streams[0])
    assert np.array_equal(np.random.get_state()[1], streams[1])  # noqa: NPY002
    assert encoder.training
    assert all(torch.equal(before[key], value) for key, value in encoder.state_dict().items())


def test_an_embedding_that_is_not_finite_has_diverged_not_collapsed() -> None:
    encoder = encoder_of("linear")
    watched = monitor(encoder)
    nn.init.constant_(encoder.get_parameter("projection.bias"), float("nan"))
    with pytest.raises(DivergedError, match="not finite"):
        watched.shape(encoder)


# The limits


def changed(**values: float) -> EmbeddingShape:
    return UNTRAINED._replace(**values)


@pytest.mark.parametrize(
    "now",
    [
        changed(rank=1 + FRACTION * 50 + 0.01),
        changed(uniformity=-2.0 * FRACTION - 0.01),
        changed(deviation=0.0, alignment=0.0),
        changed(rank=64.0, uniformity=-4.0),
    ],
)
def test_whatever_keeps_more_than_the_fraction_goes_on(now: EmbeddingShape) -> None:
    refuse_collapse(now, untrained=UNTRAINED, updates=50)


@pytest.mark.parametrize(
    ("now", "numbers"),
    [
        (changed(rank=2.4), ["50 updates", "effective rank is 2.4", "was 51.0", "2.5 is the"]),
        (
            changed(uniformity=-0.05),
            ["50 updates", "uniformity is -0.050", "was -2.000", "-0.060 is the"],
        ),
    ],
)
def test_a_collapse_names_both_values_the_limit_and_the_remedy(
    now: EmbeddingShape, numbers: list[str]
) -> None:
    with pytest.raises(CollapsedError) as caught:
        refuse_collapse(now, untrained=UNTRAINED, updates=50)
    rule, values = str(caught.value).splitlines()
    assert rule == RULE  # the same for every trial, so that a leaderboard counts them together
    assert "lower training/learning_rate" in rule
    assert all(number in values for number in numbers), values


def test_an_embedding_of_few_dimensions_can_collapse_too() -> None:
    small = changed(rank=4.8)
    with pytest.raises(CollapsedError, match="effective rank"):
        refuse_collapse(changed(rank=1.1), untrained=small, updates=1)
    refuse_collapse(changed(rank=1.2), untrained=small, updates=1)


def test_perfect_clusters_of_three_types_have_not_collapsed() -> None:
    z = np.repeat(np.eye(3, 64), 100, axis=0)
    clusters = changed(rank=rankme(z), uniformity=uniformity(z))
    refuse_collapse(clusters, untrained=changed(rank=20.0), updates=1)


# In a trial


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    return synthetic_store(tmp_path_factory.mktemp("store"))


def run(
    store: Path,
    pretext: dict[str, Any],
    *,
    workdir: Path | None = None,
    report: Callable[[CurvePoint], None] = lambda point: None,
    encoder: dict[str, Any] | None = None,
    **training: float,
) -> TrialResult:
    options = {"max_updates": 40, "evaluate_every": 20, "minibatch_size": 64} | training
    config = TrialConfig.model_validate(
        {
            "dataset": {"name": "synthetic"},
            "pretext": pretext,
            "encoder": encoder or {"name": "mlp", "width": 32, "embedding_dim": 16},
            "training": options,
            "evaluation": [{"name": "knn"}],
        }
    )
    return run_trial(
        config,
        store=store,
        workdir=workdir or store,
        report=report,
        score_test=workdir is not None,
    )


@pytest.mark.parametrize(
    ("pretext", "encoder"),
    [("masked", "mlp"), ("supervised", "mlp"), ("byol", "mlp"), ("pca", "linear"), ("random_init", "mlp")],
)  # fmt: skip
def test_every_report_of_every_task_says_how_the_embedding_lies(
    store: Path, pretext: str, encoder: str
) -> None:
    result = run(store, {"name": pretext}, encoder={"name": encoder, "embedding_dim": 16})
    assert all(set(point.values) >= KEYS for point in result.curve)
    assert not KEYS & set(result.scores)
    assert all(1 <= point.values["train/embedding/rank"] <= 16 for point in result.curve)


class FakeMonitor:
    """Sees what it is told to see."""

    def __init__(self, now: EmbeddingShape) -> None:
        self.now, self.untrained = now, UNTRAINED

    def shape(self, encoder: Encoder) -> EmbeddingShape:
        return self.now


def watch_with(fake: FakeMonitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pretraining_module, "monitor_of", lambda *_, **__: fake)


@pytest.mark.parametrize("pretext", ["masked", "byol"])
def test_the_monitor_changes_no_weight_and_no_score(
    pretext: str, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = []
    for side in ("with", "without"):
        (tmp_path / side).mkdir()
        results.append(run(store, {"name": pretext}, workdir=tmp_path / side))
        watch_with(FakeMonitor(UNTRAINED), monkeypatch)
    weights = [
        sha256(tmp_path / s / "checkpoint" / "encoder.safetensors") for s in ("with", "without")
    ]
    assert weights[0] == weights[1]
    assert results[0].scores == results[1].scores


@pytest.mark.parametrize("pretext", ["masked", "supervised"])
def test_a_task_that_cannot_collapse_is_only_watched(
    pretext: str, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch_with(FakeMonitor(changed(rank=1.0, uniformity=0.0)), monkeypatch)
    result = run(store, {"name": pretext})
    assert [p.values["train/embedding/rank"] for p in result.curve] == [1.0, 1.0]


def test_a_collapsed_report_is_heard_by_nobody(store: Path) -> None:
    heard: list[CurvePoint] = []
    with pytest.raises(CollapsedError) as caught:
        run(store, COLLAPSING, report=heard.append, learning_rate=0.03, max_updates=400)
    collapsed_after = int(str(caught.value).split("after ")[1].split()[0])
    assert [point.updates for point in heard] == list(range(20, collapsed_after, 20))


def test_the_same_task_with_what_keeps_cells_apart_does_not_collapse(store: Path) -> None:
    assert run(store, {"name": "vicreg"}, max_updates=100).updates == 100


# BYOL on real cells


@pytest.fixture(scope="module")
def real_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("stores")
    return prepare_store(load_dataset("pbmc_cite"), n_top_genes=None, root=root)


def byol(store: Path, *, report: Callable[[CurvePoint], None], **options: float) -> TrialResult:
    return run(
        store,
        {"name": "byol", **options},
        report=report,
        encoder={"name": "mlp"},
        learning_rate=3e-3,
        minibatch_size=128,
        max_updates=400,
        evaluate_every=50,
        patience=100,
    )


@pytest.mark.slow
def test_byol_without_predictor_and_moving_average_is_seen_and_ends_at_its_first_report(
    real_store: Path,
) -> None:
    healthy = byol(real_store, report=lambda point: None, projector_depth=0)
    assert healthy.curve[-1].values["train/embedding/uniformity"] < -1
    heard: list[CurvePoint] = []
    with pytest.raises(CollapsedError, match="uniformity"):
        byol(real_store, report=heard.append, momentum=0.0, predictor_depth=0, projector_depth=0)
    assert heard == []


@pytest.mark.slow
def test_batch_normalisation_in_the_projector_leaves_byol_a_part_of_its_rank(
    real_store: Path,
) -> None:
    """Some directions are lost and the curve shows it, but what is left can still tell cells apart."""
    ranks = {}
    for name, removed in {"whole": {}, "removed": {"momentum": 0.0, "predictor_depth": 0}}.items():
        curve = byol(real_store, report=lambda point: None, **removed).curve
        ranks[name] = [point.values["train/embedding/rank"] for point in curve]
    assert max(ranks["removed"]) < min(ranks["whole"])  # seen: 5 to 7, and 13 to 16
