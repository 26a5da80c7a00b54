"""What hides genes and reconstructs them: a mask, a decoder and a head, behind any encoder."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from sslbench.config import ComponentOptions
from sslbench.data.cells import CellBatch, Cells
from sslbench.data.gene_programmes import gene_programmes, tf_programmes
from sslbench.data.packed import Expression, PackedRows
from sslbench.encoders.base import Encoder, embed_expression
from sslbench.pretext._options import MaskOptions
from sslbench.pretext.heads.base import build_head
from sslbench.pretext.masks.base import Mask, Scored
from sslbench.registry import MASKS, defining_module


class Hidden(NamedTuple):
    """What is left to see of a minibatch, and what the loss looks at."""

    visible: Expression  # (n_cells, n_genes), hidden genes 0
    scored: Scored  # (n_cells, n_genes)
    fraction: Tensor  # (): of the entries that are hidden


class Reconstruction(nn.Module):
    """Draws the mask, and scores what the decoder makes of the encoder's view of the rest."""

    programmes: Tensor | None  # (n_programmes, n_genes) bool
    tf_genes: Tensor | None  # (n_programmes,) int64

    def __init__(self, options: MaskOptions, *, embedding_dim: int, n_genes: int) -> None:
        super().__init__()
        self.mask_function = MASKS.load(options.mask)
        self.mask_options = _mask_options(options)
        module = defining_module(self.mask_function)
        self.needs, self.mask_non_zeros = module.NEEDS, getattr(module, "of_non_zeros", None)
        self.source = options.programmes
        self.decoder, n_inputs = _decoder(options, embedding_dim=embedding_dim)
        given = {} if options.head_fraction is None else {"fraction": options.head_fraction}
        self.head = build_head(options.head, given, n_inputs=n_inputs, n_genes=n_genes)
        self.register_buffer("programmes", None)
        self.register_buffer("tf_genes", None)

    def prepare(self, train: Cells) -> None:
        """Read, or find on training cells, the programmes that the mask needs."""
        device = next(self.parameters()).device
        if self.needs == "gene":
            programmes = gene_programmes(self.source, train=train)
            self.programmes = torch.from_numpy(programmes.matrix).to(device)
        elif self.needs == "tf":
            of_tf = tf_programmes(self.source, train=train)
            self.programmes = torch.from_numpy(of_tf.matrix).to(device)
            self.tf_genes = torch.from_numpy(of_tf.tf_genes).to(device)

    def hide(self, minibatch: CellBatch, generator: torch.Generator) -> Hidden:
        """Draw a mask and apply it; programmes must have been prepared."""
        x = minibatch.expression
        if minibatch.measured is not None:
            return self._hide_measured(minibatch, minibatch.measured, generator)
        if isinstance(x, PackedRows) and self.mask_non_zeros is not None:
            hidden, scored = self.mask_non_zeros(x, options=self.mask_options, generator=generator)
            return Hidden(x.only(~hidden), scored, scored.mean())
        mask = self.mask(minibatch.x, generator)
        visible = minibatch.x.masked_fill(mask.hidden, 0.0)
        return Hidden(visible, mask.scored, mask.hidden.float().mean())

    def _hide_measured(
        self, minibatch: CellBatch, measured: Tensor, generator: torch.Generator
    ) -> Hidden:
        """Hide and score only what was measured, (n_cells, n_genes) bool: another zero says nothing."""
        mask = self.mask(minibatch.x, generator)
        hidden = mask.hidden & measured
        visible = minibatch.x.masked_fill(hidden, 0.0)
        fraction = hidden.sum() / measured.sum().clamp(min=1)
        return Hidden(visible, mask.scored * measured, fraction)

    def mask(self, x: Tensor, generator: torch.Generator) -> Mask:
        """Draw the mask of x (n_cells, n_genes); programmes must have been prepared."""
        if self.needs is not None and self.programmes is None:
            raise RuntimeError("the mask needs programmes; call prepare(train) before loss(…)")
        drawn: Mask = self.mask_function(
            x,
            options=self.mask_options,
            programmes=self.programmes,
            tf_genes=self.tf_genes,
            generator=generator,
        )
        return drawn

    def loss(self, z: Tensor, minibatch: CellBatch, scored: Scored) -> Tensor:
        """Return the head's mean loss () over the scored entries.

        `z` (n_cells, embedding_dim) is what the encoder made of the visible genes, `minibatch` the cells
        as they are, `scored` (n_cells, n_genes) boolean or weights.
        """
        decoded = self.decoder(z)
        if isinstance(scored, Tensor):
            return self.head.loss(decoded, minibatch, scored)
        return self.head.packed_loss(decoded, minibatch, scored)

    def expected(self, encoder: Encoder, minibatch: CellBatch) -> Tensor:
        """Return the expression (n_cells, n_genes) expected of cells of which nothing is hidden.

        In eval mode and without gradients; the modes are put back.
        """
        z = embed_expression(encoder, minibatch.expression)
        decoded = embed_expression(self.decoder, z)
        with torch.inference_mode():
            return self.head.expression(decoded, minibatch)


def _mask_options(options: MaskOptions) -> ComponentOptions:
    """Return the mask's own options; `MaskOptions` has already refused what the mask does not have."""
    given = {"rate": options.mask_rate, "per": options.mask_per}
    named = {key: value for key, value in given.items() if value is not None}
    checked: ComponentOptions = defining_module(MASKS.load(options.mask)).Options(**named)
    return checked


def _decoder(options: MaskOptions, *, embedding_dim: int) -> tuple[nn.Sequential, int]:
    """Return the hidden layers between the embedding and the head, and how many units the last has."""
    layers: list[nn.Module] = []
    n_inputs = embedding_dim
    for _ in range(options.decoder_depth):
        layers += [nn.Linear(n_inputs, options.decoder_width), nn.GELU()]
        n_inputs = options.decoder_width
    return nn.Sequential(*layers), n_inputs
