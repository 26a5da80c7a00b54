"""The sweep that both sides run: the same cells, space, number of configurations and rule of stopping."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

SLOTS = 2  # trials at a time, one thread each
ARM = "mae"
NEVER_STALE = 10_000  # reports without a better score: only halving stops a trial
LEARNING_RATE, WEIGHT_DECAY = (1.0e-4, 1.0e-2), (1.0e-4, 1.0e-1)
MASK_RATE, EMBEDDING_DIMS = (
    (0.1, 0.9),
    (16, 32, 64),
)  # none of the four changes the cost of a step much


@dataclass(frozen=True, kw_only=True)
class SearchTask:
    """What is searched on which cells, and the budget."""

    file: str  # .h5ad with raw counts
    train_donors: tuple[str, ...]
    val_donors: tuple[str, ...]
    n_trials: int
    max_updates: int
    evaluate_every: int
    first_rung: int
    reduction_factor: int
    minibatch_size: int = 128
    seed: int = 0

    @property
    def full_updates(self) -> int:
        """Updates of all trials together if none is stopped."""
        return self.n_trials * self.max_updates

    def empty(self, *, n_trials: int) -> SearchTask:
        """Return the same with trials of one update and one report: what is left of them is their fixed cost."""
        return replace(self, n_trials=n_trials, max_updates=1, evaluate_every=1)

    def write(self, path: Path) -> None:
        """Write the task as JSON."""
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")


def read_task(path: Path) -> SearchTask:
    """Return the task that was written to `path`."""
    return SearchTask(**json.loads(path.read_text(encoding="utf-8")))


def sweep_document(task: SearchTask) -> dict[str, Any]:
    """Return the sweep file of this project; the supervised arm that it insists on is one update, as one trial."""
    knn = "val/knn/macro_f1"
    return {
        "question": "What does a sweep cost?",
        "dataset": {"name": "cells"},
        "objective": {"metric": knn, "mode": "max"},
        "budget": {"trials": task.n_trials, "confirm_seeds": 1},
        "resources": {"cpus_per_trial": 1, "max_concurrent": SLOTS},
        "halving": {"first_rung": task.first_rung, "reduction_factor": task.reduction_factor},
        "training": {
            "max_updates": task.max_updates,
            "evaluate_every": task.evaluate_every,
            "minibatch_size": task.minibatch_size,
            "patience": NEVER_STALE,
        },
        "evaluation": [{"name": "knn"}, {"name": "head"}],
        "arms": {
            ARM: {
                "pretext": {"name": "masked"},
                "encoder": {"name": "mlp"},
                "search": {
                    "training/learning_rate": {"log_float": list(LEARNING_RATE)},
                    "training/weight_decay": {"log_float": list(WEIGHT_DECAY)},
                    "pretext/mask_rate": {"float": list(MASK_RATE)},
                    "encoder/embedding_dim": {"choice": list(EMBEDDING_DIMS)},
                },
            },
            "supervised": {
                "pretext": {"name": "supervised"},
                "encoder": {"name": "mlp"},
                "training": {"max_updates": 1, "evaluate_every": 1},
            },
        },
        "seed": task.seed,
    }
