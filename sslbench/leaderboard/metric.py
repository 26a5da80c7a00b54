"""What arms are ranked by: a metric, in words and with its range, at one share of the labels."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from sslbench.results import MACRO_F1, MetricKey


@dataclass(frozen=True, kw_only=True)
class RankedMetric:
    """A metric as a reader meets it; higher is better."""

    name: str  # as in metric keys
    words: str
    low: float = -math.inf  # the smallest and the largest value that it can take
    high: float = math.inf
    of_every_task: bool = True  # False: two tasks mean different things by the name

    @property
    def of_labels(self) -> bool:
        """Whether it is worked out anew from the predicted label of every cell."""
        return self.name == MACRO_F1


@dataclass(frozen=True, kw_only=True)
class Measure:
    """One metric at one label point: `suffix` ends the names of its scores, `""` at the sweep's own."""

    metric: RankedMetric
    suffix: str = ""
    only_task: str | None = (
        None  # the one task by which arms may be judged; None: any that has the metric
    )
    of_units: frozenset[str] = (
        frozenset()
    )  # tasks whose scores of single donors or resamples are of the metric

    def key(self, split: str, task: str) -> str:
        """Return the name of the score of a task."""
        return str(MetricKey(split, task, self.metric.name + self.suffix))

    def task_of(self, key: MetricKey) -> str | None:
        """Return the task if the key is of this measure, else None."""
        named = key.metric == self.metric.name + self.suffix
        return key.task if named and self.only_task in (None, key.task) else None

    def predictions(self, task: str) -> str:
        """Return the column of predicted codes of a task."""
        return f"predicted{self.suffix}/{task}"

    def units(self, task: str) -> str | None:
        """Return the column of a task's scores of single donors or resamples; None if they are of no such metric."""
        return task + self.suffix if task in self.of_units else None


def ranked_metric(name: str) -> RankedMetric:
    """Return the metric of this name; one that is not in the vocabulary is called by its name, without a range."""
    unnamed = RankedMetric(name=name, words=name.replace("_", " "))
    return _VOCABULARY.get(name, unnamed)


def _known(*metrics: RankedMetric) -> Mapping[str, RankedMetric]:
    return {metric.name: metric for metric in metrics}


_VOCABULARY = _known(
    RankedMetric(name=MACRO_F1, words="macro F1", low=0, high=1),
    RankedMetric(name="weighted_f1", words="weighted F1", low=0, high=1),
    RankedMetric(name="accuracy", words="accuracy", low=0, high=1),
    RankedMetric(name="balanced_accuracy", words="balanced accuracy", low=0, high=1),
    RankedMetric(name="auroc", words="AUROC of unknown types", low=0, high=1),
    RankedMetric(name="macro_f1_known", words="macro F1 of known types", low=0, high=1),
    RankedMetric(name="explained_variance", words="explained variance", high=1),
    RankedMetric(name="explained_variance_uniform", words="explained variance per gene", high=1),
    RankedMetric(name="pearson", words="Pearson per gene", low=-1, high=1),
    RankedMetric(name="pearson_per_feature", words="Pearson per feature", low=-1, high=1),
    RankedMetric(name="pearson_per_cell", words="Pearson per cell", low=-1, high=1),
    RankedMetric(name="pearson_pooled", words="pooled Pearson", low=-1, high=1),
    RankedMetric(name="total", words="integration total", low=0, high=1, of_every_task=False),
    RankedMetric(name="bio", words="biology score", low=0, high=1, of_every_task=False),
    RankedMetric(name="batch", words="batch score", low=0, high=1, of_every_task=False),
)
