"""The masked autoencoder that everybody writes first: PyTorch Lightning, AnnLoader, dense layers, dense masks.

Loss, mask and metrics at every step are those of Richter et al. 2024, doi 10.1038/s42256-024-00934-3; their garbage
collection at every step only where a row says so; their upscaling of what is visible is not here.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import anndata
import lightning
import torch
from anndata.experimental import AnnCollection, AnnLoader
from lightning import LightningModule, Trainer
from torch import Tensor, nn
from torch.nn.functional import mse_loss
from torch.utils.data import RandomSampler
from torchmetrics import ExplainedVariance, MeanSquaredError, MetricCollection

from benchmarks.process_side import Pause

WITHOUT_END = 10**9  # steps, and cells of the one epoch: a side is never done
RATE, DROPOUT = 0.5, 0.1
ACTIVATIONS = {"selu": nn.SELU, "gelu": nn.GELU}


@dataclass(frozen=True, kw_only=True)
class Network:
    """The sizes of an encoder and of the decoder behind it."""

    name: str
    hidden: tuple[int, ...]  # units of the encoder's hidden layers
    embedding_dim: int
    norm: str  # "layer" or "none": before each hidden activation of the encoder
    activation: str  # of the encoder; the decoder's is GELU
    decoder_width: int
    decoder_depth: int

    def widths(self, n_genes: int) -> tuple[int, ...]:
        """Return inputs and outputs of all linear layers in turn, from the genes to the genes."""
        decoder = (self.decoder_width,) * self.decoder_depth
        return (n_genes, *self.hidden, self.embedding_dim, *decoder, n_genes)


def plain_encoder(network: Network, n_genes: int) -> nn.Sequential:
    """Return the encoder (n_cells, n_genes) → (n_cells, embedding_dim) in modules of torch."""
    layers: list[nn.Module] = []
    for n_inputs, n_outputs in pairwise((n_genes, *network.hidden)):
        norm = [nn.LayerNorm(n_outputs)] if network.norm == "layer" else []
        activation = ACTIVATIONS[network.activation]()
        layers += [nn.Linear(n_inputs, n_outputs), *norm, activation, nn.Dropout(DROPOUT)]
    return nn.Sequential(*layers, nn.Linear(network.hidden[-1], network.embedding_dim))


def plain_autoencoder(network: Network, n_genes: int) -> nn.Sequential:
    """Return encoder and decoder, (n_cells, n_genes) → (n_cells, n_genes), in modules of torch."""
    widths = (network.embedding_dim, *(network.decoder_width,) * network.decoder_depth)
    decoder: list[nn.Module] = []
    for n_inputs, n_outputs in pairwise(widths):
        decoder += [nn.Linear(n_inputs, n_outputs), nn.GELU()]
    return nn.Sequential(plain_encoder(network, n_genes), *decoder, nn.Linear(widths[-1], n_genes))


def bernoulli_mask(x: Tensor) -> Tensor:
    """Return which entries of x (n_cells, n_genes) are hidden, drawn as published."""
    return torch.distributions.Bernoulli(probs=RATE).sample(x.shape).bool()


def uniform_mask(x: Tensor) -> Tensor:
    """Return which entries of x (n_cells, n_genes) are hidden, drawn the cheaper way."""
    return torch.rand_like(x) < RATE


def published_metrics() -> MetricCollection:
    """Return what the published code works out over all genes at every step."""
    return MetricCollection(
        {
            "explained_var_weighted": ExplainedVariance(multioutput="variance_weighted"),
            "explained_var_uniform": ExplainedVariance(multioutput="uniform_average"),
            "mse": MeanSquaredError(),
        }
    )


class TrainedModule(LightningModule):
    """What every module here has: AdamW as torch has it by default."""

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters(), lr=1e-3, weight_decay=0.01)


class MaskedAutoencoder(TrainedModule):
    """Mean squared error of the hidden entries, and metrics of all entries."""

    def __init__(
        self,
        n_genes: int,
        *,
        network: Network,
        mask: Callable[[Tensor], Tensor],
        metrics: Callable[[], MetricCollection] | None,
        after: Callable[[], object] = lambda: None,
    ) -> None:
        super().__init__()
        self.network = plain_autoencoder(network, n_genes)
        self.mask = mask
        self.metrics = metrics() if metrics else None
        self.after = after

    def training_step(self, minibatch: AnnCollection, _: int) -> Tensor:
        x = minibatch.X
        hidden = self.mask(x)
        predicted = self.network(x.masked_fill(hidden, 0.0))
        loss = (mse_loss(predicted, x, reduction="none") * hidden).sum() / hidden.sum()
        if self.metrics is not None:
            scores = self.metrics(predicted, x)
            self.log_dict(scores, on_step=True, on_epoch=True, batch_size=len(x))
        self.log("train_loss", loss, on_step=True, on_epoch=True, batch_size=len(x))
        self.after()
        return loss


class PauseAfterSteps(lightning.Callback):
    """Waits between two steps until it is this side's turn."""

    def __init__(self, pause: Pause) -> None:
        self.pause = pause

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: object, batch: object, index: int
    ) -> None:
        if (index + 1) % self.pause.steps == 0:
            self.pause()


def train(
    pause: Pause,
    *,
    file: Path,
    minibatch: int,
    build: Callable[[int], LightningModule],
    accelerator: str = "cpu",
) -> None:
    """Train for ever on an .h5ad of normalised expression, in memory; the loader is in this process."""
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.simplefilter("ignore")  # anndata advises annbatch, Lightning advises more workers
    adata = anndata.read_h5ad(file)
    sampler = RandomSampler(range(adata.n_obs), num_samples=WITHOUT_END)
    loader = AnnLoader(adata, batch_size=minibatch, sampler=sampler, drop_last=True)
    Trainer(
        max_steps=WITHOUT_END,
        accelerator=accelerator,
        gradient_clip_val=1.0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[PauseAfterSteps(pause)],
    ).fit(build(adata.n_vars), loader)
