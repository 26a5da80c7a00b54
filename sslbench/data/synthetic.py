"""Cells that never were, of any number: types, donors, batches, gene programmes and depth are known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix, vstack

if TYPE_CHECKING:
    import anndata
    import h5py

BLOCK_VALUES = 4_000_000  # rates drawn at once: 32 MB
DEPTH_SPREAD = 0.3  # standard deviation of the log depth of cells
SHAPE, BLOCKS = 0, 1  # purposes of random streams


@dataclass(frozen=True, kw_only=True)
class SyntheticDesign:
    """What the cells are like; equal designs give equal cells.

    A cell's counts are Poisson with rate depth * p, p ∝ exp(gene + type + donor + batch + activity):
    types and single cells act through programmes, donors and batches on every gene by itself.
    """

    n_cells: int = 600
    n_genes: int = 200
    n_types: int = 4
    n_donors: int = 4
    n_batches: int = 2
    n_programmes: int = 10
    depth: float = 2_000.0  # mean counts of a cell
    type_effect: float = 1.0  # standard deviation, in log rate, of a programme between types
    donor_effect: float = 0.2  # … of a gene between donors
    batch_effect: float = 0.2  # … of a gene between batches
    cell_effect: float = 0.3  # … of a programme between cells
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse sizes that leave nothing to draw."""
        sizes = (self.n_cells, self.n_types, self.n_donors, self.n_batches, self.n_programmes)
        if min(sizes) < 1 or self.n_genes < self.n_programmes:
            raise ValueError(
                "every number must be at least 1 and n_genes at least n_programmes, got "
                f"n_genes={self.n_genes}, n_programmes={self.n_programmes}, others {sizes}"
            )

    @cached_property
    def genes(self) -> tuple[str, ...]:
        """Gene names, (n_genes,)."""
        return tuple(f"G{i:05d}" for i in range(self.n_genes))

    @cached_property
    def membership(self) -> np.ndarray:
        """Which programme each gene belongs to, (n_genes,) int64; about equally many in each."""
        return self._stream(SHAPE, 0).permutation(np.arange(self.n_genes) % self.n_programmes)

    def programmes(self) -> dict[str, tuple[str, ...]]:
        """Return the true programmes: name → genes."""
        return {
            f"P{p:03d}": tuple(self.genes[i] for i in np.flatnonzero(self.membership == p))
            for p in range(self.n_programmes)
        }

    @cached_property
    def effects(self) -> dict[str, np.ndarray]:
        """Log rates: `gene` (n_genes,), `type` (n_types, n_programmes), `donor`, `batch` (n, n_genes)."""
        stream = self._stream(SHAPE, 1)
        return {
            "gene": stream.normal(0, 1, self.n_genes),
            "type": stream.normal(0, self.type_effect, (self.n_types, self.n_programmes)),
            "donor": stream.normal(0, self.donor_effect, (self.n_donors, self.n_genes)),
            "batch": stream.normal(0, self.batch_effect, (self.n_batches, self.n_genes)),
        }

    def blocks(self) -> Iterator[tuple[csr_matrix, pd.DataFrame]]:
        """Yield counts (n_rows, n_genes) float32 and obs, block by block."""
        n_rows = max(1, BLOCK_VALUES // self.n_genes)
        for number, start in enumerate(range(0, self.n_cells, n_rows)):
            yield self._block(number, start, min(n_rows, self.n_cells - start))

    def _block(self, number: int, start: int, n: int) -> tuple[csr_matrix, pd.DataFrame]:
        stream = self._stream(BLOCKS, number)
        row = np.arange(start, start + n)
        kind = stream.integers(self.n_types, size=n)
        donor = row % self.n_donors  # each donor has as many cells as the next
        batch = donor % self.n_batches
        activity = self.effects["type"][kind]  # (n, n_programmes)
        activity = activity + stream.normal(0, self.cell_effect, activity.shape)
        log_rate = self.effects["gene"] + activity[:, self.membership]  # (n, n_genes)
        log_rate += self.effects["donor"][donor] + self.effects["batch"][batch]
        rate = np.exp(log_rate)
        depth = self.depth * stream.lognormal(-(DEPTH_SPREAD**2) / 2, DEPTH_SPREAD, n)
        rate *= (depth / rate.sum(axis=1))[:, None]
        counts = csr_matrix(stream.poisson(rate).astype(np.float32))
        names = {"cell_type": ("type", kind), "donor": ("d", donor), "batch": ("b", batch)}
        obs = pd.DataFrame(
            {key: [f"{word}{i}" for i in code] for key, (word, code) in names.items()},
            index=[f"cell{i}" for i in row],
        )
        return counts, obs

    def _stream(self, purpose: int, number: int) -> np.random.Generator:
        return np.random.default_rng(np.random.SeedSequence([self.seed, purpose, number]))


def synthetic_adata(design: SyntheticDesign) -> anndata.AnnData:
    """Return all cells of a design in memory, raw counts in X."""
    import anndata

    blocks = list(design.blocks())
    obs = pd.concat([obs for _, obs in blocks])
    counts = vstack([counts for counts, _ in blocks], format="csr")
    return anndata.AnnData(counts, obs=obs, var=pd.DataFrame(index=list(design.genes)))


def write_synthetic_h5ad(design: SyntheticDesign, path: Path) -> None:
    """Write all cells of a design to an .h5ad, block by block: memory does not grow with their number."""
    import h5py
    from anndata.io import write_elem

    with h5py.File(path, "w") as file:
        file.attrs.update({"encoding-type": "anndata", "encoding-version": "0.1.0"})
        obs = _write_counts(design, file)
        write_elem(file, "obs", obs)
        write_elem(file, "var", pd.DataFrame(index=list(design.genes)))


def _write_counts(design: SyntheticDesign, file: h5py.File) -> pd.DataFrame:
    """Write X as CSR that grows; return the obs of all cells."""
    x = file.create_group("X")
    x.attrs.update({"encoding-type": "csr_matrix", "encoding-version": "0.1.0"})
    x.attrs["shape"] = np.array([design.n_cells, design.n_genes])
    types = {"data": np.float32, "indices": np.int32}
    for name, dtype in types.items():
        x.create_dataset(name, shape=(0,), maxshape=(None,), dtype=dtype, chunks=(2**16,))
    ends, tables = [np.zeros(1, dtype=np.int64)], []
    for counts, obs in design.blocks():
        end = int(ends[-1][-1])
        for name in types:
            x[name].resize((end + counts.nnz,))
            x[name][end:] = getattr(counts, name)
        ends.append(end + counts.indptr[1:].astype(np.int64))
        tables.append(obs.astype("category"))
    x["indptr"] = np.concatenate(ends)
    return pd.concat([table.astype(str) for table in tables]).astype("category")
