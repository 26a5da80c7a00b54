"""The encoder for tasks that train it further: always a copy, so that an arm is the same before and after."""

from __future__ import annotations

import copy

from sslbench.encoders.base import Encoder
from sslbench.errors import ConfigError
from sslbench.evaluation.base import Embedded, Networks


def networks_of(train: Embedded, *, task: str, instead: str) -> Networks:
    """Return what embedded the cells; raise ConfigError C035 where only the embedding is known."""
    if train.networks is None or train.cells is None:
        raise ConfigError(
            f"evaluation task {task!r} trains an encoder, and here is only an embedding",
            code="C035",
            fix=f"score it by {instead}",
        )
    return train.networks


def trainable_copy(encoder: Encoder) -> Encoder:
    """Return a copy whose weights are all trained, whatever was frozen before."""
    return copy.deepcopy(encoder).requires_grad_(True)
