"""Check of every store that is built: nothing of its test cells reaches its training cells."""

from __future__ import annotations

from hashlib import blake2b
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix

MIN_NON_ZEROS = 50  # sparser profiles of different cells can be equal by chance
MAX_DUPLICATES = 0.001


class LeakCheck(NamedTuple):
    """One question about a split: its name, whether it is answered well, and the evidence."""

    name: str
    ok: bool
    detail: str


def profile_hashes(rows: csr_matrix) -> np.ndarray:
    """Return a 64-bit hash (n_cells,) uint64 of each profile; 0 for those below 50 non-zeros."""
    hashes = np.zeros(rows.shape[0], dtype=np.uint64)
    indices, values = rows.indices.astype(np.int32), rows.data.astype(np.float32)
    for i in np.flatnonzero(np.diff(rows.indptr) >= MIN_NON_ZEROS):
        start, end = rows.indptr[i], rows.indptr[i + 1]
        digest = blake2b(indices[start:end].tobytes() + values[start:end].tobytes(), digest_size=8)
        hashes[i] = int.from_bytes(digest.digest(), "little")
    return hashes


def leak_checks(
    *,
    split: np.ndarray,
    donor: np.ndarray,
    cell: np.ndarray,
    label: np.ndarray,
    profile: np.ndarray,
) -> list[LeakCheck]:
    """Return the six checks of a split; every array is (n_cells,).

    `donor` is "" where there are none, `label` are codes (-1 unlabelled), `profile` the hashes of
    `profile_hashes`.
    """
    return [
        _donors_disjoint(split, donor),
        _rows_disjoint(split),
        _cells_disjoint(split, cell),
        _no_duplicate_profiles(split, profile),
        _labels_are_not_donors(label, donor),
        _labels_everywhere(split, label),
    ]


def _shared(split: np.ndarray, value: np.ndarray) -> np.ndarray:
    """Return the values that occur in more than one split, each once."""
    pairs = pd.DataFrame({"value": value, "split": split}).drop_duplicates()
    return pairs["value"][pairs["value"].duplicated()].unique()


def _donors_disjoint(split: np.ndarray, donor: np.ndarray) -> LeakCheck:
    if not (donor != "").any():
        return LeakCheck("donors", True, "no donors known: cells are split, and stamped so")
    shared = _shared(split, donor)
    return LeakCheck("donors", len(shared) == 0, f"{len(shared)} donors in more than one split")


def _rows_disjoint(split: np.ndarray) -> LeakCheck:
    known = np.isin(split.astype(str), ("train", "val", "test"))
    return LeakCheck("rows", bool(known.all()), f"{int((~known).sum())} rows without a split")


def _cells_disjoint(split: np.ndarray, cell: np.ndarray) -> LeakCheck:
    shared = _shared(split, cell)
    return LeakCheck("cell names", len(shared) == 0, f"{len(shared)} names in more than one split")


def _no_duplicate_profiles(split: np.ndarray, profile: np.ndarray) -> LeakCheck:
    compared = profile != 0
    n = int(np.isin(profile, _shared(split[compared], profile[compared])).sum())
    ok = n <= MAX_DUPLICATES * len(profile)
    n_compared = int(compared.sum())
    detail = f"{n} exact copies among {n_compared:,} profiles of {MIN_NON_ZEROS} or more genes"
    return LeakCheck("duplicates", ok, detail)


def _labels_are_not_donors(label: np.ndarray, donor: np.ndarray) -> LeakCheck:
    labelled = label >= 0
    donors = donor[labelled]
    if len(set(donors.tolist())) < 2:
        return LeakCheck("labels", True, "one donor, or none known: nothing to compare")
    pairs = set(zip(label[labelled].tolist(), donors.tolist()))
    equal = len(pairs) == len({pair[0] for pair in pairs})
    return LeakCheck("labels", not equal, "each label belongs to one donor" if equal else "mixed")


def _labels_everywhere(split: np.ndarray, label: np.ndarray) -> LeakCheck:
    sets = [set(label[(split == s) & (label >= 0)].tolist()) for s in ("train", "test")]
    odd = sets[0] ^ sets[1]
    return LeakCheck("label set", not odd, f"{len(odd)} scored labels missing in train or test")
