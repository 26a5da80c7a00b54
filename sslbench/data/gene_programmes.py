"""Named sets of genes as rows of a matrix: bundled, from a GMT file, or found by co-expression of training cells."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from sslbench.data.catalogue import BUNDLED
from sslbench.data.cells import Cells
from sslbench.data.coexpression import coexpressed, correlated_with
from sslbench.data.gmt import (
    BUNDLED_SETS,
    COEXPRESSION,
    DEFAULT,
    GeneSets,
    is_gmt,
    read_gmt,
    unknown_source,
    unpinned,
)
from sslbench.errors import DataError

TF_SYMBOLS = BUNDLED / "transcription_factors.txt"


@dataclass(frozen=True, kw_only=True)
class GeneProgrammes:
    """Sets of genes of one panel."""

    names: tuple[str, ...]  # (n_programmes,)
    matrix: np.ndarray  # (n_programmes, n_genes) bool


@dataclass(frozen=True, kw_only=True)
class TfProgrammes:
    """The targets of transcription factors (TFs) of one panel; a TF is never among its own targets."""

    names: tuple[str, ...]  # (n_programmes,) symbols of the TFs
    matrix: np.ndarray  # (n_programmes, n_genes) bool
    tf_genes: np.ndarray  # (n_programmes,) int64: the column of each TF's own gene


def gene_programmes(source: str, *, train: Cells, min_genes: int = 5) -> GeneProgrammes:
    """Return the programmes of `source` with at least `min_genes` genes among those of `train`.

    `source` is `bundled` (the same as `immune`), `immune`, `tf_targets`, the path of a .gmt file, or `coexpression`: then each programme
    is a gene with those that it is most correlated with, on training cells alone.

    Raises
    ------
    DataError
        G003 if no programme is usable; G001-G006 if the file is not well formed.
    """
    sets = (
        coexpressed(train, min_genes=min_genes)
        if source == COEXPRESSION
        else _sets_of(source, bundled_as="immune")
    )
    matrix = _matrix(sets.values(), train.genes)
    kept = np.flatnonzero(matrix.sum(axis=1) >= min_genes)
    _refuse_none(kept, source, train, f"programme with {min_genes} genes of this data set")
    names = tuple(sets)
    return GeneProgrammes(names=tuple(names[i] for i in kept), matrix=matrix[kept])


def tf_programmes(source: str, *, train: Cells, min_targets: int = 5) -> TfProgrammes:
    """Return, for each TF of `source` that is a gene of `train`, its targets there, if `min_targets` or more.

    `source` is `bundled` (the same as `tf_targets`), `tf_targets`, the path of a .gmt file whose sets are named after their TF (`E2F1`,
    `E2F1_01` and `E2F1_TARGET_GENES` are one TF, their sets united), or `coexpression`: then the targets
    of each known human TF are the genes most correlated with it, on training cells alone.

    Raises
    ------
    DataError
        G003 if no TF is usable; G001-G006 if the file is not well formed.
    """
    if source == COEXPRESSION:
        symbols = set(TF_SYMBOLS.read_text(encoding="utf-8").split())
        sets: GeneSets = correlated_with([gene for gene in train.genes if gene in symbols], train)
    else:
        sets = _united_by_tf(_sets_of(source, bundled_as="tf_targets"))
    column = {gene: i for i, gene in enumerate(train.genes)}
    present = {tf: genes for tf, genes in sets.items() if tf in column}
    tf_genes = np.array([column[tf] for tf in present], dtype=np.int64)
    matrix = _matrix(present.values(), train.genes)
    matrix[np.arange(len(present)), tf_genes] = False
    kept = np.flatnonzero(matrix.sum(axis=1) >= min_targets)
    _refuse_none(
        kept,
        source,
        train,
        f"transcription factor of this data set with {min_targets} targets in it",
    )
    names = tuple(present)
    return TfProgrammes(
        names=tuple(names[i] for i in kept), matrix=matrix[kept], tf_genes=tf_genes[kept]
    )


def bundled(name: str) -> GeneSets:
    """Return the gene sets called `immune` or `tf_targets` that come with sslbench."""
    return read_gmt(BUNDLED / BUNDLED_SETS[name])


def _sets_of(source: str, *, bundled_as: str) -> GeneSets:
    name = bundled_as if source == DEFAULT else source
    if name in BUNDLED_SETS:
        return bundled(name)
    if not is_gmt(source):
        raise unknown_source(source)
    return read_gmt(unpinned(source))


def _united_by_tf(sets: GeneSets) -> GeneSets:
    """Return the sets united by what stands before the first `_` of their names."""
    united: dict[str, tuple[str, ...]] = {}
    for name, genes in sets.items():
        tf = name.partition("_")[0]
        united[tf] = united.get(tf, ()) + genes
    return united


def _matrix(sets: Iterable[tuple[str, ...]], genes: tuple[str, ...]) -> np.ndarray:
    """Return membership (n_sets, n_genes) bool."""
    column = {gene: i for i, gene in enumerate(genes)}
    rows = [[column[gene] for gene in members if gene in column] for members in sets]
    matrix = np.zeros((len(rows), len(genes)), dtype=bool)
    for row, columns in zip(matrix, rows):
        row[columns] = True
    return matrix


def _refuse_none(kept: np.ndarray, source: str, train: Cells, wanted: str) -> None:
    if len(kept):
        return
    raise DataError(
        f"the gene programmes {source!r} hold no {wanted}",
        code="G003",
        found=f"genes of the data set: {', '.join(train.genes[:5])}, …",
        fix="give a .gmt with the same kind of gene names, or write coexpression instead of a file",
    )
