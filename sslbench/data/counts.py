"""Find the slot of a file that holds the raw counts, and check that all of its values are counts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix

from sslbench.data.catalogue import Slot
from sslbench.data.slot_agreement import refuse_difference
from sslbench.errors import DataError

PEEKED_CELLS = 200
LARGEST_EXACT = 2**24  # above, float32 no longer holds every whole number
# From where on a value of a narrow type may stand for a larger one, which the type cannot hold.
_INEXACT_FROM = {
    "float16": (2**11 + 1, "more than 2,048 in half precision"),
    "int16": (2**15 - 1, "the largest value of int16"),
    "uint16": (2**16 - 1, "the largest value of uint16"),
}
LARGEST_LOG1P = 20.0  # log1p of 10,000 is 9.2; no logarithm of counts reaches 20


class CountSlots(Protocol):
    """Counts, cells and genes of a file (`StoredCells`) or of an object in memory (`AnnDataSlots`)."""

    path: Path

    def slots(self) -> list[Slot]:
        """Return the slots that could hold counts, in the order in which they are looked at."""
        ...

    def obs(self) -> pd.DataFrame:
        """Return the table of cells."""
        ...

    def var(self, slot: Slot) -> pd.DataFrame:
        """Return the table of genes of a slot."""
        ...

    def var_names(self, slot: Slot) -> list[str]:
        """Return the gene names of a slot."""
        ...

    def shape(self, slot: Slot) -> tuple[int, int]:
        """Return (n_cells, n_genes) of a slot."""
        ...

    def kind(self, slot: Slot) -> str:
        """Describe a slot for people."""
        ...

    def dtype(self, slot: Slot) -> np.dtype[Any]:
        """Return the type in which the values of a slot are stored."""
        ...

    def blocks(self, slot: Slot) -> Iterator[tuple[int, csr_matrix]]:
        """Yield (first row, rows) through a slot."""
        ...

    def part(self, slot: Slot, row: int) -> tuple[CountSlots, Slot, int]:
        """Return the single file that holds a row, the slot that is read there, and which row of it."""
        ...


@dataclass(frozen=True, kw_only=True)
class ChosenSlot:
    """The slot that is read, and why that one."""

    slot: Slot
    reason: str


@dataclass(frozen=True, kw_only=True)
class Offence:
    """What is wrong with the values of a block, and the first of them."""

    code: str
    what: str
    row: int
    column: int
    value: float
    n_offending: int
    hint: str = ""


def choose_slot(file: CountSlots, asked: Slot | None = None) -> ChosenSlot:
    """Return the slot to read counts from: the one asked for, else the first that holds whole numbers.

    Looked at in this order: `layers["counts"]`, `.raw.X`, `.X`; of each the first 200 cells. If none
    holds whole numbers the last is returned, so that the complete check says what it holds.

    Raises
    ------
    DataError
        D100 if the slot asked for is not there; D160 if none is asked for, and layers["counts"] and .raw.X
        both hold whole numbers that differ.
    """
    slots = file.slots()
    if not slots or (asked is not None and asked not in slots):
        raise DataError(
            f"there is no slot {asked or 'with values'}",
            code="D100",
            where=str(file.path),
            found="slots: " + (", ".join(slots) or "none"),
            fix="give the raw counts, best in layers['counts']",
        )
    if asked is not None:
        return ChosenSlot(slot=asked, reason="asked for")
    passed_over: list[str] = []
    for slot in slots:
        if _looks_like_counts(file, slot):
            if slot == "layers/counts" and "raw" in slots and _looks_like_counts(file, "raw"):
                refuse_difference(file, slot, "raw")
            return ChosenSlot(slot=slot, reason=_reason(passed_over))
        passed_over.append(slot)
    return ChosenSlot(slot=slots[-1], reason="no slot holds whole numbers")


def check_block(file: CountSlots, slot: Slot, *, first_row: int, rows: csr_matrix) -> None:
    """Raise DataError unless every non-zero of `rows`, from `first_row` on, is a count."""
    part, own, part_row = file.part(slot, first_row)  # no block reaches into the next file
    offence = offence_in(rows, stored_as=part.dtype(own))
    if offence is None:
        return
    cell = str(part.obs().index[part_row + offence.row])
    gene = file.var_names(slot)[offence.column]
    others = [s for s in part.slots() if s != own and _looks_like_counts(part, s)]
    raise DataError(
        offence.what,
        code=offence.code,
        where=f"{part.path}, slot {own} ({part.kind(own)})",
        found=f"{offence.n_offending:,} of {rows.nnz:,} non-zero values from cell {part_row:,} on, "
        f"e.g. cell {cell}, gene {gene} = {offence.value:.6g}{offence.hint}",
        fix=f"{others[0]} holds whole numbers: set `counts: {others[0]}`"
        if others
        else "give the raw counts, best in layers['counts']",
    )


def offence_in(rows: csr_matrix, *, stored_as: np.dtype | None = None) -> Offence | None:
    """Return what makes the values of `rows` (n_cells, n_genes) no counts, or None if all are."""
    values = rows.data
    if not np.isfinite(values).all():
        nan = np.isnan(values)
        wrong, code, what = (
            (nan, "D102", "NaN") if nan.any() else (np.isinf(values), "D103", "infinite values")
        )
        return _offence(rows, wrong, code, f"counts expected, {what} found")
    negative, broken = values < 0, values != np.rint(values)
    if negative.any() and broken.any():
        return _offence(rows, negative, "D105", "counts expected, scaled (z-scored) values found")
    if negative.any():
        return _offence(rows, negative, "D101", "counts expected, negative values found")
    if broken.any():
        code, what, hint = _kind_of_fractions(rows)
        return _offence(rows, broken, code, f"counts expected, {what} found", hint)
    limit, words = _INEXACT_FROM.get(str(stored_as), (LARGEST_EXACT, f"{LARGEST_EXACT:,} or more"))
    too_large = values >= limit
    if too_large.any():
        return _offence(rows, too_large, "D108", f"a count of {words} is no exact count")
    return None


def _kind_of_fractions(rows: csr_matrix) -> tuple[str, str, str]:
    """Tell pseudo-counts, TPM and log-normalised values apart: (code, words, evidence)."""
    values = rows.data
    multiples = values / values.min()
    if np.allclose(multiples, np.rint(multiples), atol=1e-3) and values.max() < LARGEST_EXACT:
        return "D106", "pseudo-counts", f"; all values are multiples of {values.min():.6g}"
    if _is_constant(totals := _totals(rows)):
        return "D107", "values scaled to a total (TPM, CPM)", f"; cells sum to {totals.mean():,.0f}"
    if values.max() < LARGEST_LOG1P:
        linear = rows.copy()
        linear.data = np.expm1(linear.data.astype(np.float64))
        totals = _totals(linear)
        sums = f"; cells sum to {totals.mean():,.0f} after expm1" if _is_constant(totals) else ""
        return "D104", "log-normalised values", sums
    return "D104", "normalised values", ""


def _totals(rows: csr_matrix) -> np.ndarray:
    totals = np.asarray(rows.sum(axis=1, dtype=np.float64)).ravel()
    return totals[totals > 0]


def _is_constant(totals: np.ndarray) -> bool:
    return len(totals) > 1 and float(totals.std()) < 0.005 * float(totals.mean())


def _offence(rows: csr_matrix, wrong: np.ndarray, code: str, what: str, hint: str = "") -> Offence:
    first = int(np.flatnonzero(wrong)[0])
    return Offence(
        code=code,
        what=what,
        row=int(np.searchsorted(rows.indptr, first, side="right")) - 1,
        column=int(rows.indices[first]),
        value=float(rows.data[first]),
        n_offending=int(wrong.sum()),
        hint=hint,
    )


def _looks_like_counts(file: CountSlots, slot: Slot) -> bool:
    """Say whether the first cells of a slot are finite, non-negative whole numbers."""
    _, rows = next(file.blocks(slot), (0, csr_matrix((0, 0))))
    values = rows[:PEEKED_CELLS].data
    return bool(np.isfinite(values).all() and (values >= 0).all() and (values % 1 == 0).all())


def _reason(passed_over: list[str]) -> str:
    if not passed_over:
        return "whole numbers"
    return f"whole numbers; {' and '.join(passed_over)} hold none"
