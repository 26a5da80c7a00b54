"""Say every few seconds how far a pass through the rows of a file has come."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator

from scipy.sparse import csr_matrix

SECONDS_BETWEEN_LINES = 5.0  # and before the first: what takes less says nothing

_log = logging.getLogger(__name__)


def reporting(
    blocks: Iterator[tuple[int, csr_matrix]], *, what: str, n_cells: int
) -> Iterator[tuple[int, csr_matrix]]:
    """Yield the blocks of a slot, and log every few seconds how many of the `n_cells` cells are done."""
    last = time.monotonic()
    for first_row, rows in blocks:
        yield first_row, rows
        if time.monotonic() - last >= SECONDS_BETWEEN_LINES:
            last = time.monotonic()
            _log.info("%s: %s of %s cells", what, f"{first_row + rows.shape[0]:,}", f"{n_cells:,}")
