"""Unknown cell types: whether a classifier on the embedding doubts cells of a type it was never told of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from pydantic import Field

from sslbench.config import ComponentOptions
from sslbench.data.cells import UNLABELLED
from sslbench.errors import DataError, nearest
from sslbench.evaluation._cell_types import finite, labelled_reference
from sslbench.evaluation.base import Embedded, Evaluation, EvaluationTask, Fitted
from sslbench.metrics.classification import macro_f1
from sslbench.metrics.detection import auroc
from sslbench.metrics.units import unit_kind, unit_weights
from sslbench.probe import fit_probe
from sslbench.registry import EVALUATIONS
from sslbench.results import Direction

C = 1.0  # inverse strength of the probe's penalty, the default of the protocol linear_probe
FEWEST_CELLS = 5  # of a held-out type among the scored cells
SHARE_HELD_OUT = 3  # one type in so many, the rarest


class Options(ComponentOptions):
    """Which types the probe is not told of."""

    held_out: tuple[str, ...] | None = Field(
        None,
        min_length=1,
        description="labels the probe never sees; null: the rarest third by training cells",
    )


@EVALUATIONS.register
class OpenSet(EvaluationTask):
    """A linear probe fitted without some types, and its doubt: 1 - its largest probability.

    `auroc` says how well doubt tells cells of the types left out from cells of the others, `macro_f1_known` how
    well the others are named. Arms that learn from labels are not scored: their encoders have seen those of the types
    left out.

    Source: Hendrycks & Gimpel, "A baseline for detecting misclassified and out-of-distribution examples in neural
    networks", 2017, arXiv 1610.02136.
    """

    metrics: ClassVar[Mapping[str, Direction]] = {"auroc": "max", "macro_f1_known": "max"}
    of_blind_arms: ClassVar[bool] = True

    def __init__(self, options: Options) -> None:
        self.held_out = options.held_out

    def fit(
        self,
        *,
        train: Embedded,
        val: Embedded,  # types that are rare among its cells are not held out by default
        generator: np.random.Generator,  # nothing here is random
    ) -> Fitted:
        """Fit on the labelled cells of `train` that are of no held-out type.

        Raises
        ------
        DataError
            D315 no such label, D316 too few labels are left to tell apart, D317 none is common enough to be
            held out; and, when cells are scored, D318 too few of them are of the held-out or of the other types.
        """
        reference, label = labelled_reference(train)
        hidden = self._held_out_codes(train, val)
        told = ~np.isin(label, hidden)
        _refuse_too_few_known(label[told], hidden, train.label_names)
        probe = fit_probe(reference[told], label[told], c=C)

        def evaluate(cells: Embedded) -> Evaluation:
            z = finite(cells.z, of="the embedding of the scored cells")
            positive = np.isin(cells.label, _common_enough(hidden, cells))
            known = np.isin(cells.label, probe.known)
            _refuse_one_sided(positive, known, hidden, cells)
            probabilities = probe.probabilities(z, n_labels=len(cells.label_names))
            doubt = 1 - probabilities.max(axis=1)
            donor = _donors(cells)
            weights = unit_weights(donor) * (positive | known)
            whole = float(auroc(doubt, positive=positive, weights=(positive | known)[None])[0])
            named = macro_f1(
                truth=np.where(known, cells.label, UNLABELLED),
                predicted=probe.labels(z),
                n_labels=len(cells.label_names),
            )
            return Evaluation(
                scores={"auroc": whole, "macro_f1_known": named},
                per_unit=_of_units(auroc(doubt, positive=positive, weights=weights), whole, donor),
                unit=unit_kind(donor),
            )

        return evaluate

    def _held_out_codes(self, train: Embedded, val: Embedded) -> np.ndarray:
        if self.held_out is None:
            return rarest_third(train.label, common=_cells_of_label(val) >= FEWEST_CELLS)
        for name in self.held_out:
            if name not in train.label_names:
                raise DataError(
                    f"the evaluation task 'open_set' holds out {name!r}, and no scored label is called so",
                    code="D315",
                    fix=nearest(name, train.label_names),
                )
        return np.array([train.label_names.index(name) for name in self.held_out])


def rarest_third(label: np.ndarray, *, common: np.ndarray) -> np.ndarray:
    """Return the codes of the rarest third, rounded down but at least one, of the labels with training cells.

    `label` (n_cells,) holds codes of training cells, -1 unlabelled; `common` (n_labels,) bool says which labels
    have enough other cells to be held out. Equally rare labels go by their code.

    Raises
    ------
    DataError
        D317 if no label is common enough.
    """
    count = np.bincount(label[label != UNLABELLED], minlength=len(common))
    allowed = np.flatnonzero((count > 0) & common)
    if not allowed.size:
        raise DataError(
            f"open_set needs a label with at least {FEWEST_CELLS} validation cells to hold out",
            code="D317",
            found=f"none of {len(common)}",
            fix="put more cells into the validation split, or take open_set out of `evaluation`",
        )
    by_count = allowed[np.argsort(count[allowed], kind="stable")]
    n_held_out = max(1, int((count > 0).sum()) // SHARE_HELD_OUT)
    return np.sort(by_count[:n_held_out])


def _cells_of_label(cells: Embedded) -> np.ndarray:
    labelled = cells.label[cells.label != UNLABELLED]
    return np.bincount(labelled, minlength=len(cells.label_names))


def _common_enough(hidden: np.ndarray, cells: Embedded) -> np.ndarray:
    return np.asarray(hidden[_cells_of_label(cells)[hidden] >= FEWEST_CELLS])


def _donors(cells: Embedded) -> np.ndarray:
    return np.full(len(cells.z), "") if cells.cells is None else cells.cells.donor.astype(str)


def _of_units(scores: np.ndarray, whole: float, donor: np.ndarray) -> np.ndarray | None:
    """Return the scores of the units (n_units,); of a donor that has cells of one side only NaN, and None of only such.

    A resample of one donor's cells that missed one side, which is rare, takes the score of all cells.
    """
    missing = np.isnan(scores)
    if missing.all():
        return None
    return np.where(missing, whole, scores) if unit_kind(donor) == "cells" else scores


def _refuse_too_few_known(known: np.ndarray, hidden: np.ndarray, names: tuple[str, ...]) -> None:
    if len(np.unique(known)) < 2:
        raise DataError(
            "open_set needs training cells of at least two labels that are not held out",
            code="D316",
            found=f"held out: {', '.join(names[code] for code in hidden)}; in all: {len(names)}",
            fix="hold out fewer labels: {name: open_set, held_out: […]}",
        )


def _refuse_one_sided(
    positive: np.ndarray, known: np.ndarray, hidden: np.ndarray, cells: Embedded
) -> None:
    if positive.any() and known.any():
        return
    count = _cells_of_label(cells)
    raise DataError(
        f"open_set needs a held-out label with at least {FEWEST_CELLS} scored cells, and cells of other labels",
        code="D318",
        found=", ".join(f"{cells.label_names[c]}: {count[c]} cells" for c in hidden)
        + f"; others: {int(known.sum())}",
        fix="hold out labels that every split has: {name: open_set, held_out: […]}",
    )
