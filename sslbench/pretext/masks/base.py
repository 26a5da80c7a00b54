"""The contract of a mask: which genes the encoder does not see, and which the loss looks at."""

from __future__ import annotations

from typing import Literal, NamedTuple, Protocol

import torch
from torch import Tensor

from sslbench.config import ComponentOptions

Needs = Literal["gene", "tf"] | None


class Mask(NamedTuple):
    """`hidden` and `scored`, both (n_cells, n_genes).

    `hidden` is boolean; `scored` is boolean too, or weights with the same expectation.
    """

    hidden: Tensor
    scored: Tensor


class MaskFunction(Protocol):
    """A registered mask: a function of expression, its own options and the programmes it may use.

    Its module says what it needs: `NEEDS: Needs = None` (nothing), `"gene"` (gene programmes) or `"tf"`
    (the targets of transcription factors). `programmes` is a boolean matrix (n_programmes, n_genes), or
    None where nothing is needed; `tf_genes` gives, for TF programmes only, the column of each
    programme's own transcription factor, (n_programmes,) int64. Every draw comes from `generator`.
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
