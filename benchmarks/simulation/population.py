"""Where simulated donors, cells and seeds come from, and what an arm predicts for them.

A cell is classified rightly if a latent score is above 0: how good the arm is, plus what is peculiar to the
cell type, the donor, the arm on that donor, the training seed, the seed on that donor and the cell, each normal.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

LABELS = ("CD4 T", "CD14 monocyte", "B", "CD8 T", "NK", "dendritic")
_NEAR, _FAR = 8.0, 1.0  # a wrong cell is taken for a neighbour in the list so much more often


@dataclass(frozen=True, kw_only=True)
class Population:
    """Spreads are standard deviations of the latent score, of which 0.1 is about 0.02 macro F1."""

    shares: tuple[float, ...] = (0.34, 0.24, 0.18, 0.12, 0.08, 0.04)  # of the cell types
    evenness: float = 40.0  # of a donor's own shares: they are Dirichlet(evenness x shares)
    n_cells: tuple[int, int] = (200, 400)  # of a donor
    ease: tuple[float, ...] = (0.3, 0.2, 0.1, 0.0, -0.2, -0.3)  # of the cell types
    donor: float = 0.20  # one donor is harder than another, for every arm
    donor_type: float = 0.15  # a type looks different in one donor, for every arm
    donor_arm: float = 0.08  # an arm suits one donor better
    seed: float = 0.03  # a training seed is lucky, on all donors
    seed_donor: float = 0.05  # a training seed is lucky on one donor
    cell: float = 0.9  # a cell is harder, for every arm
    cell_arm: float = 0.6  # a cell is harder, for all seeds of one arm
    cell_seed: float = 0.6  # a cell is harder, for one seed of one arm under one protocol

    @property
    def n_labels(self) -> int:
        """The number of cell types."""
        return len(self.shares)

    @property
    def taken_for(self) -> np.ndarray:
        """What wrong cells of a type are taken for, (n_labels, n_labels), rows sum to 1."""
        codes = np.arange(self.n_labels)
        distance = np.abs(codes[:, None] - codes)
        weights = np.where(distance == 1, _NEAR, _FAR) * (distance > 0)
        return np.asarray(weights / weights.sum(axis=1, keepdims=True))


@dataclass(frozen=True, kw_only=True)
class Donor:
    """The cells of one donor, and what makes them hard."""

    label: np.ndarray  # (n_cells,) int64
    ease: np.ndarray  # (n_labels,) latent, of each type in this donor
    cell: np.ndarray  # (n_cells,) latent, of each cell


def draw_donor(population: Population, generator: np.random.Generator) -> Donor:
    """Return a new donor; it may lack a rare type."""
    low, high = population.n_cells
    n_cells = int(generator.integers(low, high + 1))
    shares = generator.dirichlet(population.evenness * np.array(population.shares))
    ease = np.array(population.ease) + generator.normal(0, population.donor)
    return Donor(
        label=np.sort(generator.choice(population.n_labels, size=n_cells, p=shares)),
        ease=ease + generator.normal(0, population.donor_type, population.n_labels),
        cell=generator.normal(0, population.cell, n_cells),
    )


def predict(
    population: Population,
    donor: Donor,
    *,
    level: float,
    luck: np.ndarray,
    n_protocols: int,
    generator: np.random.Generator,
) -> np.ndarray:
    """Return predicted codes (n_protocols, n_seeds, n_cells) of an arm whose seeds have `luck` (n_seeds,).

    `level` is how good the arm is on this donor.
    """
    n_cells, n_seeds = len(donor.label), len(luck)
    of_cell = level + donor.ease[donor.label] + donor.cell
    of_cell = of_cell + generator.normal(0, population.cell_arm, n_cells)
    of_seed = luck + generator.normal(0, population.seed_donor, n_seeds)
    latent = of_cell + of_seed[:, None]
    shape = (n_protocols, n_seeds, n_cells)
    right = latent + generator.normal(0, population.cell_seed, shape) > 0
    ends = population.taken_for.cumsum(axis=1)[:, :-1][donor.label]  # (n_cells, n_labels - 1)
    taken_for = (generator.random((*shape, 1)) > ends).sum(axis=-1)
    return np.where(right, donor.label, taken_for)
