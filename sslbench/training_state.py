"""What a training depends on from one update to the next, in one file: tensors and plain numbers, no code.

The file is written in one step and names the SHA-256 of all that it holds, so that one which a crash or the disk has
damaged is told from a whole one.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any, NamedTuple

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from sslbench.durable import beside, settle


class State(NamedTuple):
    """Tensors by name, and facts that JSON can hold."""

    tensors: dict[str, Tensor]
    facts: dict[str, Any]

    def part(self, name: str) -> State | None:
        """Return what `joined` has put under `name`; None if there is no such part."""
        if name not in self.facts:
            return None
        start = f"{name}/"
        inside = {k: v for k, v in self.tensors.items() if k.startswith(start)}
        return State({k.removeprefix(start): v for k, v in inside.items()}, self.facts[name])


def joined(parts: dict[str, State]) -> State:
    """Return one state of several, each under its name, which has no `/`."""
    tensors = {f"{name}/{k}": v for name, part in parts.items() for k, v in part.tensors.items()}
    return State(tensors, {name: part.facts for name, part in parts.items()})


def write_state(file: Path, state: State) -> None:
    """Replace `file` in one step that survives a crash: it holds the old state or the whole new one.

    Raises
    ------
    OSError
        If the disk does not take it; the old file is there still.
    """
    # copies, because safetensors refuses tensors that share memory
    tensors = {k: v.detach().cpu().contiguous().clone() for k, v in state.tensors.items()}
    facts = json.dumps(state.facts)
    temporary = beside(file)
    try:
        save_file(tensors, temporary, {"facts": facts, "sha256": _digest(tensors, facts)})
        settle(temporary)
        os.replace(temporary, file)
        settle(file.parent)
    except (OSError, SafetensorError) as error:
        temporary.unlink(missing_ok=True)
        raise OSError(f"{file}: {error}") from error


def read_state(file: Path) -> State:
    """Return the state in a file; no code of it is ever run.

    Raises
    ------
    ValueError
        If the file is damaged or no such state.
    FileNotFoundError
        If there is none.
    """
    try:
        with safe_open(file, framework="pt") as stored:
            noted, names = stored.metadata() or {}, stored.keys()
            tensors = {name: stored.get_tensor(name) for name in names}
    except SafetensorError as error:
        raise ValueError(f"{file} is no whole safetensors file: {error}") from error
    facts = noted.get("facts", "")
    if noted.get("sha256") != _digest(tensors, facts):
        raise ValueError(f"{file} does not hold what was written")
    # copies, in memory of torch's own: sums over memory that begins elsewhere may be rounded differently
    return State({name: tensor.clone() for name, tensor in tensors.items()}, json.loads(facts))


def _digest(tensors: dict[str, Tensor], facts: str) -> str:
    digest = hashlib.sha256(facts.encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()
