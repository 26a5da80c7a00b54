"""What stands beside every arm of a task: predictors that know nothing of an encoder, and what they reach."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import fmean

from sslbench.registry import EVALUATIONS
from sslbench.results import TrialRecord
from sslbench.search.spec import SweepSpec


def reference_notes(spec: SweepSpec, records: Sequence[TrialRecord]) -> Iterator[str]:
    """Yield a line for each reference of the sweep's tasks: its mean score on test cells over the confirm trials."""
    results = [r.result for r in records if r.stage == "confirm" and r.result is not None]
    for given in spec.evaluation:
        task = given["name"]
        for metric, words in EVALUATIONS.constant(task, "references").items():
            key = f"test/{task}/{metric}"
            found = [result.scores[key] for result in results if key in result.scores]
            if found:
                yield f"beside {task}: {words} reaches {fmean(found):.3f} on test cells"
