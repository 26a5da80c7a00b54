"""The guard of a pretraining corpus: no cell of the target is in it, not even unlabelled, not even under another name."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sslbench.data.alignment import columns_of
from sslbench.data.catalogue import DatasetSpec
from sslbench.data.leaks import MIN_NON_ZEROS, profile_hashes
from sslbench.data.store_building import Source
from sslbench.errors import DataError


def refuse_shared_studies(target: DatasetSpec, corpus: Sequence[DatasetSpec]) -> None:
    """Raise DataError D155 if a data set of the corpus is the target, or has a study in common with it."""
    for spec in corpus:
        theirs = {_spelt_alike(study) for study in spec.studies}
        common = sorted(study for study in target.studies if _spelt_alike(study) in theirs)
        if common:
            raise _shared(spec, target, f"both hold cells of the study {common[0]}")
        if spec.name == target.name:
            raise _shared(spec, target, "the same data set")


def refuse_shared_bytes(
    target: tuple[DatasetSpec, str], corpus: Sequence[tuple[DatasetSpec, str]]
) -> None:
    """Raise DataError D155 if the files of a data set of the corpus have the SHA-256 of the target's."""
    for spec, sha256 in corpus:
        if sha256 == target[1]:
            raise _shared(
                spec, target[0], f"the same file: {spec.file.name}, {target[0].file.name}"
            )


def _shared(spec: DatasetSpec, target: DatasetSpec, found: str) -> DataError:
    return DataError(
        "cells of the target may not be in the corpus that the encoder is pretrained on",
        code="D155",
        where=f"corpus {spec.name}, target {target.name}",
        found=found,
        fix="leave it out of `corpus`, or ask the question in_data",
    )


def refuse_shared_profiles(
    target: Source, target_rows: np.ndarray, corpus: Source, corpus_rows: np.ndarray, *, where: str
) -> tuple[int, int]:
    """Compare profiles over the genes that both files measured; return how many of the target were compared, of how many.

    Profiles with fewer than 50 non-zeros over the shared genes are not compared: different cells can have the
    same one by chance. For those the studies that both data sets name must answer.

    Raises
    ------
    DataError
        D155 if a cell of the target has an exact copy in the corpus.
    """
    measured = set(corpus.genes)
    shared = tuple(gene for gene in target.genes if gene in measured)
    of_target = _hashes(target, target_rows, shared)
    copies = np.isin(of_target, np.setdiff1d(_hashes(corpus, corpus_rows, shared), [0]))
    n_compared = int((of_target != 0).sum())
    if copies.any():
        raise DataError(
            "cells of the target are in the corpus that the encoder would be pretrained on",
            code="D155",
            where=where,
            found=f"{int(copies.sum()):,} of {n_compared:,} compared profiles "
            f"({MIN_NON_ZEROS} or more non-zeros over {len(shared):,} shared genes) have an exact copy",
            fix="leave that data set out of `corpus`, or remove the copies",
        )
    return n_compared, len(target_rows)


def _hashes(source: Source, rows: np.ndarray, genes: tuple[str, ...]) -> np.ndarray:
    """Return the profile hash of each cell at `rows` over `genes`; 0 where it is too sparse."""
    columns = columns_of(genes, source=source.genes)
    blocks = [profile_hashes(block) for block in source.rows(rows, columns)]
    return np.concatenate([np.zeros(0, dtype=np.uint64), *blocks])


def _spelt_alike(study: str) -> str:
    return study.strip().casefold()
