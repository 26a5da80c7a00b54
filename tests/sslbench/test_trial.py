"""One trial, held to what makes its scores believable: determinism, blindness to test cells, best weights."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
import torch

import sslbench.pretraining as pretraining_module
import sslbench.scoring as scoring_module
import sslbench.trial as trial_module
from sslbench.checkpoint import load_encoder
from sslbench.config import TrialConfig
from sslbench.data.catalogue import DatasetSpec, load_dataset
from sslbench.data.cells import Cells
from sslbench.data.labels import LabelPoint, thinned
from sslbench.data.store import open_cells, prepare_store
from sslbench.durable import sha256
from sslbench.encoders.base import embed_cells
from sslbench.errors import DivergedError
from sslbench.pretraining import Course, build, pretrained
from sslbench.results import CurvePoint, TrialResult
from sslbench.scoring import embedded
from sslbench.trial import run_trial
from sslbench.weights import weights_fingerprint

ARMS = {
    "masked": ({"name": "masked", "mask_rate": 0.5}, {"name": "mlp", "width": 32, "dropout": 0.2}),
    "supervised": ({"name": "supervised"}, {"name": "mlp", "width": 32, "dropout": 0.2}),
    "pca": ({"name": "pca"}, {"name": "linear", "embedding_dim": 16}),
    "byol": ({"name": "byol"}, {"name": "mlp", "width": 32, "dropout": 0.2}),
}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    root = tmp_path_factory.mktemp("stores")
    return prepare_store(load_dataset("pbmc_cite"), n_top_genes=100, root=root)


BY_ENCODER = [{"name": "knn"}, {"name": "linear_probe"}, {"name": "head"}]
BY_BOTH = [*BY_ENCODER, {"name": "knn", "of": "projector"}, {"name": "linear_probe", "of": "projector"}]  # fmt: skip


def config(
    arm: str,
    *,
    seed: int = 0,
    evaluation: list[dict[str, str]] = BY_ENCODER,
    objective: str = "val/knn/macro_f1",
    **training: float,
) -> TrialConfig:
    pretext, encoder = ARMS[arm]
    options = {"max_updates": 30, "evaluate_every": 10, "minibatch_size": 64} | training
    return TrialConfig.model_validate(
        {
            "dataset": {"name": "pbmc_cite", "n_top_genes": 100},
            "pretext": pretext,
            "encoder": encoder,
            "training": options,
            "evaluation": evaluation,
            "objective": objective,
            "seed": seed,
        }
    )


def run(
    chosen: TrialConfig,
    store: Path,
    workdir: Path,
    *,
    test: bool = False,
    report: Callable[[CurvePoint], None] = lambda point: None,
) -> TrialResult:
    workdir.mkdir(parents=True, exist_ok=True)
    return run_trial(chosen, store=store, workdir=workdir, report=report, score_test=test)


@pytest.mark.parametrize("arm", ARMS)
def test_the_same_seed_gives_bit_equal_scores_weights_and_curves(
    arm: str, store: Path, tmp_path: Path
) -> None:
    results = []
    for repeat in ("a", "b", "c"):
        results.append(run(config(arm), store, tmp_path / repeat, test=True))
        np.random.seed(len(results))  # noqa: NPY002  the global streams must not matter
        torch.manual_seed(len(results))
    first, *others = results
    for again in others:
        assert first.scores == again.scores
        assert [p.values for p in first.curve] == [p.values for p in again.curve]
    weights = [sha256(tmp_path / r / "checkpoint" / "encoder.safetensors") for r in ("a", "b", "c")]
    assert len(set(weights)) == 1


def test_scores_do_not_depend_on_the_order_of_python_hashes(store: Path, tmp_path: Path) -> None:
    script = (
        "import sys, torch; from pathlib import Path; torch.set_num_threads(1)\n"
        "from sslbench.config import TrialConfig; from sslbench.trial import run_trial\n"
        "config = TrialConfig.model_validate_json(sys.argv[1])\n"
        "result = run_trial(config, store=Path(sys.argv[2]), workdir=Path(sys.argv[3]),"
        " report=lambda point: None)\n"
        "print(sorted(result.scores.items()))"
    )
    command = [sys.executable, "-c", script, config("masked").model_dump_json()]
    printed = [
        subprocess.run(
            [*command, str(store), str(tmp_path)],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert "val/knn/macro_f1" in printed[0]
    assert printed[0] == printed[1]


def test_another_seed_gives_another_trial(store: Path, tmp_path: Path) -> None:
    one, other = (run(config("masked", seed=s), store, tmp_path) for s in (0, 1))
    assert [p.values for p in one.curve] != [p.values for p in other.curve]


def test_the_search_never_opens_test_cells(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []

    def watched(folder: Path, split: str) -> Cells:
        opened.append(split)
        return open_cells(folder, split)  # type: ignore[arg-type]

    monkeypatch.setattr(trial_module, "open_cells", watched)
    searched = run(config("supervised"), store, tmp_path)
    assert sorted(opened) == ["train", "val"]
    assert not [key for key in searched.scores if key.startswith("test/")]
    assert list(tmp_path.iterdir()) == []
    run(config("supervised"), store, tmp_path, test=True)
    assert opened.count("test") == 1


def noisy_test_donor(folder: Path) -> DatasetSpec:
    """Write pbmc_cite with the counts of its test donor replaced by noise of the same depth."""
    spec = load_dataset("pbmc_cite")
    adata = anndata.read_h5ad(spec.file)
    counts = adata.X.toarray()
    held_out = (adata.obs["donor"] == "p4").to_numpy()
    noise = np.random.default_rng(0).poisson(1.0, size=(int(held_out.sum()), counts.shape[1]))
    counts[held_out] = noise
    adata.X = counts.astype(np.float32)
    file = folder / "noisy.h5ad"
    adata.write_h5ad(file)
    return spec.model_copy(update={"files": (file,)})


@pytest.mark.parametrize("arm", ARMS)
def test_noise_in_test_cells_changes_nothing_that_was_learned_or_chosen(
    arm: str, store: Path, tmp_path: Path
) -> None:
    noisy = prepare_store(noisy_test_donor(tmp_path), n_top_genes=100, root=tmp_path / "stores")
    assert noisy.name != store.name
    clean = run(config(arm), store, tmp_path / "clean", test=True)
    other = run(config(arm), noisy, tmp_path / "noisy", test=True)
    for name in ("encoder.safetensors", "genes.txt", "labels.json"):
        files = [tmp_path / side / "checkpoint" / name for side in ("clean", "noisy")]
        assert sha256(files[0]) == sha256(files[1]), name
    chosen_by = {key: v for key, v in clean.scores.items() if key.startswith("val/")}
    assert chosen_by == {key: v for key, v in other.scores.items() if key.startswith("val/")}
    assert clean.scores["test/knn/macro_f1"] != other.scores["test/knn/macro_f1"]


def test_the_weights_of_the_best_report_are_kept(store: Path, tmp_path: Path) -> None:
    result = run(config("supervised", max_updates=60, patience=100), store, tmp_path, test=True)
    values = {p.updates: p.values["val/knn/macro_f1"] for p in result.curve}
    best = max(values.values())
    assert result.best_updates == min(u for u, value in values.items() if value == best)
    assert result.scores["val/knn/macro_f1"] == best


def test_a_trial_stops_when_patience_is_over(store: Path, tmp_path: Path) -> None:
    patient = config("supervised", max_updates=2000, evaluate_every=5, patience=3)
    result = run(patient, store, tmp_path)
    assert result.updates < 2000
    assert result.updates == result.best_updates + 3 * 5


def test_the_course_is_stale_only_after_patience_reports_without_a_better_one() -> None:
    course = Course("val/knn/macro_f1", patience=2)
    module = torch.nn.Linear(1, 1)
    stale = []
    for updates, value in enumerate([0.1, 0.3, 0.2, 0.3], start=1):
        course.add(updates, {"val/knn/macro_f1": value}, module)  # type: ignore[arg-type]
        stale.append(course.is_stale())
    assert stale == [False, False, False, True]


def test_a_loss_that_is_not_finite_fails_the_trial(store: Path, tmp_path: Path) -> None:
    wild = config("masked", learning_rate=1.0, gradient_clip=1e30, max_updates=400)
    wild = wild.model_copy(
        update={
            "encoder": type(wild.encoder).model_validate(
                {"name": "mlp", "norm": "none", "activation": "relu", "depth": 12}
            )
        }
    )
    with pytest.raises(DivergedError):
        run(wild, store, tmp_path)


def test_what_the_reporter_raises_ends_the_trial(store: Path, tmp_path: Path) -> None:
    def stop(point: CurvePoint) -> None:
        raise SystemExit(0)

    with pytest.raises(SystemExit):
        run(config("masked"), store, tmp_path, report=stop)


def test_predictions_hold_every_test_cell_with_its_donor_and_every_protocol(
    store: Path, tmp_path: Path
) -> None:
    result = run(config("supervised"), store, tmp_path, test=True)
    frame = pd.read_parquet(tmp_path / "predictions.parquet")
    assert set(frame.donor) == {"p4"}
    assert len(frame) == 400
    labelled = frame[frame.label >= 0]
    for task in ("knn", "linear_probe", "head"):
        accuracy = (labelled.label == labelled[f"predicted/{task}"]).mean()
        assert accuracy == pytest.approx(result.scores[f"test/{task}/accuracy"])


def test_the_embedding_of_some_test_cells_is_that_of_the_kept_encoder(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scoring_module, "MAP_CELLS", 60)
    run(config("masked"), store, tmp_path, test=True)
    frame = pd.read_parquet(tmp_path / "embedding.parquet")
    assert 50 < len(frame) < 70
    test = open_cells(store, "test")
    cells = test.at(np.searchsorted(test.row_ids, frame.row_id))
    assert cells.label is not None
    assert test.label is not None
    assert set(cells.label) == set(test.label) - {-1}
    assert list(frame.batch) == list(cells.batch)
    encoder = load_encoder(tmp_path / "checkpoint")
    expected = embed_cells(encoder.encoder, cells)
    np.testing.assert_allclose(frame.filter(regex="^z").to_numpy(), expected, atol=1e-6)


def test_scoring_the_projector_changes_no_weight_and_no_other_score(
    store: Path, tmp_path: Path
) -> None:
    plain = run(config("byol"), store, tmp_path / "plain", test=True)
    both = run(config("byol", evaluation=BY_BOTH), store, tmp_path / "both", test=True)
    weights = [tmp_path / s / "checkpoint" / "encoder.safetensors" for s in ("plain", "both")]
    assert sha256(weights[0]) == sha256(weights[1])
    more = {key: value for key, value in both.scores.items() if key not in plain.scores}
    assert {key: both.scores[key] for key in plain.scores} == plain.scores
    assert {key.split("/")[1] for key in more} == {"knn_projector", "linear_probe_projector"}
    assert more["test/knn_projector/macro_f1"] != plain.scores["test/knn/macro_f1"]
    frame = pd.read_parquet(tmp_path / "both" / "predictions.parquet")
    labelled = frame[frame.label >= 0]
    accuracy = (labelled.label == labelled["predicted/knn_projector"]).mean()
    assert accuracy == pytest.approx(both.scores["test/knn_projector/accuracy"])


def test_a_projector_is_scored_in_eval_mode(store: Path) -> None:
    train = open_cells(store, "train")
    names = train.label_names
    pretext = build(config("byol"), train, label_names=names, device="cpu").train()
    assert pretext.projector is not None
    found = embedded(pretext, train, "cpu")
    pretext.projector.eval()
    with torch.inference_mode():
        expected = pretext.projector(torch.from_numpy(found.z))
    assert found.projected is not None
    np.testing.assert_allclose(found.projected, expected.numpy(), atol=1e-6)


@pytest.mark.parametrize("arm", ["masked", "supervised", "pca"])
def test_an_arm_without_a_projector_is_not_scored_by_one(
    arm: str, store: Path, tmp_path: Path
) -> None:
    result = run(config(arm, evaluation=BY_BOTH), store, tmp_path)
    assert "val/knn/macro_f1" in result.scores
    assert not [key for key in result.scores if "projector" in key]


def test_the_score_of_the_projector_can_be_the_objective(store: Path, tmp_path: Path) -> None:
    objective = "val/knn_projector/macro_f1"
    chosen = config("byol", evaluation=BY_BOTH, objective=objective)
    result = run(chosen, store, tmp_path)
    assert result.scores[objective] == max(point.values[objective] for point in result.curve)


def test_the_kept_checkpoint_embeds_the_users_file_as_the_trial_did(
    store: Path, tmp_path: Path
) -> None:
    run(config("masked"), store, tmp_path, test=True)
    model = load_encoder(tmp_path / "checkpoint")
    adata = anndata.read_h5ad(load_dataset("pbmc_cite").file)
    whole = model.embed(adata)
    shuffled = np.random.default_rng(0).permutation(adata.n_obs)
    np.testing.assert_allclose(model.embed(adata[shuffled].copy()), whole[shuffled], atol=1e-5)
    np.testing.assert_allclose(model.embed(adata[:1].copy()), whole[:1], atol=1e-5)
    assert whole.dtype == np.float32


@pytest.mark.parametrize("test", [False, True])
def test_search_scores_a_part_of_many_cells_and_confirm_scores_all(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, test: bool
) -> None:
    monkeypatch.setattr(pretraining_module, "REFERENCE_CELLS", 60)
    monkeypatch.setattr(pretraining_module, "QUERY_CELLS", 30)
    sizes: list[int] = []

    def counting(pretext: object, cells: Cells, device: str) -> object:
        sizes.append(len(cells))
        return embedded(pretext, cells, device)  # type: ignore[arg-type]

    for module in (pretraining_module, scoring_module):
        monkeypatch.setattr(module, "embedded", counting)
    run(config("masked", max_updates=10), store, tmp_path, test=test)
    at_the_report, at_the_end = sizes[:2], sizes[2:]
    assert all(abs(n - about) <= 4 for n, about in zip(at_the_report, (60, 30)))
    whole = [len(open_cells(store, split)) for split in ("train", "val", "test")]
    assert at_the_end == (whole if test else at_the_report)


def test_cells_without_a_label_are_not_trained_on_by_an_arm_that_learns_from_labels(
    store: Path,
) -> None:
    """However many there are: with few labels, its minibatches would hold hardly any."""
    train, val = open_cells(store, "train"), open_cells(store, "val")
    few = thinned(train, 0.1, seed=0)
    weights = []
    for cells in (few, few.labelled()):
        point = LabelPoint(fraction=0.1, suffix="", train=cells, val=val)
        chosen = config("supervised", objective="val/head/macro_f1")
        done = pretrained(chosen, [point], cells=None, device="cpu", report=lambda point: None)
        weights.append(weights_fingerprint(done.pretext))
    assert weights[0] == weights[1]


def test_a_task_that_few_labels_do_not_allow_is_a_hole_of_its_share_and_costs_nothing_else(
    store: Path, tmp_path: Path
) -> None:
    tasks = [{"name": "knn"}, {"name": "open_set", "held_out": ["NK"]}, {"name": "reconstruction"}]
    chosen = config("masked", evaluation=tasks).model_copy(update={"label_fractions": (0.1,)})  # type: ignore[arg-type]
    result = run(chosen, store, tmp_path, test=True)
    assert list(result.holes) == ["open_set_at_10"]
    assert "D318" in result.holes["open_set_at_10"]
    assert "test/knn/macro_f1_at_10" in result.scores
    assert "test/open_set/auroc" in result.scores
    assert "test/reconstruction/mse_at_10" not in result.scores  # labels are nothing to it
    assert result.encoders["0.1"].pretraining == result.encoders["1"].pretraining == 0


def test_a_trial_says_that_it_lives_in_every_pretraining_and_between_evaluations(
    store: Path, tmp_path: Path
) -> None:
    """What hangs is ended: further label points report nothing, and may take longer than the first."""
    told: list[str] = []
    chosen = config("supervised").model_copy(update={"label_fractions": (0.2, 0.5)})
    result = run_trial(
        chosen,
        store=store,
        workdir=tmp_path,
        score_test=True,
        report=lambda point: told.append("report"),
        alive=lambda: told.append("alive"),
    )
    assert len(result.encoders) == 3
    assert told.count("report") == 3  # of the first point alone
    assert (
        told.count("alive") == 3 + 2 * 3
    )  # after each point's evaluation, and in two pretrainings
    assert told[:4] == ["report", "report", "report", "alive"]
