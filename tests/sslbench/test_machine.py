"""What a trial ran on is recorded beside its scores."""

import pytest
import torch

from sslbench.machine import machine


def test_a_cpu_is_named_with_its_instructions_and_the_threads() -> None:
    found = machine("cpu", threads=2)
    assert found == {"device": f"cpu {torch.backends.cpu.get_cpu_capability()}", "threads": "2"}


def test_a_gpu_is_called_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "NVIDIA H100")
    assert machine("cuda", threads=1)["device"] == "cuda NVIDIA H100"
