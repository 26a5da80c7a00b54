"""Does self-supervised pretraining help on my cells? Public names, imported when they are first used."""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOMES = {
    "TrialConfig": "sslbench.config",
    "annotate": "sslbench.checkpoint",
    "embed": "sslbench.checkpoint",
    "load_encoder": "sslbench.checkpoint",
    "run_trial": "sslbench.trial",
}

__all__ = ["TrialConfig", "annotate", "embed", "load_encoder", "run_trial"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'sslbench' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
