"""Deep generative baseline: scVI, trained by scvi-tools (an optional extra) and kept as a plain encoder."""

from __future__ import annotations

import logging
import warnings
from typing import Literal

import numpy as np
import torch
from pydantic import Field
from torch import nn

from sslbench.config import ComponentOptions
from sslbench.data.as_anndata import BATCH, as_anndata
from sslbench.data.cells import CellBatch, Cells
from sslbench.encoders.base import Encoder
from sslbench.pretext._components import refuse_other_encoders
from sslbench.pretext._extras import refuse_missing_package
from sslbench.pretext.base import Loss, Pretext
from sslbench.registry import PRETEXTS
from sslbench.seeding import global_stream

MINIBATCH = 128  # scvi-tools' own
REHEARSED = 256  # cells on which one epoch shows whether training can be done


class Options(ComponentOptions):
    """What scvi-tools lets be chosen beside the encoder; its words and defaults."""

    gene_likelihood: Literal["zinb", "nb", "poisson"] = Field(
        "zinb", description="distribution of the counts"
    )
    learning_rate: float = Field(0.001, gt=0, le=1, description="of Adam")
    max_epochs: int | None = Field(
        None,
        ge=1,
        le=10_000,
        description="passes over the training cells; null: 400, and fewer above 20,000 cells",
    )


@PRETEXTS.register
class Scvi(Pretext):
    """Trains `scvi.model.SCVI` on raw counts of training cells, with their batches, and keeps its encoder alone.

    The loop, the optimiser and the warm-up of the KL term are those of scvi-tools, so that `training` of a sweep
    says nothing here; every training cell is trained on, and nothing is stopped early. What is kept gives the mean
    that `get_latent_representation` gives, and needs no scvi-tools.
    Source: Lopez et al. 2018, doi 10.1038/s41592-018-0229-2.
    """

    regime = "unsupervised"
    gradient_free = True  # of this project's loop

    def __init__(
        self,
        options: Options,
        *,
        encoder: Encoder,
        genes: tuple[str, ...],
        label_names: tuple[str, ...],
    ) -> None:
        """Raise SetupError S061 if scvi-tools is not installed."""
        refuse_missing_package("scvi", package="scvi-tools", task="scvi")
        refuse_other_encoders(encoder, task="scvi", names=("scvi",))
        super().__init__(encoder)
        self.options = options
        self.seed = int(torch.randint(2**31, ()))  # from the trial's stream, as weights are

    def prepare(self, train: Cells) -> None:
        """Train scVI on `train`, and copy the weights of its encoder."""
        copy_weights(self._trained(train, max_epochs=self.options.max_epochs), self.encoder)

    def rehearse(self, train: Cells) -> None:
        """Train for one epoch on a few cells: more would cost what a trial costs."""
        self._trained(train.at(np.arange(min(len(train), REHEARSED))), max_epochs=1)

    def loss(self, minibatch: CellBatch, generator: torch.Generator) -> Loss:
        """Raise: scvi-tools has a loop of its own."""
        raise RuntimeError("scvi has no loss; prepare(train) trains it (gradient_free)")

    def _trained(self, train: Cells, *, max_epochs: int | None) -> nn.Module:
        """Return scVI's module of encoder and decoder; torch's global stream is put back."""
        from scvi.model import SCVI

        for talkative in ("scvi", "lightning.pytorch"):
            logging.getLogger(talkative).setLevel(logging.WARNING)
        adata = as_anndata(train)
        SCVI.setup_anndata(adata, batch_key=BATCH)
        device = next(self.encoder.parameters()).device
        with global_stream(self.seed, "scvi"), warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="lightning")  # advice on loaders and loggers
            model = SCVI(
                adata, gene_likelihood=self.options.gene_likelihood, **architecture(self.encoder)
            )
            model.train(
                max_epochs=max_epochs,
                accelerator="gpu" if device.type == "cuda" else "cpu",
                devices=[device.index or 0] if device.type == "cuda" else 1,
                train_size=1.0,
                shuffle_set_split=False,  # else it is drawn from another stream
                batch_size=minibatch_size(len(train)),
                plan_kwargs={"lr": self.options.learning_rate},
                benchmark=False,
                enable_progress_bar=False,
            )
        module: nn.Module = model.module
        return module


def minibatch_size(n_cells: int) -> int:
    """Return the size nearest to scvi-tools' own that leaves no cell alone: batch normalisation needs two."""
    return next(size for size in range(MINIBATCH, 1, -1) if n_cells % size != 1)


def architecture(encoder: Encoder) -> dict[str, float]:
    """Return scVI's words for the shape of an encoder `scvi`."""
    first, *_, last = [m for m in encoder.modules() if isinstance(m, nn.Linear)]
    dropout = [m for m in encoder.modules() if isinstance(m, nn.Dropout)]
    return {
        "n_hidden": first.out_features,
        "n_layers": len(dropout),
        "n_latent": last.out_features,
        "dropout_rate": dropout[0].p,
    }


def copy_weights(module: nn.Module, encoder: Encoder) -> None:
    """Copy the layers that lead from counts to the mean of q(z|x), in their order; that to its variance is left."""
    z_encoder = module.get_submodule("z_encoder")
    theirs = [*_layers(z_encoder.get_submodule("encoder")), z_encoder.get_submodule("mean_encoder")]
    for ours, their in zip(_layers(encoder), theirs, strict=True):
        ours.load_state_dict(their.state_dict())


def _layers(network: nn.Module) -> list[nn.Module]:
    return [m for m in network.modules() if isinstance(m, nn.Linear | nn.BatchNorm1d)]
