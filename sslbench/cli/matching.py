"""Whether a file's cells are those of a data set, row by row, and which sweep in the ledger ran on them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from sslbench.cli.places import Home, sweep_file
from sslbench.cli.question import Question, asked
from sslbench.data.catalogue import DatasetSpec
from sslbench.data.manifest import StoreManifest, read_manifest
from sslbench.data.opening import open_cells_file
from sslbench.data.store import prepare_store
from sslbench.data.store_writer import GENES, OBS
from sslbench.data.stored_embedding import stored_embedding
from sslbench.errors import ConfigError, DataError
from sslbench.search.spec import SweepSpec, load_sweep


@dataclass(frozen=True, kw_only=True)
class Embedding:
    """Where an embedding lies."""

    file: Path
    obsm: str


@dataclass(frozen=True, kw_only=True)
class Rivals:
    """Whose protocols an embedding is scored by: a sweep in the ledger, or the file of one that has not run on it."""

    spec: SweepSpec
    folder: Path | None = None
    question: Question | None = None


@dataclass(frozen=True, kw_only=True)
class Matched:
    """An embedding in the order of the rows of a cell store, and whose protocols it is scored by."""

    z: np.ndarray  # (n_rows_of_the_store, n_dimensions) float32
    store: Path
    rivals: Rivals


def matched(
    embedding: Embedding, dataset: DatasetSpec, home: Home, *, sweep: str | None, root: Path
) -> Matched:
    """Read the embedding and the cells of the file into a store under `root`, and find the sweep on these cells.

    The cells are the same if a store made of the file, as the data set describes it, has the same fingerprint: over
    counts, genes, names of cells, labels, donors and splits.

    Raises
    ------
    DataError
        What reading an embedding or building a store raises; D335 if the cells are not those of the data set.
    """
    with open_cells_file(embedding.file) as cells:
        z, names = stored_embedding(cells, embedding.obsm), cells.obs().index
    own = dataset.model_copy(update={"files": (embedding.file.absolute(),)})
    others = []
    for folder, question in asked(home, Path(sweep).stem if sweep else None):
        store = _store(own, question, root=root)
        here, theirs = read_manifest(store), StoreManifest.model_validate(question.data)
        if theirs.fingerprint == here.fingerprint:
            rivals = Rivals(spec=question.sweep_spec, folder=folder, question=question)
            return Matched(z=_in_order(z, names, store), store=store, rivals=rivals)
        if theirs.dataset == dataset.name:
            others.append((theirs, here))
    if others:
        raise _other_cells(embedding, dataset, *others[0])
    if sweep is None:
        raise ConfigError(
            "no sweep in the ledger ran on these cells, and none is named whose protocols would be used",
            code="C049",
            where=str(home.ledgers),
            fix="--sweep NAME scores by the tasks of that sweep; the row stands alone then",
        )
    spec = load_sweep(sweep_file(sweep))
    store = _alone(embedding, dataset, own, n_top_genes=spec.dataset.n_top_genes, root=root)
    return Matched(z=_in_order(z, names, store), store=store, rivals=Rivals(spec=spec))


def _alone(
    embedding: Embedding,
    dataset: DatasetSpec,
    own: DatasetSpec,
    *,
    n_top_genes: int | None,
    root: Path,
) -> Path:
    """Return a store of the file where no sweep is there to compare with; its data set may be another file."""
    store = prepare_store(own, n_top_genes=n_top_genes, root=root)
    if dataset.files != own.files:
        true = read_manifest(prepare_store(dataset, n_top_genes=n_top_genes, root=root))
        here = read_manifest(store)
        if true.fingerprint != here.fingerprint:
            raise _other_cells(embedding, dataset, true, here)
    return store


def _store(own: DatasetSpec, question: Question, *, root: Path) -> Path:
    """Return a store of the file with the genes of the sweep's: as many, or those of its corpus."""
    n_top_genes = question.sweep_spec.dataset.n_top_genes
    if question.corpus is None:
        return prepare_store(own, n_top_genes=n_top_genes, root=root)
    genes = tuple((Path(question.corpus) / GENES).read_text(encoding="utf-8").splitlines())
    return prepare_store(own, n_top_genes=n_top_genes, root=root, genes=genes)


def _in_order(z: np.ndarray, names: pd.Index, store: Path) -> np.ndarray:
    """Return the rows of z of the store's cells; names are unique, or there would be no store."""
    kept = pd.read_parquet(store / OBS, columns=["cell"])["cell"]
    at = pd.Index(names.astype(str)).get_indexer(pd.Index(kept.astype(str)))
    assert (at >= 0).all(), "a store holds cells of its file alone"
    return np.asarray(z[at])


def _other_cells(
    embedding: Embedding, dataset: DatasetSpec, theirs: StoreManifest, here: StoreManifest
) -> DataError:
    sizes = [f"{m.fingerprint} ({m.n_cells:,} cells)" for m in (here, theirs)]
    return DataError(
        f"the cells of this file are not those of the data set {dataset.name!r}",
        code="D335",
        where=str(embedding.file),
        found=f"fingerprint {sizes[0]}, of the data set {sizes[1]}",
        fix="put the embedding into obsm of a copy of the data set's own file: all cells, names, counts and labels",
    )
