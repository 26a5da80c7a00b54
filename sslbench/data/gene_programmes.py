"""Named sets of genes as rows of a matrix: bundled, from a GMT file, or found by co-expression of training cells."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sslbench.data.catalogue import BUNDLED
from sslbench.data.cells import Cells
from sslbench.data.coexpression import coexpressed, correlated_with
from sslbench.errors import DataError, nearest

BUNDLED_SETS = {"immune": "immune_programmes.gmt", "tf_targets": "tf_targets.gmt"}
COEXPRESSION = "coexpression"
TF_SYMBOLS = BUNDLED / "transcription_factors.txt"
MAX_SETS = 50_000

GeneSets = Mapping[str, tuple[str, ...]]


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

    `source` is `immune`, `tf_targets`, the path of a .gmt file, or `coexpression`: then each programme
    is a gene with those that it is most correlated with, on training cells alone.

    Raises
    ------
    DataError
        G003 if no programme is usable; G001-G006 if the file is not well formed.
    """
    sets = coexpressed(train, min_genes=min_genes) if source == COEXPRESSION else _sets_of(source)
    matrix = _matrix(sets.values(), train.genes)
    kept = np.flatnonzero(matrix.sum(axis=1) >= min_genes)
    _refuse_none(kept, source, train, f"programme with {min_genes} genes of this data set")
    names = tuple(sets)
    return GeneProgrammes(names=tuple(names[i] for i in kept), matrix=matrix[kept])


def tf_programmes(source: str, *, train: Cells, min_targets: int = 5) -> TfProgrammes:
    """Return, for each TF of `source` that is a gene of `train`, its targets there, if `min_targets` or more.

    `source` is `tf_targets`, the path of a .gmt file whose sets are named after their TF (`E2F1`,
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
        sets = _united_by_tf(_sets_of(source))
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


def read_gmt(path: Path) -> GeneSets:
    """Return the sets of a GMT file, in order: a line is a name, a note and the genes, tabs between.

    Raises
    ------
    DataError
        With file and line: G001 empty set, G002 name twice, G004 no tabs, G005 no such file or no text,
        G006 no or too many sets.
    """
    sets: dict[str, tuple[str, ...]] = {}
    for number, line in enumerate(_lines(path), start=1):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        name, *rest = line.split("\t")
        if not rest:
            raise DataError(
                "a line is a name, a note and genes, with tabs between",
                code="G004",
                where=where,
                found=f"no tab in {line[:60]!r}",
            )
        genes = tuple(gene.strip() for gene in rest[1:] if gene.strip())
        if not genes:
            raise DataError(f"the set {name!r} has no genes", code="G001", where=where)
        if name in sets:
            raise DataError(f"the set {name!r} stands twice", code="G002", where=where)
        sets[name] = genes
    if not 0 < len(sets) <= MAX_SETS:
        raise DataError(
            f"between 1 and {MAX_SETS:,} sets are read", code="G006", where=str(path),
            found=f"{len(sets):,} sets",
        )  # fmt: skip
    return sets


def _lines(path: Path) -> list[str]:
    if not path.is_file():
        raise DataError("no such file", code="G005", where=str(path.absolute()))
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise DataError("this file is not UTF-8 text", code="G005", where=str(path)) from error


def _sets_of(source: str) -> GeneSets:
    if source in BUNDLED_SETS:
        return bundled(source)
    if not source.endswith(".gmt"):
        known = [*BUNDLED_SETS, COEXPRESSION]
        raise DataError(
            f"unknown gene programmes {source!r}", code="G005",
            fix=nearest(source, known) + "; or the path of a .gmt file",
        )  # fmt: skip
    return read_gmt(Path(source))


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
        fix="give a .gmt with the same kind of gene names, or `programmes: coexpression`",
    )
