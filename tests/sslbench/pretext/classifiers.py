"""Cells and fitted classifiers for the tests of baselines that have no embedding of their own."""

from dataclasses import replace

import numpy as np
import torch

from sslbench.data.cells import Cells
from sslbench.encoders.base import build_encoder, embed_cells, embed_rows
from sslbench.pretext.base import Pretext, build_pretext
from sslbench.seeding import global_stream
from tests.factories import synthetic_cells

UNSEEN = 2  # a label of the fixed set that no training cell has


def two_donors(*, n_types: int = 4) -> tuple[Cells, Cells]:
    """Training cells and others, of overlapping types; a tenth of the training cells has no label."""
    everyone = synthetic_cells(n_cells=400, n_types=n_types, n_donors=2, type_effect=0.6)
    train, other = (
        everyone.at(np.flatnonzero(everyone.donor == d)) for d in sorted(set(everyone.donor))
    )
    assert train.label is not None
    hidden = np.random.default_rng(0).random(len(train)) < 0.1
    return replace(train, label=np.where(hidden, -1, train.label)), other


def without_type(cells: Cells, code: int) -> Cells:
    """The cells without those of one type."""
    assert cells.label is not None
    return cells.at(np.flatnonzero(cells.label != code))


def fitted(name: str, train: Cells, *, encoder: str = "identity", seed: int = 0, dim: int = 8, **options: object) -> Pretext:  # fmt: skip
    """The task fitted as a trial fits it: built in the stream of its seed."""
    with global_stream(seed, "init"):
        given = {"embedding_dim": dim} if encoder != "identity" else {}
        network = build_encoder(encoder, given, n_genes=train.n_genes)
        pretext = build_pretext(
            name, options, encoder=network, genes=train.genes, label_names=train.label_names
        )
    pretext.prepare(train)
    return pretext


def logits_of(pretext: Pretext, cells: Cells) -> np.ndarray:
    """What the task's classifier says of cells, as the protocol `head` reads it."""
    assert pretext.classifier is not None
    z = embed_cells(pretext.encoder, cells)
    return embed_rows(pretext.classifier, z, device="cpu").astype(np.float64)


def probabilities(pretext: Pretext, cells: Cells) -> np.ndarray:
    """Softmax of the logits."""
    return torch.softmax(torch.from_numpy(logits_of(pretext, cells)), dim=1).numpy()


def labelled(cells: Cells) -> tuple[np.ndarray, np.ndarray]:
    """Expression (n, n_genes) float64 and codes (n,) of the labelled cells."""
    assert cells.label is not None
    known = np.flatnonzero(cells.label >= 0)
    return expression(cells)[known], cells.label[known]


def expression(cells: Cells) -> np.ndarray:
    """Normalised expression (n_cells, n_genes) float64."""
    return cells.minibatch(np.arange(len(cells))).x.numpy().astype(np.float64)
