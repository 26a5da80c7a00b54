"""What a trial runs on: sums are rounded differently on another machine, so that scores may differ by more than luck."""

from __future__ import annotations

import torch


def machine(device: str, *, threads: int) -> dict[str, str]:
    """Return device and threads as plain text: `cpu` and the instructions that torch uses, or `cuda` and its name."""
    on_gpu = device.startswith("cuda")
    kind = torch.cuda.get_device_name() if on_gpu else torch.backends.cpu.get_cpu_capability()
    return {"device": f"{device} {kind}", "threads": str(threads)}
