"""What this machine can do at most, on one thread: dense matrix products and copies in memory."""

from __future__ import annotations

import numpy as np
import torch

from benchmarks.side_by_side import ROUNDS, seconds_of

SHAPES = ((256, 2_000, 512), (512, 19_331, 512))  # (n_cells, n_genes, width) of a first layer
COPIED_BYTES = 256_000_000


def gemm_gflops(n_cells: int, n_genes: int, width: int) -> float:
    """Return GFLOP/s of a dense float32 product (n_cells, n_genes) x (n_genes, width), median of rounds."""
    x, weight = torch.rand(n_cells, n_genes), torch.rand(n_genes, width)
    product = torch.empty(n_cells, width)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    seconds = seconds_of({"product": lambda: torch.mm(x, weight, out=product)}, rounds=ROUNDS)
    torch.set_num_threads(threads)
    return 2e-9 * n_cells * n_genes * width / float(np.median(seconds["product"]))


def copy_gbytes() -> float:
    """Return GB/s of a copy of 256 MB in memory, bytes read and bytes written both counted."""
    source = np.ones(COPIED_BYTES, dtype=np.uint8)
    target = np.zeros_like(source)
    seconds = seconds_of({"copy": lambda: np.copyto(target, source)}, rounds=ROUNDS)
    return 2e-9 * COPIED_BYTES / float(np.median(seconds["copy"]))


def ceilings() -> dict[str, str]:
    """Return what the header of a run says of the machine's limits."""
    found = {
        f"dense product {n_cells} x {n_genes:,} x {width}": (
            f"{gemm_gflops(n_cells, n_genes, width):.0f} GFLOP/s (float32, one thread)"
        )
        for n_cells, n_genes, width in SHAPES
    }
    return found | {"copy in memory": f"{copy_gbytes():.1f} GB/s (read and written, one thread)"}
