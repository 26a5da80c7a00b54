"""The processes of one sweep as /proc shows them; found by the scratch folder that only they have in their environment."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

WORKER = "ray::ImplicitFunc.train"  # what Ray calls a worker process while it runs a trial


def of_driver(driver: int) -> dict[int, str]:
    """Return the command lines of the living processes that the driver `driver` started, by process id."""
    mark = f"/sslb-{driver}-".encode()
    found: dict[int, str] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes()
            is_ours = mark in command + (folder / "environ").read_bytes()
            state = (folder / "stat").read_text().rpartition(")")[2].split()[0]
        except OSError:  # it has just ended, or is not ours to look at
            continue
        if is_ours and state != "Z" and int(folder.name) != driver:
            found[int(folder.name)] = command.replace(b"\0", b" ").decode(errors="replace").strip()
    return found


def workers(driver: int) -> list[int]:
    """Return the worker processes that run a trial right now."""
    return sorted(p for p, command in of_driver(driver).items() if command.startswith(WORKER))


def send(process: int, number: signal.Signals) -> bool:
    """Signal one process; False if it has ended before."""
    try:
        os.kill(process, number)
    except ProcessLookupError:
        return False
    return True


def wait_until(condition: Callable[[], bool], *, seconds: float, what: str) -> None:
    """Wait for a condition; raise TimeoutError naming it."""
    started = time.monotonic()
    while not condition():
        if time.monotonic() - started > seconds:
            raise TimeoutError(f"{what}: not within {seconds:.0f} s")
        time.sleep(0.02)
