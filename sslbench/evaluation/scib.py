"""Data integration by the whole of scIB, as the package scib-metrics computes it; confirm stage only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import ClassVar

import numpy as np
import torch

from sslbench.config import ComponentOptions
from sslbench.evaluation._batches import batched_cells
from sslbench.evaluation._cell_types import finite
from sslbench.evaluation._expression import sparse_expression
from sslbench.evaluation.base import Embedded, Evaluation, EvaluationTask, Fitted
from sslbench.metrics.scib import refuse_missing_package, scib_scores
from sslbench.registry import EVALUATIONS
from sslbench.results import Direction

MOST_CELLS = 20_000  # silhouettes take the square of it in time
FEWEST_OF_LABEL = 10  # below, kBET leaves a label out


class Options(ComponentOptions):
    """Nothing to choose: the weights and neighbours are those of scib-metrics' own benchmark."""


@EVALUATIONS.register
class Scib(EvaluationTask):
    """Scores a fixed random part of the labelled cells of known batch; nothing is fitted.

    Needs the extra `sslbench[integration]`; trials scored with another version of it are not compared.
    """

    scored_with: ClassVar[tuple[str, ...]] = ("scib-metrics",)

    metrics: ClassVar[Mapping[str, Direction]] = {
        "total": "max",
        "bio": "max",
        "batch": "max",
        "isolated_labels": "max",
        "kmeans_nmi": "max",
        "kmeans_ari": "max",
        "silhouette_label": "max",
        "clisi": "max",
        "bras": "max",
        "ilisi": "max",
        "kbet": "max",
        "graph_connectivity": "max",
        "pcr_comparison": "max",
    }
    needs_of_cells: ClassVar[tuple[str, ...]] = ("labels", "batches")
    confirm_only: ClassVar[bool] = True

    def __init__(self, options: Options) -> None:
        """Raise SetupError S060 if scib-metrics is not installed."""
        refuse_missing_package()

    def fit(
        self,
        *,
        train: Embedded,  # nothing is fitted
        val: Embedded,  # nothing is chosen
        generator: np.random.Generator,  # the part that is scored is the same for every seed
    ) -> Fitted:
        """Return what scores cells.

        DataError D310, D312 to D314 or D319 where they say nothing about batches; DivergedError where z is not finite,
        or the same for all cells.
        """
        return _evaluate


def _evaluate(cells: Embedded) -> Evaluation:
    scored = batched_cells(cells, most=MOST_CELLS, fewest_of_label=FEWEST_OF_LABEL)
    _, batch = np.unique(scored.batch, return_inverse=True)
    expression = sparse_expression(scored.cells, np.arange(len(scored.cells)))
    with _kept_threads():
        scores = scib_scores(scored.z, labels=scored.label, batches=batch, expression=expression)
    finite(np.array(list(scores.values())), of="scIB, which has none for z that does not vary,")
    return Evaluation(scores=scores)


@contextmanager
def _kept_threads() -> Iterator[None]:
    """Put torch's number of threads back: the package's parallel kernels set the one of the OpenMP that they share.

    With one for each core, trials side by side train many times slower, and sums are rounded differently.
    """
    n_threads = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(n_threads)
