"""Masked autoencoder: hide genes, reconstruct them from the rest."""

from __future__ import annotations

from typing import Any, Literal

import torch
from pydantic import Field, PositiveInt, model_validator
from torch import Tensor, nn

from sslbench.config import ComponentOptions
from sslbench.data.cells import CellBatch, Cells
from sslbench.data.gene_programmes import gene_programmes, tf_programmes
from sslbench.encoders.base import Encoder
from sslbench.pretext.base import Loss, Pretext
from sslbench.pretext.heads.base import build_head
from sslbench.pretext.masks.base import Mask
from sslbench.registry import HEADS, MASKS, PRETEXTS, defining_module

BUNDLED = {"gene": "immune", "tf": "tf_targets"}


class Options(ComponentOptions):
    """Which genes are hidden, how they are scored, and the decoder that is thrown away."""

    mask: str = Field("random", description="which genes are hidden; a name of `sslbench list`")
    mask_rate: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="fraction of genes hidden, for the masks that have a rate (there 0.5 if not given)",
    )
    mask_per: Literal["cell", "minibatch"] | None = Field(
        None, description="whether gene_programme draws for each cell or once a minibatch"
    )
    head: str = Field("mse", description="output and loss; a name of `sslbench list`")
    programmes: str = Field(
        "bundled",
        description="for the masks that use programmes: bundled, coexpression (found on training "
        "cells) or the path of a .gmt file",
    )
    decoder_width: PositiveInt = Field(256, description="units of each hidden layer of the decoder")
    decoder_depth: int = Field(1, ge=0, le=16, description="hidden layers of the decoder")

    @model_validator(mode="before")
    @classmethod
    def _fit_to_mask(cls, given: Any) -> Any:
        """Check the names, refuse what the mask does not have and write its defaults out."""
        given = dict(given)
        mask = given.get("mask", cls.model_fields["mask"].default)
        fields = MASKS.options(mask).model_fields
        HEADS.check(given.get("head", cls.model_fields["head"].default))
        for option in ("mask_rate", "mask_per"):
            field = fields.get(option.removeprefix("mask_"))
            if given.get(option) is None:
                given[option] = field.default if field else None
            elif field is None:
                raise ValueError(
                    f"mask {mask!r} has no {option}, got {option}={given[option]}; "
                    f"leave {option} out or choose a mask that has one"
                )
        return given


@PRETEXTS.register
class Masked(Pretext):
    """Encoder of what is visible → decoder → head, scored on what the mask says.

    Source: He et al., "Masked autoencoders are scalable vision learners", 2021, arXiv 2111.06377; on
    expression: Richter et al. 2024, doi 10.1038/s42256-024-00934-3.
    """

    regime = "self-supervised"
    programmes: Tensor | None  # (n_programmes, n_genes) bool
    tf_genes: Tensor | None  # (n_programmes,) int64

    def __init__(
        self,
        options: Options,
        *,
        encoder: Encoder,
        genes: tuple[str, ...],
        label_names: tuple[str, ...],
    ) -> None:
        super().__init__(encoder)
        self.mask_function = MASKS.load(options.mask)
        self.mask_options = _mask_options(options)
        self.needs = defining_module(self.mask_function).NEEDS
        self.source = options.programmes
        self.decoder, n_inputs = _decoder(options, embedding_dim=encoder.embedding_dim)
        self.head = build_head(options.head, n_inputs=n_inputs, n_genes=len(genes))
        self.register_buffer("programmes", None)
        self.register_buffer("tf_genes", None)

    def prepare(self, train: Cells) -> None:
        """Read, or find on training cells, the programmes that the mask needs."""
        device = next(self.parameters()).device
        source = BUNDLED.get(self.needs, "") if self.source == "bundled" else self.source
        if self.needs == "gene":
            programmes = gene_programmes(source, train=train)
            self.programmes = torch.from_numpy(programmes.matrix).to(device)
        elif self.needs == "tf":
            of_tf = tf_programmes(source, train=train)
            self.programmes = torch.from_numpy(of_tf.matrix).to(device)
            self.tf_genes = torch.from_numpy(of_tf.tf_genes).to(device)

    def loss(self, minibatch: CellBatch, generator: torch.Generator) -> Loss:
        """Return the reconstruction loss over the scored genes, and the fraction of genes hidden."""
        mask = self.mask(minibatch.x, generator)
        decoded = self.decoder(self.encoder(minibatch.x.masked_fill(mask.hidden, 0.0)))
        value = self.head.loss(decoded, minibatch, mask.scored)
        return Loss(value, {"hidden_fraction": mask.hidden.float().mean()})

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


def _mask_options(options: Options) -> ComponentOptions:
    """Return the mask's own options; `Options` has already refused what the mask does not have."""
    given = {"rate": options.mask_rate, "per": options.mask_per}
    named = {key: value for key, value in given.items() if value is not None}
    checked: ComponentOptions = defining_module(MASKS.load(options.mask)).Options(**named)
    return checked


def _decoder(options: Options, *, embedding_dim: int) -> tuple[nn.Sequential, int]:
    """Return the hidden layers between the embedding and the head, and how many units the last has."""
    layers: list[nn.Module] = []
    n_inputs = embedding_dim
    for _ in range(options.decoder_depth):
        layers += [nn.Linear(n_inputs, options.decoder_width), nn.GELU()]
        n_inputs = options.decoder_width
    return nn.Sequential(*layers), n_inputs
