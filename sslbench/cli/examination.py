"""`sslbench doctor`: what this machine has and lacks for sweeps, a line each, and what to do about it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, NamedTuple

from sslbench.cli import terminal
from sslbench.cli.exit_codes import OK
from sslbench.cli.places import Home
from sslbench.cli.preflight import scratch, small_shared_memory
from sslbench.data.places import cache_folder
from sslbench.disk import free_bytes, refuse_unusable
from sslbench.errors import SetupError
from sslbench.provenance import PACKAGES, code_words, provenance
from sslbench.search.cluster import available_cpus

State = Literal["ok", "warn", "problem"]
LEAST_MEMORY = 2 * 2**30  # a driver, Ray and one worker
COMFORTABLE_FREE = 5 * 2**30
EXTRAS = {
    "search": ("ray", "optuna", "mlflow"), "integration": ("scib_metrics",),
    "lightgbm": ("lightgbm",), "scvi": ("scvi",),
}  # fmt: skip


class Finding(NamedTuple):
    """One thing that was looked at."""

    state: State
    what: str
    found: str
    fix: str = ""


def examine(home: Home) -> int:
    """Print every finding; return 4 if one of them is a problem. Nothing but the tracking URI is asked over a network."""
    findings = list(found_out(home))
    for one in findings:
        terminal.say(one.state, f"{one.what:<10} {one.found}")
        if one.fix:
            terminal.say("", f"{'':<10} fix: {one.fix}")
    return SetupError.exit_code if any(one.state == "problem" for one in findings) else OK


def found_out(home: Home) -> Iterator[Finding]:
    """Look at code, processors, memory, folders and the MLflow store, in this order."""
    made_with = provenance()
    yield Finding("ok", "code", f"{code_words(made_with)}, python {made_with['python']}")
    yield Finding("ok", "packages", ", ".join(f"{name} {made_with[name]}" for name in PACKAGES))
    yield from extras()
    yield processors()
    yield memory()
    yield shared_memory()
    yield from folders(home)
    yield from store(home)


def extras() -> Iterator[Finding]:
    """Say which optional parts are installed; without Ray, Optuna and MLflow there are no sweeps."""
    for extra, modules in EXTRAS.items():
        missing = [name for name in modules if find_spec(name) is None]
        fix = f"pip install 'sslbench[{extra}]'" if missing else ""
        state: State = "ok" if not missing else "problem" if extra == "search" else "warn"
        found = f"without {', '.join(missing)}" if missing else "installed"
        yield Finding(state, extra, found, fix)


def processors() -> Finding:
    """Say how many CPUs this process may use, and which GPUs torch sees."""
    from torch import cuda

    names = [cuda.get_device_name(i) for i in range(cuda.device_count())]
    n_cpus, n_there = available_cpus(), os.cpu_count() or 1
    of = f"{n_cpus} of {n_there} CPUs" if n_cpus < n_there else f"{n_cpus} CPUs"
    return Finding("ok", "processors", f"{of}, {', '.join(names) or 'no GPU: trials run on CPUs'}")


def memory() -> Finding:
    """Say how much memory is free, as Linux estimates it."""
    file = Path("/proc/meminfo")
    if not file.exists():
        return Finding("warn", "memory", "this system does not say how much is free")
    lines = dict(line.split(":", 1) for line in file.read_text(encoding="utf-8").splitlines())
    free, there = (1024 * int(lines[name].split()[0]) for name in ("MemAvailable", "MemTotal"))
    found = f"{free / 2**30:.1f} of {there / 2**30:.1f} GB free"
    if free < LEAST_MEMORY:
        return Finding(
            "warn", "memory", found, "end other programs, or resources.max_concurrent: 1"
        )
    return Finding("ok", "memory", found)


def shared_memory() -> Finding:
    """Say whether Ray has shared memory for its objects."""
    small = small_shared_memory()
    if small:
        return Finding("warn", "shared", small, "docker run --shm-size=256m")
    return Finding("ok", "shared", "enough in /dev/shm")


def folders(home: Home) -> Iterator[Finding]:
    """Try to write and lock in every folder that a sweep uses."""
    places: dict[str, Callable[[], Path]] = {
        "results": lambda: home.folder, "scratch": scratch, "cache": cache_folder,
    }  # fmt: skip
    for what, place in places.items():
        try:
            folder = place()
            refuse_unusable(folder)
        except SetupError as error:
            found = f"{error.where or ''}: {error.what}" + (
                f" ({error.found})" if error.found else ""
            )
            # without a cache nothing can be fetched, but everything else works
            yield Finding("warn" if what == "cache" else "problem", what, found, error.fix or "")
            continue
        free = free_bytes(folder)
        found = f"{folder}: written, locked, {free / 2**30:.1f} GB free"
        few = free < COMFORTABLE_FREE
        yield Finding("warn" if few else "ok", what, found, "sslbench clean" if few else "")


def store(home: Home) -> Iterator[Finding]:
    """Ask the MLflow store whether it is there."""
    from sslbench.discretion import without_password
    from sslbench.tracking.reachable import reached
    from sslbench.tracking.store import store_uri

    uri = store_uri(home.folder)
    try:
        found = reached(uri)
    except SetupError as error:  # sweeps run without it, and catch up later
        yield Finding("warn", "mlflow", f"{error.where}: {error.found}", error.fix or "")
        return
    yield Finding("ok", "mlflow", f"{without_password(uri)}: {found}")
