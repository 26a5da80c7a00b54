"""The contract of an evaluation task: fit on training cells only, then score held-out cells."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from sslbench.config import EmbeddingOf
from sslbench.data.cells import CellBatch, Cells
from sslbench.encoders.base import Encoder
from sslbench.errors import ConfigError
from sslbench.metrics.units import UnitKind
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

    def at(self, index: np.ndarray) -> Embedded:
        """Return the cells at positions `index` (n,), in that order, by the same networks."""
        logits, projected = (
            None if rows is None else rows[index] for rows in (self.logits, self.projected)
        )
        return replace(
            self,
            z=self.z[index],
            label=self.label[index],
            logits=logits,
            projected=projected,
            cells=None if self.cells is None else self.cells.at(index),
        )

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
    """Scores by metric name, and what an interval of the ranking one can be made of.

    `predicted` is of tasks that rank by macro F1, from which any interval of it follows. Others give `per_unit`: the
    ranking score of each test donor by itself, in the order of their names and NaN where a donor has none, or of
    resampled cells where there is one donor, and `unit` says which of the two. With neither, seeds are all that an
    interval can be made of.
    """

    scores: dict[str, float]
    predicted: np.ndarray | None = None  # (n_cells,) int64 codes into label_names
    per_unit: np.ndarray | None = None  # (n_units,): one for each row of `unit_weights` of donors
    unit: UnitKind | None = None  # `unit_kind` of the same donors


Fitted = Callable[[Embedded], Evaluation]  # scores are named as in `metrics`


class EvaluationTask(ABC):
    """A downstream task; subclasses take `(options)`.

    What the class does not say that it needs, it does not look at: scores stay the same without it.
    """

    # Raised by whoever changes what a score means: trials of another version are not compared.
    version: ClassVar[int] = 1
    # Installed packages that compute the scores: another version of one is another version of the task.
    scored_with: ClassVar[tuple[str, ...]] = ()
    # The first one ranks. "max": 1 is the most; "min": 0 is the least.
    metrics: ClassVar[Mapping[str, Direction]]
    # What an arm must have to be scored ("encoder", "classifier", "decoder"); an arm without it is left out.
    needs_of_arm: ClassVar[tuple[str, ...]] = ()
    # What the cells must have ("labels", "batches", "modality"); a sweep on others is an error.
    needs_of_cells: ClassVar[tuple[str, ...]] = ("labels",)
    confirm_only: ClassVar[bool] = False  # True: too expensive for the search
    trains_encoder: ClassVar[bool] = False  # True: on the target, which zero_shot does not allow
    # Metrics of predictors that know no encoder and stand beside every arm, and what they are.
    references: ClassVar[Mapping[str, str]] = {}
    of_blind_arms: ClassVar[bool] = False  # True: an arm that learnt from labels is left out
    of: EmbeddingOf = "encoder"  # "projector": only arms with a projector are scored, by its output

    @abstractmethod
    def fit(self, *, train: Embedded, val: Embedded, generator: np.random.Generator) -> Fitted:
        """Fit on `train`, choose by `val` if there is anything to choose, and return what scores cells.

        Neither the cells nor the networks are changed, and what is returned may score any cells, any number of times.
        All that is random is drawn from `generator`.

        Raises
        ------
        SslbenchError or ValueError
            If cells or networks lack what the class says that it needs, here or when cells are scored.
        DivergedError
            If what is fitted on or scored by is NaN or infinite: such an arm has no score.
        """


def build_evaluation(name: str, options: dict[str, Any]) -> EvaluationTask:
    """Build the registered evaluation task `name`."""
    task_class = EVALUATIONS.load(name)
    task: EvaluationTask = task_class(defining_module(task_class).Options.model_validate(options))
    return task
