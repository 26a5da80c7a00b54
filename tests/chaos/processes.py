"""The processes of one sweep as /proc shows them, their sockets, and how they are signalled: one by one, by number."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

WORKER = "ray::ImplicitFunc.train"  # what Ray calls a worker process while it runs a trial
_LISTENS = "0A"  # in the column of states of /proc/net/tcp


class Process(NamedTuple):
    """One living process."""

    parent: int
    command: str
    environment: bytes


def of_driver(driver: int) -> dict[int, str]:
    """Return the command lines of the living processes that the driver `driver` started, by process id.

    They are found by the scratch folder that only they have in their environment or command.
    """
    mark = f"/sslb-{driver}-"
    return {
        pid: process.command
        for pid, process in _living().items()
        if pid != driver and (mark in process.command or mark.encode() in process.environment)
    }


def family(root: int) -> dict[int, str]:
    """Return the command lines of a living process and of all that it and its children started, by process id."""
    living = _living()
    found = {root} & living.keys()
    while more := {pid for pid, process in living.items() if process.parent in found} - found:
        found |= more
    return {pid: living[pid].command for pid in found}


def workers(processes: Mapping[int, str]) -> list[int]:
    """Return those that run a trial right now."""
    return sorted(pid for pid, command in processes.items() if command.startswith(WORKER))


def send(process: int, number: signal.Signals) -> bool:
    """Signal one process; False if it has ended before."""
    try:
        os.kill(process, number)
    except ProcessLookupError:
        return False
    return True


def listening(processes: Iterable[int]) -> set[str]:
    """Return the TCP sockets on which any of these processes listens, by inode: unlike a port, nobody gets it again."""
    held: set[str] = set()
    for pid in processes:
        with suppress(OSError):  # it has just ended
            held |= {os.readlink(file) for file in Path(f"/proc/{pid}/fd").iterdir()}
    return {inode for inode in all_listening() if f"socket:[{inode}]" in held}


def all_listening() -> set[str]:
    """Return every TCP socket of this machine on which somebody listens, by inode."""
    rows = [
        line.split()
        for table in ("/proc/net/tcp", "/proc/net/tcp6")
        if Path(table).exists()
        for line in Path(table).read_text().splitlines()[1:]
    ]
    return {row[9] for row in rows if row[3] == _LISTENS}


def wait_until(condition: Callable[[], bool], *, seconds: float, what: str) -> None:
    """Wait for a condition; raise TimeoutError naming it."""
    started = time.monotonic()
    while not condition():
        if time.monotonic() - started > seconds:
            raise TimeoutError(f"{what}: not within {seconds:.0f} s")
        time.sleep(0.05)


def _living() -> dict[int, Process]:
    found: dict[int, Process] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ")
            environment = (folder / "environ").read_bytes()
            state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
        except OSError:  # it has just ended, or is not ours to look at
            continue
        if state != "Z":
            text = command.decode(errors="replace").strip()
            found[int(folder.name)] = Process(int(parent), text, environment)
    return found
