"""Cells in three parts with all that evaluation tasks ask for, and the same with something changed or taken away."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from scipy.sparse import csr_matrix

from sslbench.data.cells import Cells, CountsMatrix
from sslbench.evaluation.base import Embedded
from tests.factories import embedded_cells


class Split(NamedTuple):
    """Cells in three parts, each an `Embedded` with everything."""

    train: Embedded
    val: Embedded
    test: Embedded


def split(cells: Embedded) -> Split:
    n = len(cells.z)
    order = np.random.default_rng(0).permutation(n)
    return Split(*(cells.at(part) for part in np.split(order, [n // 2, 3 * n // 4])))


@cache
def usual() -> Split:
    return split(embedded_cells())


@cache
def alike() -> Split:
    return split(embedded_cells(alike=True))


def each(cells: Split, change: Callable[[Embedded], Embedded]) -> Split:
    return Split(*(change(part) for part in cells))


def cells_of(embedded: Embedded) -> Cells:
    assert embedded.cells is not None
    return embedded.cells


def relabelled(embedded: Embedded, label: np.ndarray) -> Embedded:
    return replace(embedded, label=label, cells=replace(cells_of(embedded), label=label))


def unbatched(embedded: Embedded) -> Embedded:
    nowhere = np.full(len(embedded.z), "")
    return replace(embedded, cells=replace(cells_of(embedded), batch=nowhere, donor=nowhere))


def undecoded(embedded: Embedded) -> Embedded:
    if embedded.networks is None:
        return embedded
    return replace(embedded, networks=replace(embedded.networks, reconstruct=None))


WITHOUT: dict[str, Callable[[Embedded], Embedded]] = {
    "labels": lambda e: relabelled(e, np.full(len(e.z), -1)),
    "batches": unbatched,
    "modality": lambda e: replace(e, cells=replace(cells_of(e), modality=None)),
    "classifier": lambda e: replace(e, logits=None),
    "decoder": undecoded,
    "networks": lambda e: replace(e, networks=None),
    "encoder": lambda e: replace(e, networks=None),
    "projector": lambda e: replace(e, projected=None),
}


def shuffled(embedded: Embedded, what: str, random: np.random.Generator) -> Embedded:
    """Give the cells each other's labels, or each other's second modality."""
    if what == "labels":
        return relabelled(embedded, random.permutation(embedded.label))
    cells = cells_of(embedded)
    assert cells.modality is not None
    rows, index = cells.modality.counts.rows, np.arange(len(cells.modality.measured))
    index[cells.row_ids] = random.permutation(cells.row_ids)
    modality = replace(
        cells.modality,
        counts=CountsMatrix.from_scipy(csr_matrix(rows(index))),
        measured=cells.modality.measured[index],
    )
    return replace(embedded, cells=replace(cells, modality=modality))


def broken(embedded: Embedded) -> Embedded:
    """One dimension is infinite, and one logit no number."""
    assert embedded.logits is not None
    z, logits = embedded.z.copy(), embedded.logits.copy()
    z[:, 2], logits[3, 2] = np.inf, np.nan
    return replace(embedded, z=z, logits=logits)


def flat(embedded: Embedded) -> Embedded:
    """Cells that differ in expression, as an arm sees them for which they are all the same."""
    assert embedded.networks is not None
    decode = embedded.networks.reconstruct
    assert decode is not None
    n_cells = len(embedded.z)
    return replace(
        embedded,
        z=np.full((n_cells, 8), 0.37, dtype=np.float32),
        projected=np.full((n_cells, 5), 0.37, dtype=np.float32),
        logits=np.full((n_cells, 4), 0.37, dtype=np.float32),
        networks=replace(embedded.networks, reconstruct=lambda m: torch.full_like(m.x, 0.37)),
    )


def one_gene_each(embedded: Embedded) -> Embedded:
    """Cells of a type express one gene; those without a label another."""
    cells = cells_of(embedded)
    own = np.zeros(cells.counts.shape, dtype=np.float32)
    own[cells.row_ids, embedded.label] = 50.0
    truth = np.eye(5, dtype=np.float32)[embedded.label]
    cells = replace(cells, counts=CountsMatrix.from_scipy(csr_matrix(own)))
    return replace(embedded, z=truth, logits=truth[:, :4], projected=truth, cells=cells)
