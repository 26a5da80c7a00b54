"""Can every arm be prepared on these cells? Asked once, before any trial, of everything that an arm may choose."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from sslbench.config import TrialConfig, canonical_json
from sslbench.data.cells import Cells
from sslbench.data.labels import types_without_label
from sslbench.data.store import open_cells
from sslbench.errors import DataError, SslbenchError
from sslbench.pretraining import build
from sslbench.registry import EVALUATIONS
from sslbench.search.space import corners, first_params
from sslbench.search.spec import SweepSpec

MAX_CELLS = 2_000  # enough to see whether something fits, whatever the size of the data set


def rehearse(spec: SweepSpec, store: Path, corpus: Path | None = None) -> None:
    """Build and prepare every arm on some of the cells that it learns from, at each end of its space; nothing is trained.

    A sweep may be asked of any cells: gene programmes can miss all of their genes, and components can
    outnumber cells. Seen here, that is one error; seen in trials, an arm would lose its budget to it.

    Raises
    ------
    DataError, ConfigError
        What the first arm that cannot be prepared says, with the arm and what it had chosen; D310 if an evaluation
        task needs what the cells do not have; D311 if a type keeps no label.
    """
    known = open_cells(store, "train")
    _refuse_lost_types(spec, known)
    train = _some(known)
    _refuse_unscorable(spec, train)
    learnt = train if corpus is None else _some(open_cells(corpus, "train"))
    for arm in spec.arms:
        cells = learnt if spec.learns_from_corpus(arm) else train
        for config, chosen in _different(spec, arm):
            try:
                _prepare(config, cells, label_names=train.label_names)
            except SslbenchError as error:
                error.where = f"arm {arm!r}" + (f", {chosen}" if chosen else "")
                raise


def _different(spec: SweepSpec, arm: str) -> Iterator[tuple[TrialConfig, str]]:
    """Yield the configurations that differ in pretext or encoder options, and the choice that made each."""
    space, seen = spec.arms[arm].search, set()
    for address, params in [("", first_params(space)), *corners(space)]:
        config = spec.config(arm, params, seed=spec.seed)
        parts = [part.model_dump(mode="json") for part in (config.pretext, config.encoder)]
        if canonical_json(parts) not in seen:
            seen.add(canonical_json(parts))
            yield config, f"{address}={params[address]}" if address else ""


def _refuse_unscorable(spec: SweepSpec, train: Cells) -> None:
    """Raise DataError if a task needs labels, batches or a second modality that the cells do not have."""
    has = {
        "labels": bool(train.label_names),
        "batches": len(set(train.batch.tolist())) > 1 or len(set(train.donor.tolist())) > 1,
        "modality": train.modality is not None,
    }
    for given in spec.evaluation:
        needed = EVALUATIONS.constant(given["name"], "needs_of_cells")
        missing = [n for n in (("labels",) if needed is None else needed) if not has[n]]
        if missing:
            raise DataError(
                f"the evaluation task {given['name']!r} needs {missing[0]}, which {spec.dataset.name} has not",
                code="D310",
                fix="leave the task out of `evaluation`, or describe them in the data set's YAML",
            )


def _refuse_lost_types(spec: SweepSpec, train: Cells) -> None:
    """Raise DataError if a type would keep no label at the sweep's own fraction: it could never be predicted."""
    lost = types_without_label(train, fraction=spec.label_fraction)
    if lost:
        raise DataError(
            f"at label_fraction {spec.label_fraction:g} no label is left of {', '.join(lost)}",
            code="D311",
            fix="a larger label_fraction, or declare these types unlabelled in the data set's YAML",
        )


def _prepare(config: TrialConfig, train: Cells, *, label_names: tuple[str, ...]) -> None:
    pretext = build(config, train, label_names=label_names, device="cpu")
    pretext.prepare(train if pretext.sees_labels else train.without_labels())


def _some(train: Cells) -> Cells:
    if len(train) <= MAX_CELLS:
        return train
    drawn = np.random.default_rng(0).choice(len(train), size=MAX_CELLS, replace=False)
    return train.at(np.sort(drawn))
