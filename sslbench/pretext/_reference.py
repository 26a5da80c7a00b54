"""What a classifier without an encoder of its own is fitted on: labelled training cells as genes or components."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sslbench.data.cells import Cells
from sslbench.encoders.base import Encoder, embed_cells
from sslbench.errors import DataError
from sslbench.pretext._components import most_components, write_components
from sslbench.registry import ENCODERS


class Reference(NamedTuple):
    """Labelled training cells."""

    z: np.ndarray  # (n_cells, embedding_dim) float64
    label: np.ndarray  # (n_cells,) int64 codes


def fitted_reference(encoder: Encoder, train: Cells, *, device: str) -> Reference:
    """Fill a linear encoder with principal components of `train`, then embed its labelled cells.

    The encoder identity has nothing to fill. Where cells or genes are fewer than embedding_dim, the dimensions that
    they do not span are 0 for every cell: with few labels a recipe that suits many must still be possible.

    Raises
    ------
    DataError
        D301 if no training cell has a label.
    """
    known = labelled_cells(train)
    if isinstance(encoder, ENCODERS.load("linear")):
        n_components = min(encoder.embedding_dim, most_components(train))
        write_components(encoder, train, n_components=n_components)
    assert known.label is not None
    z = embed_cells(encoder, known, device=device).astype(np.float64)
    return Reference(z=z, label=known.label.astype(np.int64))


def labelled_cells(train: Cells) -> Cells:
    """Return the cells that have a label; raise DataError if none has one."""
    known = None if train.label is None else train.labelled()
    if known is None or len(known) == 0:
        raise DataError(
            "a classifier needs labels, but no training cell has one",
            code="D301",
            fix="check label_key of the data set, or leave the arms that learn from labels out",
        )
    return known
