"""The contract of a mask: which genes the encoder does not see, and which the loss looks at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

import torch
from torch import Tensor

from sslbench.config import ComponentOptions
from sslbench.data.packed import PackedRows, Pattern

Needs = Literal["gene", "tf"] | None


class Mask(NamedTuple):
    """`hidden` and `scored`, both (n_cells, n_genes).

    `hidden` is boolean; `scored` is boolean too, or weights with the same expectation.
    """

    hidden: Tensor
    scored: Tensor


@dataclass(frozen=True, kw_only=True)
class PackedWeights:
    """Weights (n_cells, n_genes) of a loss: one for each place that a pattern lists, and one for all others."""

    pattern: Pattern
    listed: Tensor  # (n_non_zeros,) float32
    elsewhere: float  # above 0

    def dense(self) -> Tensor:
        """Return the weights (n_cells, n_genes)."""
        return PackedRows(pattern=self.pattern, value=self.listed).dense(elsewhere=self.elsewhere)

    def total(self) -> Tensor:
        """Return the sum () of all weights."""
        n_cells, n_genes = self.pattern.shape
        return self.listed.sum() + self.elsewhere * (n_cells * n_genes - len(self.listed))

    def mean(self) -> Tensor:
        """Return the mean weight ()."""
        n_cells, n_genes = self.pattern.shape
        return self.total() / (n_cells * n_genes)


class PackedMask(NamedTuple):
    """A mask of packed rows, drawn for what they list: to hide a zero changes nothing for the encoder."""

    hidden: Tensor  # (n_non_zeros,) bool
    scored: PackedWeights


Scored = Tensor | PackedWeights


class MaskFunction(Protocol):
    """A registered mask: a function of expression, its own options and the programmes it may use.

    Its module says what it needs: `NEEDS: Needs = None` (nothing), `"gene"` (gene programmes) or `"tf"`
    (the targets of transcription factors). `programmes` is a boolean matrix (n_programmes, n_genes), or
    None where nothing is needed; `tf_genes` gives, for TF programmes only, the column of each
    programme's own transcription factor, (n_programmes,) int64. Every draw comes from `generator`.

    Where a zero is hidden independently of everything else, the module may also define
    `of_non_zeros(x: PackedRows, *, options, generator) -> PackedMask`: the same mask in expectation.
    """

    def __call__(
        self,
        x: Tensor,
        *,
        options: ComponentOptions,
        programmes: Tensor | None,
        tf_genes: Tensor | None,
        generator: torch.Generator,
    ) -> Mask:
        """Return what is hidden from the encoder and what the loss scores for x (n_cells, n_genes)."""
        ...
