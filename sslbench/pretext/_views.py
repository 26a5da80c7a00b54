"""Two independent views of each cell, drawn from the augmentations that a sweep file names."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from sslbench.data.cells import CellBatch, Cells
from sslbench.data.packed import Expression
from sslbench.pretext._options import ChosenAugmentation, ViewOptions, chosen_augmentations
from sslbench.pretext.augmentations.base import ORDER, Augmentation, build_augmentation


class TwoViews(NamedTuple):
    """Expression of the same cells twice, each (n_cells, n_genes), and how much each augmentation changed."""

    first: Expression
    second: Expression
    logs: dict[str, Tensor]


class Views(nn.Module):
    """The composed augmentations, each applied to a random share of the cells."""

    def __init__(self, options: ViewOptions) -> None:
        super().__init__()
        built = [(c, build_augmentation(c.name, c.options)) for c in chosen_augmentations(options)]
        built.sort(key=lambda pair: ORDER.index(pair[1].acts_on))
        self.chosen = [chosen for chosen, _ in built]
        self.augmentations = nn.ModuleList([augmentation for _, augmentation in built])

    def prepare(self, train: Cells) -> None:
        """Fit every augmentation on training cells."""
        for augmentation in self.augmentations:
            assert isinstance(augmentation, Augmentation)
            augmentation.prepare(train)

    def two(self, cells: CellBatch, generator: torch.Generator) -> TwoViews:
        """Draw two views; `change_<augmentation>` is its realised |x' - x| relative to |x|, over both."""
        first, changes = self.one(cells, generator)
        second, more = self.one(cells, generator)
        logs = {f"change_{name}": (changes[name] + more[name]) / 2 for name in changes}
        return TwoViews(first, second, logs)

    def one(
        self, cells: CellBatch, generator: torch.Generator
    ) -> tuple[Expression, dict[str, Tensor]]:
        """Draw one view (n_cells, n_genes); also return the relative change by each augmentation, ()."""
        changes: dict[str, Tensor] = {}
        for chosen, augmentation in zip(self.chosen, self.augmentations, strict=True):
            x = _applied(augmentation, chosen, cells, generator)
            changes[chosen.name] = _relative_change(cells.x, x)
            cells = cells.seen_as(x)
        return cells.expression, changes


def _applied(
    augmentation: nn.Module,
    chosen: ChosenAugmentation,
    cells: CellBatch,
    generator: torch.Generator,
) -> Tensor:
    """Return x (n_cells, n_genes) changed in a random share `probability` of the cells.

    What was not measured stays 0, whatever an augmentation would put there.
    """
    x: Tensor = augmentation(cells, strength=chosen.strength, generator=generator)
    if cells.measured is not None:
        x = x * cells.measured
    drawn = torch.rand(len(x), 1, generator=generator, device=x.device)
    return x.where(drawn < chosen.probability, cells.x)


def _relative_change(before: Tensor, after: Tensor) -> Tensor:
    return (after - before).abs().sum() / before.abs().sum().clamp(min=1e-12)
