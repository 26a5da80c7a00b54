"""Weights come back bit-equal, and nothing but weights ever comes in."""

import io
import json
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from sslbench.errors import DivergedError, RefusedError
from sslbench.weights import load_weights, save_weights


def network(seed: int = 0) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))


def tensors() -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in network().state_dict().items()}


def saved(file: Path, changed: dict[str, torch.Tensor]) -> Path:
    save_file(changed, file)
    return file


class _Payload:
    """Unpickling it creates the marker file."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):
        return (Path.touch, (self.marker,))


def _npy(payload: _Payload) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.array([payload], dtype=object), allow_pickle=True)
    return buffer.getvalue()


def _torch(payload: _Payload) -> bytes:
    buffer = io.BytesIO()
    torch.save({"0.weight": payload}, buffer)
    return buffer.getvalue()


def _zip(payload: _Payload) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("data.pkl", pickle.dumps(payload))
    return buffer.getvalue()


def raw_safetensors(header: str, body: bytes) -> bytes:
    return len(header).to_bytes(8, "little") + header.encode() + body


DISGUISED = {
    **{f"pickle{p}": lambda payload, p=p: pickle.dumps(payload, protocol=p) for p in range(6)},
    "torch.save": _torch,
    "zip": _zip,
    "object array": _npy,
    "empty": lambda payload: b"",
    "text": lambda payload: b"weights? what weights?",
    "header of 4 GB": lambda payload: (2**32).to_bytes(8, "little") + b"{" + b" " * 100,
    "header longer than the file": lambda payload: (200).to_bytes(8, "little") + b"{}",
    "nested pickle": lambda payload: raw_safetensors("{", pickle.dumps(payload)),
}


def test_weights_and_running_statistics_come_back_bit_equal(tmp_path):
    trained, other = network(0), network(1)
    trained(torch.rand(8, 3))
    save_weights(tmp_path / "w.safetensors", trained)
    load_weights(tmp_path / "w.safetensors", other)
    for name, tensor in trained.state_dict().items():
        assert torch.equal(other.state_dict()[name], tensor), name


@pytest.mark.parametrize("kind", DISGUISED)
def test_anything_but_safetensors_is_refused_and_never_run(kind, tmp_path):
    file, marker = tmp_path / "encoder.safetensors", tmp_path / "ran"
    file.write_bytes(DISGUISED[kind](_Payload(marker)))
    with pytest.raises(RefusedError) as caught:
        load_weights(file, network())
    assert caught.value.exit_code == 7
    assert not marker.exists()


def test_the_payload_would_have_run_if_it_had_been_unpickled(tmp_path):
    pickle.loads(pickle.dumps(_Payload(tmp_path / "ran")))
    assert (tmp_path / "ran").exists()


def test_a_name_twice_in_the_header_is_refused(tmp_path):
    entry = '"0.weight":{"dtype":"F32","shape":[1],"data_offsets":[%d,%d]}'
    header = "{" + entry % (0, 4) + "," + entry % (4, 8) + "}"
    json.loads(header)  # valid JSON: only the tensors overlap
    file = tmp_path / "w.safetensors"
    file.write_bytes(raw_safetensors(header, bytes(8)))
    with pytest.raises(RefusedError):
        load_weights(file, network())


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_weight_that_is_not_finite_is_refused_by_name(value, tmp_path):
    changed = tensors()
    changed["0.bias"][1] = value
    with pytest.raises(RefusedError, match=r"'0\.bias' holds NaN or infinite"):
        load_weights(saved(tmp_path / "w.safetensors", changed), network())


def test_another_shape_type_or_name_is_refused_by_name_and_nothing_is_loaded(tmp_path):
    narrow = tensors() | {"0.weight": torch.zeros(2, 4)}
    double = tensors() | {"0.weight": torch.zeros(2, 3, dtype=torch.float64)}
    extra = tensors() | {"decoder.weight": torch.zeros(1)}
    fewer = {name: tensor for name, tensor in tensors().items() if name != "0.bias"}
    for changed, words in (
        (narrow, r"'0\.weight' has shape \(2, 4\)"),
        (double, r"'0\.weight' is torch\.float64"),
        (extra, r"unknown tensor decoder\.weight"),
        (fewer, r"missing tensor 0\.bias"),
    ):
        target = network(1)
        with pytest.raises(RefusedError, match=words):
            load_weights(saved(tmp_path / "w.safetensors", changed), target)
        for name, tensor in network(1).state_dict().items():
            assert torch.equal(target.state_dict()[name], tensor)


def test_weights_that_are_not_finite_are_never_kept(tmp_path):
    broken = network()
    with torch.no_grad():
        next(broken.parameters())[0, 0] = torch.nan
    with pytest.raises(DivergedError, match=r"0\.weight"):
        save_weights(tmp_path / "w.safetensors", broken)
    assert not list(tmp_path.iterdir())
