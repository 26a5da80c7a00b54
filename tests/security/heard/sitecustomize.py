"""Loaded by every Python process whose PYTHONPATH holds this folder: notes each address it speaks to or asks for."""

import os
import sys

_NOTES = os.environ.get("SSLBENCH_TEST_HEARD")
_EVENTS = {"socket.connect", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo", "socket.gethostbyname"}  # fmt: skip


def _note(event: str, arguments: tuple[object, ...]) -> None:
    if event in _EVENTS:
        told = arguments[0] if event.startswith("socket.get") else arguments[1]
        descriptor = os.open(str(_NOTES), os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(descriptor, f"{event}\t{told!r}\t{sys.argv[:2]!r}\n".encode())
        os.close(descriptor)


if _NOTES:
    sys.addaudithook(_note)
