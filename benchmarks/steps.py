"""One optimisation step with loading, masking or noise: this project beside plain PyTorch Lightning, on one thread."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache, partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch

from benchmarks.bench_cells import ALL_GENES, bench_cells
from benchmarks.process_side import Endless, Pause, repeated, seconds_a_step
from benchmarks.rivals.lightning_contrastive import Contrastive
from benchmarks.rivals.lightning_mae import (
    DROPOUT,
    RATE,
    MaskedAutoencoder,
    Network,
    bernoulli_mask,
    plain_autoencoder,
    published_metrics,
    train,
    uniform_mask,
)
from benchmarks.side_by_side import Row, at_least, quartiles
from sslbench.config import TrainingOptions
from sslbench.data.cells import Cells
from sslbench.data.store import open_cells
from sslbench.encoders.base import build_encoder
from sslbench.heap import KEEP_FREED_MEMORY
from sslbench.pretext.base import Pretext, build_pretext
from sslbench.training import fit

GROUP, UNIT, OURS = "steps", "ms a step", "sslbench, memory-mapped store"
N_CELLS, STEPS = 4_096, {2_000: 10, ALL_GENES: 2}  # steps of one turn
GIVES_UP = 10**9  # updates, which are never reached
PUBLISHED = Network(
    name="published network",  # the encoder of Richter et al. 2024
    hidden=(512, 512, 256, 256),
    embedding_dim=64,
    norm="none",
    activation="selu",
    decoder_width=512,
    decoder_depth=2,
)
DEFAULT = Network(
    name="default network",
    hidden=(256, 256),
    embedding_dim=64,
    norm="layer",
    activation="gelu",
    decoder_width=256,
    decoder_depth=1,
)
AS_PUBLISHED = "Lightning + AnnLoader, as published"
VARIANTS = {
    AS_PUBLISHED: {"mask": bernoulli_mask, "metrics": published_metrics},
    "the same without metrics": {"mask": bernoulli_mask, "metrics": None},
    "without metrics, mask drawn cheaply": {"mask": uniform_mask, "metrics": None},
}
BEFOREHAND = "the other's values were normalised before and lie in memory, ours are read and normalised each time"
# What the published code does after each step, for one row that says so.
WITH_COLLECTION = {
    "as published, with its gc.collect() at each step": VARIANTS[AS_PUBLISHED]
    | {"after": gc.collect}
}
NOTES = {
    "as published, with its gc.collect() at each step": "a defect of that code, not of its method: no goal is set by it",
    AS_PUBLISHED: (
        "mask, loss and metrics (explained variance twice, squared error, over all genes at each step) as in "
        "the published code, whose gc.collect() at each step, 0.2-0.4 s more, is left out in its favour; "
        f"{BEFOREHAND}; the same layers, clipping and AdamW, which is fused here only; ours weighs a zero by its "
        "chance to be hidden, the same objective in expectation, and its process keeps freed memory, as a worker "
        "of a sweep does"
    ),
    "the same without metrics": "against ours: the metrics that the published code works out at each step are left out",
    "without metrics, mask drawn cheaply": "against ours: what is left of the plain way once metrics and distribution are taken out; its mask is still dense",
}
CEILING_NOTE = (
    "FLOPs of all dense products of the step (no gradient of the input) over its time, relative to one product "
    "n_cells x n_genes x 512 taken in turn with it; ours skips the zeros of the input, in its favour: more than "
    "100 % is possible; loading, mask, loss and AdamW are in the time, against it"
)
CONTRASTIVE_NOTE = (
    f"{BEFOREHAND}; the same encoder, projector, loss, clipping and AdamW (fused here only); both noises are "
    "NB(10, U), the other's drawn as published; ours also measures how much a view changes, against it"
)


@dataclass(frozen=True, kw_only=True)
class Work:
    """What both sides do: minibatches of the same cells through the same network."""

    network: Network
    n_genes: int
    minibatch: int

    def __str__(self) -> str:
        return f"{self.n_genes:,} genes, minibatch {self.minibatch}, {self.network.name}"

    @property
    def flops(self) -> float:
        """FLOPs of the dense matrix products of one step: forward, and twice that backward but for the input."""
        products = [
            2 * self.minibatch * n * m for n, m in pairwise(self.network.widths(self.n_genes))
        ]
        return 3 * sum(products) - products[0]


SIZES = {  # the goal of a masked step
    Work(network=PUBLISHED, n_genes=2_000, minibatch=256): 5.0,
    Work(network=PUBLISHED, n_genes=2_000, minibatch=128): 7.0,
    Work(network=DEFAULT, n_genes=2_000, minibatch=256): 5.0,
    Work(network=DEFAULT, n_genes=2_000, minibatch=128): 7.0,
    Work(network=PUBLISHED, n_genes=ALL_GENES, minibatch=512): 3.0,
}
SHARES = {2_000: 70, ALL_GENES: 85}  # goals: % of the ceiling
CONTRASTIVE_WORK, GOAL_CONTRASTIVE = Work(network=PUBLISHED, n_genes=ALL_GENES, minibatch=512), 4.0
MASKED = {"mask": "random", "mask_rate": RATE}


def our_pretext(work: Work, cells: Cells, name: str, options: Mapping[str, object]) -> Pretext:
    """Return a pretext task of this project with the encoder of `work`."""
    sizes = {
        "hidden": list(work.network.hidden),
        "embedding_dim": work.network.embedding_dim,
        "norm": work.network.norm,
        "activation": work.network.activation,
        "dropout": DROPOUT,
    }
    encoder = build_encoder("mlp", sizes, n_genes=cells.n_genes)
    return build_pretext(
        name, dict(options), encoder=encoder, genes=cells.genes, label_names=cells.label_names
    )


def decoder_options(network: Network) -> dict[str, object]:
    """Return the options of `masked` for a network."""
    sizes = {"decoder_width": network.decoder_width, "decoder_depth": network.decoder_depth}
    return MASKED | sizes


def ours(
    pause: Pause, *, work: Work, store: Path, name: str, options: Mapping[str, object]
) -> None:
    """Train for ever, as a trial does."""
    cells = open_cells(store, "train").at(np.arange(N_CELLS))
    pretext = our_pretext(work, cells, name, options)
    pretext.prepare(cells)

    def go_on(*_: object) -> bool:
        pause()
        return True

    training = TrainingOptions(
        minibatch_size=work.minibatch, max_updates=GIVES_UP, evaluate_every=pause.steps
    )
    fit(pretext, cells, training, seed=0, device="cpu", on_report=go_on)


@cache
def normalised_file(n_genes: int, n_cells: int = N_CELLS) -> Path:
    """Return the .h5ad of the cells, normalised, for the other sides."""
    bench = bench_cells(n_cells=n_cells, n_genes=n_genes)
    file = Path(bench.folder.name) / "normalised.h5ad"
    bench.normalised().write_h5ad(file)
    return file


def check_same(work: Work) -> None:
    """Raise ValueError if the two autoencoders are not the same function of their weights."""
    cells = bench_cells(n_cells=N_CELLS, n_genes=work.n_genes).cells
    masked = our_pretext(work, cells, "masked", decoder_options(work.network)).eval()
    plain = plain_autoencoder(work.network, work.n_genes).eval()
    x = cells.minibatch(np.arange(8)).x
    with torch.no_grad():
        for its, our in zip(plain.parameters(), masked.parameters(), strict=True):
            its.copy_(our)
        parts = masked.reconstruction
        ours_predicts = parts.head.output(parts.decoder(masked.encoder(x)))
        if not torch.allclose(plain(x), ours_predicts, rtol=1e-4, atol=1e-4):
            raise ValueError(f"the two networks differ: {work}")


def dense_product(work: Work) -> Callable[[], object]:
    """Return a dense product (n_cells, n_genes) x (n_genes, 512)."""
    x, weight = torch.rand(work.minibatch, work.n_genes), torch.rand(work.n_genes, 512)
    return partial(torch.mm, x, weight, out=torch.empty(work.minibatch, 512))


def masked_rows(work: Work, goal: float, rounds: int) -> Iterator[Row]:
    """Yield the rows of a masked step: beside plain Lightning, and beside the limit of the machine."""
    check_same(work)
    store, file = (
        bench_cells(n_cells=N_CELLS, n_genes=work.n_genes).store,
        normalised_file(work.n_genes),
    )
    sides: dict[str, Endless] = {
        OURS: partial(
            ours, work=work, store=store, name="masked", options=decoder_options(work.network)
        ),
        "dense product": partial(repeated, build=partial(dense_product, work)),
    }
    variants = VARIANTS | (WITH_COLLECTION if work == next(iter(SIZES)) else {})
    for name, variant in variants.items():
        build = partial(MaskedAutoencoder, network=work.network, **variant)
        sides[name] = partial(train, file=file, minibatch=work.minibatch, build=build)
    seconds = seconds_a_step(
        sides, rounds=rounds, steps=STEPS[work.n_genes], environments={OURS: KEEP_FREED_MEMORY}
    )
    for name in variants:
        row = row_of(f"masked step, {work}", seconds, (OURS, name), goal=goal, note=NOTES[name])
        yield row if name == AS_PUBLISHED else replace(row, goal="", met=None)
    if work.network == PUBLISHED:
        yield ceiling_row(work, seconds[OURS], seconds["dense product"])


def row_of(
    what: str, seconds: Mapping[str, np.ndarray], sides: tuple[str, str], *, goal: float, note: str
) -> Row:
    """Return the row of two sides that were measured, (rounds,) of each."""
    ours_ms, other_ms = (1e3 * seconds[name] for name in sides)
    return at_least(
        goal, group=GROUP, what=what, sides=sides, unit=UNIT, values=(ours_ms, other_ms), note=note
    )


def ceiling_row(work: Work, step: np.ndarray, product: np.ndarray) -> Row:
    """Return the row of the share of the machine's limit, from seconds (rounds,) of a step and of a product."""
    product_flops = 2 * work.minibatch * work.n_genes * 512
    share = work.flops / step / (product_flops / product)
    goal, middle = SHARES[work.n_genes], float(np.median(share))
    return Row(
        group=GROUP,
        what=f"masked step, {work}",
        ours=OURS,
        other="",
        unit="% of the dense-GEMM ceiling",
        our_value=100 * middle,
        other_value=float("nan"),
        ratio=quartiles(share),
        goal=f"≥ {goal} %",
        met=100 * middle >= goal,
        rounds=len(share),
        load=os.getloadavg()[0],
        note=CEILING_NOTE,
    )


def contrastive_row(work: Work, rounds: int) -> Row:
    """Return the row of a SimCLR step with negative-binomial noise on both views."""
    store, file = (
        bench_cells(n_cells=N_CELLS, n_genes=work.n_genes).store,
        normalised_file(work.n_genes),
    )
    noise = {"negative_binomial_noise": 0.2}
    other = "Lightning + AnnLoader, noise as published"
    sides: dict[str, Endless] = {
        OURS: partial(ours, work=work, store=store, name="simclr", options=noise),
        other: partial(
            train,
            file=file,
            minibatch=work.minibatch,
            build=partial(Contrastive, network=work.network),
        ),
    }
    seconds = seconds_a_step(
        sides, rounds=rounds, steps=STEPS[work.n_genes], environments={OURS: KEEP_FREED_MEMORY}
    )
    what, goal = f"contrastive step, {work}", GOAL_CONTRASTIVE
    return row_of(what, seconds, (OURS, other), goal=goal, note=CONTRASTIVE_NOTE)


def rows(rounds: int) -> Iterator[Row]:
    """Yield the rows of masked steps and of the contrastive step."""
    for work, goal in SIZES.items():
        yield from masked_rows(work, goal, rounds)
    yield contrastive_row(CONTRASTIVE_WORK, rounds)
