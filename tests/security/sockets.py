"""The TCP and UDP sockets of a process and of what it has started, as /proc shows them."""

from __future__ import annotations

import ipaddress
import os
import socket
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

LISTENING = "0A"


class Socket(NamedTuple):
    """Where it is, whom it speaks to, and whether it waits to be spoken to."""

    process: int
    local: str
    remote: str
    listens: bool


def sockets_of(processes: Iterable[int]) -> list[Socket]:
    """Return the sockets that these processes hold now; those that end meanwhile hold none."""
    owner = {}
    for process in processes:
        try:
            for entry in Path(f"/proc/{process}/fd").iterdir():
                owner[os.readlink(entry)] = process
        except OSError:
            continue
    found = []
    for table in ("tcp", "tcp6", "udp", "udp6"):
        for line in Path(f"/proc/net/{table}").read_text(encoding="utf-8").splitlines()[1:]:
            fields = line.split()
            process = owner.get(f"socket:[{fields[9]}]")
            if process is not None:
                local, remote = (_address(fields[i].partition(":")[0]) for i in (1, 2))
                found.append(Socket(process, local, remote, fields[3] == LISTENING))
    return found


def is_here(address: str) -> bool:
    """Say whether an address is this machine's own loopback."""
    given = ipaddress.ip_address(address)
    mapped = getattr(given, "ipv4_mapped", None)
    return (mapped or given).is_loopback


def is_nobody(address: str) -> bool:
    """Say whether an address stands for none: a socket that listens, or has not spoken yet."""
    return ipaddress.ip_address(address).is_unspecified


def _address(text: str) -> str:
    """Turn the kernel's words of 32 bits in the machine's order into an address."""
    words = [int(text[i : i + 8], 16) for i in range(0, len(text), 8)]
    packed = struct.pack(f"={len(words)}I", *words)
    return socket.inet_ntop(socket.AF_INET if len(words) == 1 else socket.AF_INET6, packed)
