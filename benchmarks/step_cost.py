"""What one training step of each pretext task and encoder costs, relative to `masked` with an `mlp`.

All are prepared on the same synthetic cells, then take steps in turn in one process on one thread, so that a
busy machine slows all of them alike: ratios are taken round by round.

    python -m benchmarks.step_cost [--genes 2000] [--minibatch 128] [--rounds 15]
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable

import numpy as np
import torch
from scipy.sparse import csr_matrix

from sslbench.data.cells import Cells, CountsMatrix
from sslbench.data.synthetic import SyntheticDesign, synthetic_adata
from sslbench.encoders.base import build_encoder
from sslbench.pretext.base import build_pretext
from sslbench.registry import AUGMENTATIONS, ENCODERS, PRETEXTS
from sslbench.seeding import global_stream, torch_generator

WARM_UPS, STEPS_A_ROUND = 2, 10
BASE = "masked"
Step = Callable[[], None]


def synthetic_cells(n_genes: int) -> Cells:
    """Return 2,000 labelled cells of four donors."""
    adata = synthetic_adata(SyntheticDesign(n_cells=2_000, n_genes=n_genes, n_donors=4))
    names = tuple(sorted(set(adata.obs["cell_type"])))
    return Cells(
        counts=CountsMatrix.from_scipy(csr_matrix(adata.X)),
        row_ids=np.arange(adata.n_obs),
        genes=tuple(adata.var_names),
        label=np.array([names.index(t) for t in adata.obs["cell_type"]], dtype=np.int64),
        label_names=names,
        donor=adata.obs["donor"].to_numpy(dtype=str),
        batch=adata.obs["batch"].to_numpy(dtype=str),
    )


def step_of(
    cells: Cells, name: str, *, encoder: str, minibatch: int, options: dict[str, object]
) -> Step:
    """Return a function that takes one step: minibatch, loss, gradient, AdamW."""
    with global_stream(0, "init"):
        network = build_encoder(encoder, {}, n_genes=cells.n_genes)
        pretext = build_pretext(
            name, options, encoder=network, genes=cells.genes, label_names=cells.label_names
        )
    visible = cells if pretext.sees_labels else cells.without_labels()
    pretext.prepare(visible)
    pretext.train()
    optimiser = torch.optim.AdamW([p for p in pretext.parameters() if p.requires_grad], fused=True)
    order, drawn = np.random.default_rng(0), torch_generator(0, "masks")

    def step() -> None:
        batch = visible.minibatch(order.choice(len(visible), size=minibatch, replace=False))
        optimiser.zero_grad(set_to_none=True)
        pretext.loss(batch, drawn).value.backward()
        optimiser.step()
        pretext.after_step(progress=0.5)

    return step


def sides(cells: Cells, minibatch: int) -> dict[str, Step]:
    """Return everything that is compared: pretext tasks, encoders under `masked`, augmentations under `byol`."""
    found: dict[str, Step] = {}

    def add(label: str, name: str, encoder: str = "mlp", **options: object) -> None:
        found[label] = step_of(cells, name, encoder=encoder, minibatch=minibatch, options=options)

    for name in PRETEXTS.names():
        if not PRETEXTS.load(name).gradient_free:
            add(name, name)
    for encoder in sorted(set(ENCODERS.names()) - {"mlp"}):
        add(f"{BASE}, {encoder}", BASE, encoder)
    for augmentation in AUGMENTATIONS.names():
        side = {"programme_dropout_programmes": "coexpression"}
        options = side if augmentation == "programme_dropout" else {}
        add(f"byol, {augmentation}", "byol", **{augmentation: 0.3}, **options)
    return found


def measure(steps: dict[str, Step], rounds: int) -> dict[str, np.ndarray]:
    """Return the seconds of one step of each side, (rounds,), after the warm-ups."""
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(WARM_UPS + rounds):
        for name, step in steps.items():
            started = time.perf_counter()
            for _ in range(STEPS_A_ROUND):
                step()
            seconds[name].append((time.perf_counter() - started) / STEPS_A_ROUND)
    return {name: np.array(values[WARM_UPS:]) for name, values in seconds.items()}


def main() -> None:
    """Measure and print one table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--genes", type=int, default=2_000)
    parser.add_argument("--minibatch", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=15)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    seconds = measure(sides(synthetic_cells(asked.genes), asked.minibatch), asked.rounds)
    print(
        f"torch {torch.__version__}, {asked.genes} genes, minibatch {asked.minibatch}, one thread, "
        f"{asked.rounds} rounds of {STEPS_A_ROUND} steps, load {os.getloadavg()[0]:.1f}"
    )
    print(f"{'pretext task':<34} {'ms a step':>9}   relative to {BASE}: median (25-75 %)")
    for name, values in seconds.items():
        low, middle, high = np.percentile(values / seconds[BASE], [25, 50, 75])
        print(f"{name:<34} {1e3 * np.median(values):9.2f}   {middle:.2f} ({low:.2f}-{high:.2f})")


if __name__ == "__main__":
    main()
