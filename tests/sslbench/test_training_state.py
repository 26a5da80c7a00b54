"""The file of a training's state: what comes out is what went in, or nothing."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError

from sslbench import training_state
from sslbench.training_state import State, joined, read_state, write_state


def some_state() -> State:
    tensors = {"weight": torch.arange(6.0).reshape(2, 3), "bytes": torch.tensor([1, 2]).byte()}
    return State(tensors, {"updates": 3, "order": {"state": 2**100}, "value": 0.1 + 0.2})


def test_a_state_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_state(tmp_path / "state", some_state())
    found = read_state(tmp_path / "state")
    assert found.facts == some_state().facts
    for name, tensor in some_state().tensors.items():
        assert torch.equal(found.tensors[name], tensor)
        assert found.tensors[name].dtype == tensor.dtype
    assert [file.name for file in tmp_path.iterdir()] == ["state"]


def test_tensors_that_share_memory_or_lie_otherwise_are_kept(tmp_path: Path) -> None:
    weight = torch.arange(6.0).reshape(2, 3)
    write_state(tmp_path / "state", State({"a": weight, "b": weight.t(), "c": weight[1]}, {}))
    found = read_state(tmp_path / "state").tensors
    assert torch.equal(found["b"], found["a"].t())
    assert torch.equal(found["c"], found["a"][1])


def test_a_part_comes_out_of_what_was_joined() -> None:
    whole = joined({"one": some_state(), "two": joined({"0.5": some_state()})})
    inner = whole.part("two")
    assert inner is not None
    found = inner.part("0.5")
    assert found is not None
    assert (found.facts, found.tensors.keys()) == (some_state().facts, some_state().tensors.keys())
    assert whole.part("three") is None


@pytest.mark.parametrize("keep", [0, 7, 100, -1])
def test_a_truncated_file_is_refused(tmp_path: Path, keep: int) -> None:
    file = tmp_path / "state"
    write_state(file, some_state())
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(ValueError, match="state"):
        read_state(file)


def test_a_file_of_which_any_byte_was_changed_is_refused_or_means_the_same(tmp_path: Path) -> None:
    file = tmp_path / "state"
    write_state(file, some_state())
    whole, passed = file.read_bytes(), []
    for place in range(len(whole)):
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        try:
            found = read_state(file)
        except ValueError:
            continue
        passed.append(place)
        assert found.facts == some_state().facts
        assert all(torch.equal(found.tensors[k], v) for k, v in some_state().tensors.items())
    assert len(passed) < 10  # spaces that end the header


def test_what_is_no_state_is_refused_and_a_missing_one_is_told_apart(tmp_path: Path) -> None:
    file = tmp_path / "state"
    file.write_bytes(pickle.dumps({"weight": 1}))
    with pytest.raises(ValueError, match="no whole safetensors file"):
        read_state(file)
    with pytest.raises(FileNotFoundError):
        read_state(tmp_path / "none")


def test_a_disk_that_does_not_take_it_leaves_the_old_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "state"
    write_state(file, some_state())

    def full(tensors: object, target: Path, *_: object) -> None:
        target.write_bytes(b"half")
        raise SafetensorError("no space left on device")

    monkeypatch.setattr(training_state, "save_file", full)
    with pytest.raises(OSError, match="state"):
        write_state(file, State({}, {}))
    assert read_state(file).facts == some_state().facts
    assert [entry.name for entry in tmp_path.iterdir()] == ["state"]
