"""What a trial adds to the private memory of a worker that has loaded torch and Ray and waits.

    python -m benchmarks.worker_memory STORE OUT.json

Two workers run trials at once, as in a sweep, so that pages of libraries which both map count for neither.
"""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path
from types import TracebackType

from sslbench.config import TrialConfig
from sslbench.search.cluster import cluster

N_WORKERS, N_TRIALS, SAMPLE_SECONDS = 2, 3, 0.02
STATES = 3  # float32 values a parameter: its own, and two of AdamW


def private_bytes() -> int:
    """Return the memory that this process shares with no other: what its end would free."""
    lines = Path("/proc/self/smaps_rollup").read_text(encoding="utf-8").splitlines()
    private = [line.split()[1] for line in lines if line.startswith("Private_")]
    return 1024 * sum(map(int, private))


class Peak:
    """The most private memory while the block runs, looked at every few milliseconds."""

    def __init__(self) -> None:
        self.bytes = private_bytes()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Peak:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(SAMPLE_SECONDS):
            self.bytes = max(self.bytes, private_bytes())


class Worker:
    """A Ray worker, first idle and then at work."""

    def idle(self) -> int:
        """Return the private memory with torch and Ray Tune loaded and one product done."""
        import torch
        from ray import tune  # noqa: F401

        torch.set_num_threads(1)
        torch.ones(64, 64) @ torch.ones(64, 64)
        return private_bytes()

    def optimiser(self) -> int:
        """Return the same with the first optimiser built, for which torch loads its compiler."""
        import torch

        torch.optim.AdamW(torch.nn.Linear(1, 1).parameters())
        return private_bytes()

    def trials(self, store: str, config: TrialConfig) -> int:
        """Run trials one after the other, as a worker that is used again; return the peak."""
        from sslbench.trial import run_trial

        with Peak() as peak:
            for _ in range(N_TRIALS):
                run_trial(config, store=Path(store), workdir=Path(), report=lambda _: None)
        return peak.bytes


def masked_trial() -> TrialConfig:
    """Return a trial of `masked` with the network of all defaults."""
    return TrialConfig.model_validate(
        {
            "dataset": {"name": "cells"},
            "pretext": {"name": "masked"},
            "encoder": {"name": "mlp"},
            "evaluation": [{"name": "knn"}],
            "training": {"max_updates": 60, "evaluate_every": 20},
        }
    )


def model_and_optimiser_bytes(store: Path, config: TrialConfig) -> int:
    """Return the size of weights and AdamW's moments of what a trial trains, decoder included."""
    from sslbench.data.store import open_cells
    from sslbench.pretraining import build

    pretext = build(config, open_cells(store, "train"), device="cpu")
    return 4 * STATES * sum(p.numel() for p in pretext.parameters())


def measured(store: Path) -> dict[str, int]:
    """Return bytes: of model and optimiser, and what the worker that grew most has gained, by all and by torch's compiler."""
    config = masked_trial()
    with cluster():
        import ray

        workers = [ray.remote(num_cpus=0)(Worker).remote() for _ in range(N_WORKERS)]
        ray.get([worker.idle.remote() for worker in workers])
        idle = ray.get([worker.idle.remote() for worker in workers])
        compiler = ray.get([worker.optimiser.remote() for worker in workers])
        peak = ray.get([worker.trials.remote(str(store), config) for worker in workers])
    return {
        "extra": most_gained(idle, peak),
        "of_compiler": most_gained(idle, compiler),
        "model_and_optimiser": model_and_optimiser_bytes(store, config),
    }


def most_gained(before: list[int], after: list[int]) -> int:
    """Return the largest difference of a worker."""
    return max(late - early for early, late in zip(before, after, strict=True))


if __name__ == "__main__":
    from benchmarks import worker_memory  # workers import what they run by this name

    store, out = map(Path, sys.argv[1:])
    out.write_text(json.dumps(worker_memory.measured(store)), encoding="utf-8")
