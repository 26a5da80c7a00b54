"""Where and with what a run was measured: versions, processor, commit, and the machine's limits."""

from __future__ import annotations

import os
import platform
import re
from datetime import datetime
from pathlib import Path

import torch

from benchmarks.ceilings import ceilings
from sslbench.provenance import provenance, version_of

PACKAGES = (
    "torch", "numpy", "scipy", "anndata", "scanpy", "lightning", "torchmetrics", "ray", "optuna",
    "scdataset", "annbatch",
)  # fmt: skip


def header() -> dict[str, str]:
    """Return what stands above the table; measures the ceilings, which takes seconds."""
    found = provenance()
    dirty = " + uncommitted changes" if found["dirty"] == "true" else ""
    versions = ", ".join(f"{package} {version_of(package)}" for package in PACKAGES)
    return {
        "date": datetime.now().astimezone().isoformat(sep=" ", timespec="minutes"),
        "commit": (found["commit"] or "not in a repository") + dirty,
        "python": platform.python_version(),
        "packages": versions,
        "processor": f"{processor()}, {len(os.sched_getaffinity(0))} cores",
        "device": gpu() or "none but the processor",
        **ceilings(),
    }


def processor() -> str:
    """Return the model name of the CPU, or its architecture where the system does not tell."""
    information = Path("/proc/cpuinfo")
    text = information.read_text(encoding="utf-8") if information.exists() else ""
    name = re.search(r"^model name\s*: *(.+)$", text, re.MULTILINE)
    return name[1] if name else platform.machine()


def gpu() -> str:
    """Return the name of the first GPU, "" where there is none."""
    return torch.cuda.get_device_name(0) if torch.cuda.is_available() else ""


def device_slug() -> str:
    """Return the device as part of a file's name: "cpu", "nvidia-h100-80gb-hbm3"."""
    return re.sub(r"[^a-z0-9]+", "-", gpu().lower()).strip("-") or "cpu"
