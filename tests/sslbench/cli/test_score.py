"""Somebody's embedding, scored beside a finished sweep; every mistake is one error and nothing is written."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import anndata
import h5py
import numpy as np
import pytest

import sslbench
from sslbench.champion import champion
from sslbench.cli.board import answer
from sslbench.cli.external import RECORD, read_externals
from sslbench.cli.places import Home
from sslbench.cli.question import asked
from sslbench.cli.results import show_leaderboards
from sslbench.cli.score import Scoring, score_file
from sslbench.cli.sweep import OwnCells
from sslbench.errors import ConfigError, DataError, DivergedError, RefusedError, SslbenchError
from sslbench.leaderboard.board import Leaderboard
from tests.sslbench.cli.finished import finished_sweep, ledger_of

PROJECT = Path(__file__).parents[3]
KEYS = OwnCells(None, "cell_type", "donor", "batch", None)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sweep")
    finished_sweep(folder)
    return folder


@pytest.fixture
def home(kept: Path, tmp_path: Path) -> Home:
    """A copy of the sweep's home, which a test may change."""
    shutil.copytree(kept / "home", tmp_path / "home")
    return Home(tmp_path / "home")


Change = Callable[[anndata.AnnData], anndata.AnnData | None]


@pytest.fixture
def file(kept: Path, tmp_path: Path) -> Callable[..., Path]:
    """Writes a copy of the sweep's cells with an embedding in it."""

    def write(change: Change | None = None, *, z: np.ndarray | None = None) -> Path:
        adata = anndata.read_h5ad(kept / "synthetic.h5ad")
        adata.obsm["X_mine"] = coordinates(adata) if z is None else z
        adata = (change(adata) if change else None) or adata
        adata.write_h5ad(tmp_path / "mine.h5ad")
        return tmp_path / "mine.h5ad"

    return write


def coordinates(adata: anndata.AnnData) -> np.ndarray:
    """Principal components of log-normalised counts."""
    counts = adata.X.toarray()
    x = np.log1p(1e4 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1))
    u, s, _ = np.linalg.svd(x - x.mean(axis=0), full_matrices=False)
    return np.asarray(u[:, :10] * s[:10], dtype=np.float32)


def mine(path: Path, **changes: object) -> Scoring:
    return replace(Scoring(file=path, obsm="X_mine", name="mine", sweep="toy"), **changes)


def board_of(home: Home) -> Leaderboard:
    ((folder, question),) = asked(home)
    return answer(folder, question).board


def files(folder: Path) -> list[tuple[str, int]]:
    return sorted((str(f), f.stat().st_mtime_ns) for f in folder.rglob("*") if f.is_file())


def test_a_row_is_added_and_the_leaderboard_shows_it_again_and_again(
    home: Home, file: Callable[..., Path], capfd: pytest.CaptureFixture[str]
) -> None:
    before = board_of(home)
    assert score_file(mine(file(), saw_dataset="no"), home) == 0
    said = capfd.readouterr()
    assert "mine/X_mine" in said.out
    assert "mine (saw_dataset: no)" in said.err
    board = board_of(home)
    assert board.rows == before.rows
    assert (board.verdict, board.reference) == (before.verdict, before.reference)
    (row,) = board.external
    assert (row.name, row.obsm, row.saw_dataset) == ("mine", "X_mine", "no")
    assert set(row.test_by_protocol) == {
        "knn",
        "linear_probe",
    }  # `head` is of arms with a classifier
    assert row.difference is not None
    show_leaderboards(home, "toy", "table")
    assert "mine/X_mine" in capfd.readouterr().out
    assert "mine/X_mine" in (home.reports / "toy.synthetic.csv").read_text()


def test_the_embedding_of_an_arms_own_model_gets_the_arms_own_scores(
    home: Home, file: Callable[..., Path]
) -> None:
    """The same cells, splits, label set, tasks and metrics: the reference is the trial itself."""
    ledger = ledger_of(home)
    record = next(r for r in ledger.records().values() if (r.arm, r.stage) == ("pca", "confirm"))
    attempt = ledger.attempt(record.uid)
    assert attempt is not None
    assert record.result is not None

    def embed(adata: anndata.AnnData) -> None:
        sslbench.embed(adata, model=attempt.folder / "checkpoint")
        adata.obsm["X_mine"] = adata.obsm.pop("X_sslbench")

    score_file(mine(file(embed)), home)
    ((found,), holes) = read_externals(ledger.folder)
    assert holes == ()
    assert found.record.result is not None
    scores = found.record.result.scores
    assert sorted(scores) == [key for key in sorted(record.result.scores) if "/head/" not in key]
    for key, value in scores.items():
        assert value == pytest.approx(record.result.scores[key], abs=1e-9), key


def test_the_champion_is_never_external(home: Home, file: Callable[..., Path]) -> None:
    perfect = anndata.read_h5ad(file())
    types = perfect.obs["cell_type"].astype("category").cat.codes.to_numpy()
    score_file(mine(file(z=np.eye(types.max() + 1, dtype=np.float32)[types])), home)
    board = board_of(home)
    assert board.external[0].test.mean == 1
    best = champion(ledger_of(home).records().values())
    assert best is not None
    assert best.record.arm in ("pca", "supervised")


def test_the_file_itself_with_its_keys_is_found_without_the_name_of_the_sweep(
    home: Home, file: Callable[..., Path]
) -> None:
    score_file(mine(file(), sweep=None, cells=KEYS), home)
    assert [row.name for row in board_of(home).external] == ["mine"]


def test_rows_are_matched_by_name_where_the_store_leaves_cells_out(tmp_path: Path) -> None:
    from tests.factories import synthetic_spec

    dataset = synthetic_spec(tmp_path, n_donors=5).model_copy(update={"exclude_donors": ("d1",)})
    home = finished_sweep(tmp_path, dataset=dataset)
    adata = anndata.read_h5ad(tmp_path / "synthetic.h5ad")
    codes = adata.obs["cell_type"].astype("category").cat.codes.to_numpy()
    adata.obsm["X_mine"] = np.eye(codes.max() + 1, dtype=np.float32)[codes]
    adata.write_h5ad(tmp_path / "mine.h5ad")
    score_file(mine(tmp_path / "mine.h5ad"), home)
    assert board_of(home).external[0].test.mean == 1  # one row off, and it would not be


def test_the_same_name_is_replaced_by_force_alone_and_an_arms_name_never(
    home: Home, file: Callable[..., Path]
) -> None:
    score_file(mine(file()), home)
    before = files(home.ledgers)
    noise = np.random.default_rng(0).normal(size=(240, 4)).astype(np.float32)
    with pytest.raises(RefusedError, match="has a row 'mine' already"):
        score_file(mine(file(z=noise)), home)
    with pytest.raises(ConfigError, match="is an arm of this sweep"):
        score_file(mine(file(z=noise), name="pca"), home)
    with pytest.raises(ConfigError, match="a name has letters"):
        score_file(mine(file(z=noise), name="../pca"), home)
    assert files(home.ledgers) == before
    first = board_of(home).external[0].test.mean
    score_file(mine(file(z=noise), force=True), home)
    score_file(mine(file(z=noise), name="noise"), home)
    board = board_of(home)
    assert {row.name for row in board.external} == {"mine", "noise"}
    assert board.external[0].test == board.external[1].test
    assert board.external[0].test.mean < first
    left = [f.name for f in (ledger_of(home).folder / "external").iterdir()]
    assert sorted(left) == ["mine", "noise"]


def bad(value: float) -> Callable[[np.ndarray], np.ndarray]:
    def put(z: np.ndarray) -> np.ndarray:
        z = z.copy()
        z[7, 2] = value
        return z

    return put


@pytest.mark.parametrize("change, code, says", [
    (bad(np.nan), "D334", "row 7"), (bad(np.inf), "D334", "row 7"), (bad(-np.inf), "D334", "row 7"),
    (lambda z: z.astype(np.float64) * 1e300, "D334", "too large"),
    (lambda z: z[:, 0], "D331", "shape (240,)"), (lambda z: z[:, :0], "D331", "shape (240, 0)"),
    (lambda z: z[:, :, None], "D331", "shape (240, 10, 1)"),
    (lambda z: z[:-1], "D332", "239 rows, 240 cells"), (lambda z: np.vstack([z, z]), "D332", "480"),
    (lambda z: z.astype(np.int64), "D333", "int64"), (lambda z: z > 0, "D333", "bool"),
])  # fmt: skip
def test_what_is_no_embedding_is_one_error_and_nothing_is_written(
    change: Callable[[np.ndarray], np.ndarray], code: str, says: str,
    home: Home, file: Callable[..., Path],
) -> None:  # fmt: skip
    path = file()
    with h5py.File(path, "r+") as root:  # anndata itself would not write all of these
        z = change(root["obsm/X_mine"][:])
        del root["obsm/X_mine"]
        root["obsm"].create_dataset("X_mine", data=z)
        root["obsm/X_mine"].attrs.update({"encoding-type": "array", "encoding-version": "0.2.0"})
    refused(mine(path), home, DataError, code, says)


def refused(scoring: Scoring, home: Home, kind: type[SslbenchError], code: str, says: str) -> None:
    before = files(home.folder)
    with pytest.raises(kind) as raised:
        score_file(scoring, home)
    assert raised.value.code == code
    assert says in str(raised.value)
    assert files(home.folder) == before


def test_an_embedding_without_finite_scores_is_one_error(
    home: Home, file: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def diverges(*_: object, **__: object) -> None:
        raise DivergedError("test/knn/macro_f1 is nan")

    monkeypatch.setattr("sslbench.external_scores.score_embedding", diverges)
    refused(mine(file()), home, DataError, "D336", "test/knn/macro_f1 is nan")


def test_a_missing_embedding_names_those_that_are_there(
    home: Home, file: Callable[..., Path]
) -> None:
    refused(mine(file(), obsm="X_mien"), home, DataError, "D330", "did you mean 'X_mine'?")


def fewer(adata: anndata.AnnData) -> anndata.AnnData:
    return adata[:-1].copy()


def another_order(adata: anndata.AnnData) -> anndata.AnnData:
    return adata[np.random.default_rng(0).permutation(adata.n_obs)].copy()


def another_count(adata: anndata.AnnData) -> None:
    adata.X[0, 0] += 1


def other_names(adata: anndata.AnnData) -> None:
    adata.obs_names = [f"x{name}" for name in adata.obs_names]


def other_labels(adata: anndata.AnnData) -> None:
    adata.obs["cell_type"] = np.roll(adata.obs["cell_type"].to_numpy(), 1)


@pytest.mark.parametrize("change", [fewer, another_order, another_count, other_names, other_labels])
def test_other_cells_than_the_data_sets_are_refused(
    change: Change, home: Home, file: Callable[..., Path]
) -> None:
    refused(mine(file(change)), home, DataError, "D335", "not those of the data set 'synthetic'")


def test_a_file_that_is_not_there_and_cells_that_nobody_names_are_errors(
    home: Home, tmp_path: Path, file: Callable[..., Path]
) -> None:
    refused(mine(tmp_path / "no.h5ad"), home, DataError, "D005", "no.h5ad")
    empty = Home(tmp_path / "empty")
    with pytest.raises(ConfigError, match="nothing says which cells"):
        score_file(mine(file(), sweep=None), empty)
    with pytest.raises(ConfigError, match="none is named whose protocols"):
        score_file(mine(file(), sweep=None, cells=KEYS), empty)
    without = KEYS._replace(label_key="none")
    with pytest.raises(ConfigError, match="these cells have none"):
        score_file(mine(file(), sweep=None, cells=without), home)
    assert not empty.folder.exists()


def test_without_a_sweep_on_these_cells_the_row_stands_alone(
    home: Home, file: Callable[..., Path], monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str], tmp_path: Path,
) -> None:  # fmt: skip
    monkeypatch.chdir(PROJECT)
    empty = Home(tmp_path / "empty")
    assert score_file(mine(file(), sweep="smoke", cells=KEYS), empty) == 0
    said = capfd.readouterr()
    assert "stands alone, nothing was written" in said.err
    assert "linear_probe" in said.out
    assert not empty.folder.exists()


def test_a_damaged_record_is_a_hole_until_it_is_scored_again(
    home: Home, file: Callable[..., Path]
) -> None:
    def damaged() -> bool:
        board = board_of(home)
        assert len(board.rows) == 2
        return not board.external and any("mine: the record" in hole for hole in board.holes)

    score_file(mine(file()), home)
    assert not damaged()
    place = ledger_of(home).folder / "external" / "mine"
    record = json.loads((place / RECORD).read_text())
    (place / RECORD).write_text(json.dumps(record | {"further": 1}))
    assert damaged()
    (place / RECORD).write_text(json.dumps(record))
    assert not damaged()
    (place / "predictions.parquet").write_bytes(b"")
    assert damaged()
    score_file(mine(file(), force=True), home)
    assert not damaged()


@pytest.mark.slow
def test_principal_components_and_umap_of_the_bundled_cells_through_the_command_without_ray(
    tmp_path: Path,
) -> None:
    import scanpy as sc

    from sslbench.data.catalogue import load_dataset

    dataset = load_dataset("pbmc_cite")
    finished_sweep(tmp_path, dataset=dataset)
    adata = anndata.read_h5ad(dataset.file)
    copy = adata.copy()
    sc.pp.normalize_total(copy)
    sc.pp.log1p(copy)
    sc.pp.pca(copy, n_comps=20)
    sc.pp.neighbors(copy)
    sc.tl.umap(copy)
    for key in ("X_pca", "X_umap"):
        adata.obsm[key] = copy.obsm[key]
    adata.write_h5ad(tmp_path / "mine.h5ad")
    code = (
        "import sys\nfrom sslbench.cli import app\ntry:\n    app(sys.argv[1:])\n"
        "except SystemExit as end:\n    assert not end.code, end.code\n"
        "print('RAY' if 'ray' in sys.modules else 'NO RAY')"
    )
    for key in ("X_pca", "X_umap"):
        words = ["score", str(tmp_path / "mine.h5ad"), "--obsm", key, "--name", f"scanpy_{key[2:]}"]
        words += ["--sweep", "toy", "--data", "pbmc_cite", "--home", str(tmp_path / "home")]
        ran = subprocess.run(
            [sys.executable, "-c", code, *words],
            cwd=PROJECT, capture_output=True, text=True, check=False, timeout=280,
        )  # fmt: skip
        assert ran.returncode == 0, ran.stdout + ran.stderr
        assert "NO RAY" in ran.stdout
    rows = {row.name: row for row in board_of(Home(tmp_path / "home")).external}
    assert set(rows) == {"scanpy_pca", "scanpy_umap"}
    assert all(row.test.mean > 0.5 and row.difference is not None for row in rows.values())
