"""Which genes each study of a store measured, on disk beside its counts: written only where some lack some."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sslbench.data.cells import MeasuredGenes

OF_STUDY, STUDY = "measured_of_study.npy", "study.npy"


def write_measured(folder: Path, of_study: np.ndarray, *, study: np.ndarray) -> tuple[str, ...]:
    """Write `of_study` (n_studies, n_genes) bool and each row's study (n_rows,), unless all is measured.

    Returns the names of the files that were written.
    """
    if of_study.all():
        return ()
    np.save(folder / OF_STUDY, of_study.astype(bool))
    np.save(folder / STUDY, study.astype(np.int64))
    return OF_STUDY, STUDY


def read_measured(folder: Path) -> MeasuredGenes | None:
    """Return what the studies of a store measured, or None if every gene was measured for every cell."""
    if not (folder / OF_STUDY).exists():
        return None
    return MeasuredGenes(
        of_study=np.load(folder / OF_STUDY), study=np.load(folder / STUDY, mmap_mode="r")
    )
