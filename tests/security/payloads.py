"""Files that would run a command if they were unpickled: each creates the marker, and none ever may."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import torch


class Payload:
    """Unpickling it creates the marker file."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Callable[..., object], tuple[Path]]:
        return (Path.touch, (self.marker,))


class State:
    """A harmless object that holds one that is not."""

    def __init__(self, marker: Path) -> None:
        self.inner = [{"weights": Payload(marker)}]


def into(write: Callable[[io.BytesIO], Any]) -> bytes:
    buffer = io.BytesIO()
    write(buffer)
    return buffer.getvalue()


def zipped(**members: bytes) -> bytes:
    def write(buffer: io.BytesIO) -> None:
        with zipfile.ZipFile(buffer, "w") as archive:
            for name, content in members.items():
                archive.writestr(name, content)

    return into(write)


def header_then(pickled: bytes) -> bytes:
    """A safetensors header that is whole, over tensors whose bytes are a pickle."""
    n = len(pickled)
    header = json.dumps({"x": {"dtype": "U8", "shape": [n], "data_offsets": [0, n]}}).encode()
    return len(header).to_bytes(8, "little") + header + pickled


PAYLOADS: dict[str, Callable[[Path], bytes]] = {
    "pickle, protocol 0": lambda m: pickle.dumps(Payload(m), protocol=0),
    "pickle, protocol 2": lambda m: pickle.dumps(Payload(m), protocol=2),
    "pickle, protocol 5": lambda m: pickle.dumps(Payload(m), protocol=5),
    "nested pickle": lambda m: pickle.dumps({"a": State(m)}),
    "state dict of torch.save": lambda m: into(lambda b: torch.save({"w": Payload(m)}, b)),
    "old format of torch.save": lambda m: into(
        lambda b: torch.save({"w": Payload(m)}, b, _use_new_zipfile_serialization=False)
    ),
    "joblib": lambda m: into(lambda b: joblib.dump(Payload(m), b)),
    "compressed joblib": lambda m: into(lambda b: joblib.dump(Payload(m), b, compress=3)),
    "numpy array of objects": lambda m: into(
        lambda b: np.save(b, np.array([Payload(m)], dtype=object), allow_pickle=True)
    ),
    "numpy archive of objects": lambda m: into(
        lambda b: np.savez(b, x=np.array([Payload(m)], dtype=object))
    ),
    "zip of pickle and tensors": lambda m: zipped(
        **{"data.pkl": pickle.dumps(Payload(m)), "encoder.safetensors": header_then(b"x")}
    ),
    "safetensors over a pickle": lambda m: header_then(pickle.dumps(Payload(m))),
}
