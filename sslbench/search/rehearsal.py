"""Can every arm be prepared on these cells? Asked once, before any trial, of everything that an arm may choose."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from sslbench.config import TrialConfig, canonical_json
from sslbench.data.cells import UNLABELLED, Cells
from sslbench.data.labels import thinned, types_without_label
from sslbench.data.splits import Split
from sslbench.data.store import open_cells
from sslbench.encoders.base import encoder_bytes, refuse_too_many
from sslbench.errors import DataError, SetupError, SslbenchError
from sslbench.pretraining import build
from sslbench.registry import EVALUATIONS, PRETEXTS
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
    SetupError
        S024 if an encoder is larger than the memory of this machine.
    """
    known = open_cells(store, "train")
    _refuse_lost_types(spec, known)
    least: dict[Split, int] = {"train": 2, "val": 0, "test": 1}
    for split, n_measured in least.items():
        _refuse_unscorable(spec, open_cells(store, split), split=split, n_measured=n_measured)
    n_cells = max(len(open_cells(store, split)) for split in least)
    train = _some(known)
    learnt = train if corpus is None else _some(open_cells(corpus, "train"))
    for arm in spec.arms:
        cells = learnt if spec.learns_from_corpus(arm) else train
        for config, chosen in _different(spec, arm):
            try:
                _prepare(config, cells, label_names=train.label_names, n_cells=n_cells)
            except SslbenchError as error:
                error.where = f"arm {arm!r}" + (f", {chosen}" if chosen else "")
                raise


def _different(spec: SweepSpec, arm: str) -> Iterator[tuple[TrialConfig, str]]:
    """Yield the configurations that differ in pretext or encoder options, and the choice that made each.

    A classifier without an embedding of its own is fitted whole in `prepare`: its options, such as the number of
    trees, say how long that takes and not whether it can be done, so it is tried once an encoder.
    """
    space, seen = spec.arms[arm].search, set()
    embeds = PRETEXTS.constant(spec.arms[arm].pretext["name"], "embeds")
    for address, params in [("", first_params(space)), *corners(space)]:
        config = spec.config(arm, params, seed=spec.seed)
        differing = (config.pretext, config.encoder) if embeds else (config.encoder,)
        parts = [part.model_dump(mode="json") for part in differing]
        if canonical_json(parts) not in seen:
            seen.add(canonical_json(parts))
            yield config, f"{address}={params[address]}" if address else ""


def _refuse_unscorable(spec: SweepSpec, cells: Cells, *, split: str, n_measured: int) -> None:
    """Raise DataError if a task needs labels, batches or a second modality that cells of a split do not have.

    Of test cells nothing else is looked at.
    """
    fraction = spec.label_fraction if split != "test" else 1.0
    label = thinned(cells, fraction, seed=0).label
    has = {
        "labels": label is not None and bool((label != UNLABELLED).any()),
        "batches": len(set(cells.batch.tolist())) > 1 or len(set(cells.donor.tolist())) > 1,
        "modality": cells.modality is not None and len(cells.modality_measured) >= n_measured,
    }
    for given in spec.evaluation:
        needed = EVALUATIONS.constant(given["name"], "needs_of_cells")
        missing = [what for what in needed if not has[what]]
        if missing:
            raise DataError(
                f"the evaluation task {given['name']!r} needs {_WORDS[missing[0]]}, which the {split} cells of "
                f"{spec.dataset.name} have not",
                code="D310",
                fix="leave the task out of `evaluation`, or describe them in the data set's YAML",
            )


_WORDS = {
    "labels": "labels",
    "batches": "two batches or donors",
    "modality": "a second modality, measured on some of them",
}


def _refuse_lost_types(spec: SweepSpec, train: Cells) -> None:
    """Raise DataError if a type would keep no label at the sweep's own fraction: it could never be predicted."""
    lost = types_without_label(train, fraction=spec.label_fraction)
    if lost:
        raise DataError(
            f"at label_fraction {spec.label_fraction:g} no label is left of {', '.join(lost)}",
            code="D311",
            fix="a larger label_fraction, or declare these types unlabelled in the data set's YAML",
        )


def _prepare(
    config: TrialConfig, train: Cells, *, label_names: tuple[str, ...], n_cells: int
) -> None:
    _refuse_larger_than_memory(config, n_genes=train.n_genes)
    pretext = build(config, train, label_names=label_names, device="cpu")
    refuse_too_many(pretext.encoder, n_cells=n_cells)
    pretext.rehearse(train.labelled() if pretext.sees_labels else train.without_labels())


def _refuse_larger_than_memory(config: TrialConfig, *, n_genes: int) -> None:
    """Raise SetupError if weights, their gradients and the optimiser's two moments cannot fit into this machine."""
    name, options = config.encoder.name, config.encoder.options
    needed = 4 * encoder_bytes(name, options, n_genes=n_genes)
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed > there:
        raise SetupError(
            f"training this {name} takes about {needed / 1e9:,.0f} GB of memory, and there are {there / 1e9:,.0f}",
            code="S024",
            fix="a narrower or shallower encoder, or fewer genes (dataset: n_top_genes)",
        )


def _some(train: Cells) -> Cells:
    if len(train) <= MAX_CELLS:
        return train
    drawn = np.random.default_rng(0).choice(len(train), size=MAX_CELLS, replace=False)
    return train.at(np.sort(drawn))
