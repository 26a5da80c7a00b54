"""The contract of an evaluation task: fit on training cells only, then score held-out cells."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from sslbench.config import EmbeddingOf
from sslbench.data.cells import CellBatch, Cells
from sslbench.encoders.base import Encoder
from sslbench.errors import ConfigError
from sslbench.registry import EVALUATIONS, defining_module
from sslbench.results import Direction


@dataclass(frozen=True, kw_only=True)
class Networks:
    """What an arm has trained, for tasks that train it further or decode; a task changes copies only."""

    encoder: Encoder
    reconstruct: Callable[[CellBatch], Tensor] | None = (
        None  # expression (n_cells, n_genes) expected by the pretext task's decoder, where it has one
    )
    device: str = "cpu"


@dataclass(frozen=True, kw_only=True)
class Embedded:
    """Cells as an evaluation task sees them: frozen, taken in eval mode, in row order."""

    z: np.ndarray  # (n_cells, embedding_dim) float32
    label: np.ndarray  # (n_cells,) int64 codes into label_names, -1 unlabelled
    label_names: tuple[str, ...]
    logits: np.ndarray | None = None  # (n_cells, n_labels) of the pretext task's own classifier
    projected: np.ndarray | None = None  # (n_cells, projector_dim) float32 of its projector
    cells: Cells | None = None  # the cells themselves; None where only an embedding is known
    networks: Networks | None = None  # what embedded them; None where only an embedding is known

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
    """Scores by metric name, and what an interval of the ranking one can be made of."""

    scores: dict[str, float]
    predicted: np.ndarray | None = None  # (n_cells,) int64 codes into label_names
    per_unit: np.ndarray | None = (
        None  # (n_units,) the ranking score under each row of `metrics.units.unit_weights`
    )


Fitted = Callable[[Embedded], Evaluation]  # scores are finite and named as in `metrics`


class EvaluationTask(ABC):
    """A downstream task; subclasses take `(options)`."""

    metrics: ClassVar[Mapping[str, Direction]]  # the first one ranks
    # What an arm must have to be scored ("classifier", "decoder"); an arm without it is left out.
    needs_of_arm: ClassVar[tuple[str, ...]] = ()
    # What the cells must have ("labels", "batches", "modality"); a sweep on others is an error.
    needs_of_cells: ClassVar[tuple[str, ...]] = ("labels",)
    confirm_only: ClassVar[bool] = False  # True: too expensive for the search
    trains_encoder: ClassVar[bool] = False  # True: on the target, which zero_shot does not allow
    of: EmbeddingOf = "encoder"  # "projector": only arms with a projector are scored, by its output

    @abstractmethod
    def fit(self, *, train: Embedded, val: Embedded, generator: np.random.Generator) -> Fitted:
        """Fit on `train`, choose by `val` if there is anything to choose, and return what scores cells."""


def build_evaluation(name: str, options: dict[str, Any]) -> EvaluationTask:
    """Build the registered evaluation task `name`."""
    task_class = EVALUATIONS.load(name)
    task: EvaluationTask = task_class(defining_module(task_class).Options.model_validate(options))
    return task
