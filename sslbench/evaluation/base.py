"""The contract of an evaluation task: score an embedding on held-out cells, fitting on training cells only."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from sslbench.config import EmbeddingOf
from sslbench.errors import ConfigError
from sslbench.registry import EVALUATIONS, defining_module
from sslbench.results import Direction


@dataclass(frozen=True, kw_only=True)
class Embedded:
    """Cells as an evaluation task sees them: frozen, taken in eval mode, in row order."""

    z: np.ndarray  # (n_cells, embedding_dim) float32
    label: np.ndarray  # (n_cells,) int64 codes into label_names, -1 unlabelled
    label_names: tuple[str, ...]
    logits: np.ndarray | None = None  # (n_cells, n_labels) of the pretext task's own classifier
    projected: np.ndarray | None = None  # (n_cells, projector_dim) float32 of its projector

    def output(self, of: EmbeddingOf) -> np.ndarray:
        """Return z, or the projector's output; raise ConfigError if the arm has no projector."""
        found = {"encoder": self.z, "projector": self.projected}[of]
        if found is None:
            raise ConfigError(
                "this arm has no projector whose output could be scored",
                code="C034",
                fix="score it with {of: encoder}",
            )
        return found


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Scores by metric name, and each cell's predicted label where the task predicts one."""

    scores: dict[str, float]
    predicted: np.ndarray | None = None  # (n_cells,) int64 codes into label_names


class EvaluationTask(ABC):
    """A frozen-embedding protocol; subclasses take `(options)`."""

    metrics: ClassVar[Mapping[str, Direction]]  # the first one ranks
    needs_classifier: ClassVar[bool] = False  # True: only arms with their own classifier are scored
    of: EmbeddingOf = "encoder"  # "projector": only arms with a projector are scored, by its output

    @abstractmethod
    def evaluate(
        self, *, fit_on: Embedded, score_on: Embedded, generator: np.random.Generator
    ) -> Evaluation:
        """Fit on `fit_on`, score on `score_on`; scores are finite and named as in `metrics`."""


def build_evaluation(name: str, options: dict[str, Any]) -> EvaluationTask:
    """Build the registered evaluation task `name`."""
    task_class = EVALUATIONS.load(name)
    task: EvaluationTask = task_class(defining_module(task_class).Options.model_validate(options))
    return task
