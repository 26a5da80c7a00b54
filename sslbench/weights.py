"""Weights on disk: safetensors only, written atomically; whatever else a file turns out to be is refused."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from sslbench.errors import DivergedError, RefusedError

_PICKLES = {b"\x80": "a pickle", b"PK": "a zip archive, as torch.save writes (a pickle inside)"}


def save_weights(file: Path, network: nn.Module) -> None:
    """Write all weights and buffers of a network; raise DivergedError if one is NaN or infinite."""
    tensors = {k: v.detach().cpu().contiguous().clone() for k, v in network.state_dict().items()}
    bad = _not_finite(tensors)
    if bad:
        raise DivergedError(f"weights must be finite to be kept, {bad!r} is not")
    save_file(tensors, file)
    file.chmod(0o644)  # safetensors makes it private; a lab's shared folder needs it readable


def load_weights(file: Path, network: nn.Module) -> None:
    """Fill a network from a file that holds exactly its tensors.

    Raises
    ------
    RefusedError
        If the file is no safetensors file, or a tensor is missing, unknown, of another shape or type, or not
        finite; nothing is loaded then, and no code of the file is ever run.
    """
    _refuse_other_formats(file)
    expected = network.state_dict()
    try:
        with safe_open(file, framework="pt") as stored:
            _refuse_other_names(file, found=set(stored.keys()), expected=set(expected))
            for name, tensor in expected.items():
                shape = tuple(stored.get_slice(name).get_shape())
                if shape != tuple(tensor.shape):
                    raise _refused(file, f"tensor {name!r} has shape {shape}", tuple(tensor.shape))
            tensors = {name: stored.get_tensor(name) for name in expected}
    except SafetensorError as error:
        raise _refused(file, str(error), "a whole safetensors file") from error
    for name, tensor in tensors.items():
        if tensor.dtype != expected[name].dtype:
            raise _refused(file, f"tensor {name!r} is {tensor.dtype}", expected[name].dtype)
    bad = _not_finite(tensors)
    if bad:
        raise _refused(file, f"tensor {bad!r} holds NaN or infinite values", "finite weights")
    network.load_state_dict(tensors)


def weights_fingerprint(network: nn.Module) -> str:
    """Return the first 16 hex digits of the SHA-256 of all weights and buffers, by name: equal bits, equal name."""
    digest = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def _not_finite(tensors: dict[str, Tensor]) -> str | None:
    """Return the name of the first tensor with a value that is not finite."""
    bad = (k for k, v in tensors.items() if v.is_floating_point() and not torch.isfinite(v).all())
    return next(bad, None)


def _refuse_other_formats(file: Path) -> None:
    """Refuse what is no safetensors file: eight bytes with the header's length, then its JSON."""
    if not file.is_file():
        raise _refused(file, "no such file", "a whole model folder")
    with file.open("rb") as handle:
        head = handle.read(9)
    if head[8:] != b"{":
        kinds = [kind for start, kind in _PICKLES.items() if head.startswith(start)]
        raise _refused(
            file, f"this is {(kinds or ['something else'])[0]}", "safetensors, which runs no code"
        )


def _refuse_other_names(file: Path, *, found: set[str], expected: set[str]) -> None:
    for names, trouble in ((found - expected, "unknown"), (expected - found, "missing")):
        if names:
            listed = ", ".join(sorted(names)[:3])
            raise _refused(file, f"{trouble} tensor {listed}", f"{len(expected)} named tensors")


def _refused(file: Path, found: str, expected: object) -> RefusedError:
    return RefusedError(
        "this file does not hold the weights that its model folder describes",
        code="R010",
        where=str(file),
        found=f"{found}; expected {expected}",
        fix="pull or copy the model again, from someone you trust",
        state="nothing was loaded",
    )
