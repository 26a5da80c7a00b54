"""Move each cell towards one of its mutual nearest neighbours, of another batch where there are several."""

from __future__ import annotations

from itertools import permutations
from typing import ClassVar

import numpy as np
import torch
from pydantic import Field
from scipy.sparse import csr_matrix, diags
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors
from torch import Tensor

from sslbench.config import ComponentOptions
from sslbench.data.cells import CellBatch, Cells
from sslbench.pretext.augmentations.base import ActsOn, Augmentation, expression_blocks
from sslbench.registry import AUGMENTATIONS

N_COMPONENTS = 50
MAX_FIT_CELLS = 5_000  # of more, a sample gives the components; every cell is projected on them


class Options(ComponentOptions):
    """How far a cell moves, and how many neighbours each direction looks at."""

    strength: float = Field(0.3, ge=0, le=1, description="weight of the neighbour's expression")
    neighbours: int = Field(
        10,
        ge=1,
        le=1000,
        description="nearest cells of another batch (of all cells if there is one batch) among which "
        "two cells must find each other",
    )


@AUGMENTATIONS.register
class NeighbourMixing(Augmentation):
    """Mutual nearest neighbours: Haghverdi et al. 2018, doi 10.1038/nbt.4091; here found on training cells.

    Mixing with them is an augmentation of CLAIRE: Yan et al. 2023, doi 10.1093/bioinformatics/btad099.
    """

    acts_on: ClassVar[ActsOn] = "cells"
    row_ids: Tensor  # (n_train,) int64: rows of the store, ascending
    positions: Tensor  # (n_train,) int64: which training cell each of `row_ids` is
    first: Tensor  # (n_train + 1,) int64: where the partners of each training cell begin
    partners: Tensor  # (n_pairs,) int64 training cells; a cell without partners has only itself

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self.neighbours = options.neighbours
        self.pool: Cells | None = None  # memory-mapped: rows are read when they are mixed in
        for name in ("row_ids", "positions", "first", "partners"):
            self.register_buffer(name, torch.empty(0, dtype=torch.int64), persistent=False)

    def prepare(self, train: Cells) -> None:
        """Find the mutual nearest neighbours among training cells; time grows with their number squared."""
        self.pool = train.without_labels()
        z = principal_components(train)
        mutual = mutual_neighbours(z, batch=train.batch, k=self.neighbours)
        listed = mutual + diags(mutual.getnnz(axis=1) == 0, dtype=bool)
        order = np.argsort(train.row_ids)
        self.row_ids = torch.from_numpy(train.row_ids[order]).to(self.row_ids)
        self.positions = torch.from_numpy(order).to(self.positions)
        self.first = torch.from_numpy(listed.indptr).to(self.first)
        self.partners = torch.from_numpy(listed.indices).to(self.partners)

    def forward(self, cells: CellBatch, *, strength: float, generator: torch.Generator) -> Tensor:
        """Return (1 - strength) x + strength x_partner, (n_cells, n_genes); without partners, x.

        Raises
        ------
        RuntimeError
            Before `prepare`.
        ValueError
            If a cell is not one of the training cells.
        """
        if self.pool is None:
            raise RuntimeError("neighbour_mixing needs training cells; call prepare(train) first")
        own = self._position(cells.row_ids)
        partner = self._drawn_partner(own, generator)
        theirs = self.pool.minibatch(partner.cpu().numpy(), device=str(cells.x.device)).x
        mixed = torch.lerp(cells.x, theirs, strength)
        return mixed.where((partner != own).unsqueeze(1), cells.x)

    def _position(self, row_ids: Tensor) -> Tensor:
        """Return which training cells (n_cells,) these rows of the store are."""
        place = torch.searchsorted(self.row_ids, row_ids).clamp_(max=len(self.row_ids) - 1)
        unknown = self.row_ids[place] != row_ids
        if unknown.any():
            raise ValueError(
                "neighbour_mixing knows the neighbours of training cells only, got "
                f"row_ids={row_ids[unknown][:5].tolist()}; call prepare with the cells to be augmented"
            )
        return self.positions[place]

    def _drawn_partner(self, own: Tensor, generator: torch.Generator) -> Tensor:
        """Return one of the partners of each training cell `own` (n_cells,), uniformly."""
        n_partners = self.first[own + 1] - self.first[own]
        drawn = torch.randint(2**40, own.shape, generator=generator, device=own.device)
        return self.partners[self.first[own] + drawn % n_partners]


def principal_components(train: Cells) -> np.ndarray:
    """Return z (n_cells, at most 50) float32 of the training cells' expression, the same at every call."""
    fit_on = np.arange(len(train))
    if len(train) > MAX_FIT_CELLS:
        fit_on = np.sort(np.random.default_rng(0).choice(fit_on, MAX_FIT_CELLS, replace=False))
    n_components = min(N_COMPONENTS, len(fit_on), train.n_genes)
    fitted = PCA(n_components, svd_solver="randomized", random_state=0)
    fitted.fit(train.minibatch(fit_on).x.numpy())
    return np.concatenate([fitted.transform(x.numpy()) for x in expression_blocks(train)])


def mutual_neighbours(z: np.ndarray, *, batch: np.ndarray, k: int) -> csr_matrix:
    """Return a symmetric boolean matrix (n_cells, n_cells): who are among each other's k nearest.

    Nearest by Euclidean distance between rows of z (n_cells, n_components). With several values of
    `batch` (n_cells,) str, for each pair of batches among the cells of the other one; with a single
    one, among all other cells. No cell is its own neighbour.
    """
    groups = [np.flatnonzero(batch == name) for name in np.unique(batch)]
    pairs = permutations(groups, 2) if len(groups) > 1 else [(groups[0], groups[0])]
    found = [_nearest(z, of=of, among=among, k=k) for of, among in pairs]
    cell, neighbour = (np.concatenate(side) for side in zip(*found))
    near = csr_matrix((np.ones(len(cell), dtype=bool), (cell, neighbour)), shape=(len(z), len(z)))
    return near.multiply(near.T).tocsr()


def _nearest(
    z: np.ndarray, *, of: np.ndarray, among: np.ndarray, k: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return cells and neighbours, each (n_of x k,): the k nearest `among` others of each cell `of`."""
    alike = of is among
    k = min(k, len(among) - 1 if alike else len(among))
    if k < 1:
        return of[:0], among[:0]
    search = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(z[among])
    nearest = search.kneighbors(None if alike else z[of], return_distance=False)
    return np.repeat(of, k), among[nearest].ravel()
