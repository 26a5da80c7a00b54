"""Ctrl-C, SIGTERM and the SIGUSR1 by which schedulers warn: once ends a sweep in good order, twice at once."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from sslbench.cli.exit_codes import INTERRUPTED

ASKED_TO_END = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
GOES_ON = "the same command goes on from here"


def as_ctrl_c(_: int, frame: FrameType | None) -> None:
    """Answer a signal as Ctrl-C is answered at this moment: by Tune while trials run, else by KeyboardInterrupt."""
    answer = signal.getsignal(signal.SIGINT)
    if not callable(answer):  # inherited as ignored, as of `nohup` and of a script's `&`
        raise KeyboardInterrupt
    answer(signal.SIGINT, frame)


@contextmanager
def interruptible(command: str, *, at_once: Callable[[], None]) -> Iterator[None]:
    """Count the signals that ask a sweep to end; the second calls `at_once`, says how to go on, and ends the process.

    It does so from a thread that the kernel wakes: the main thread may be inside of Ray, where no answer of Python's
    is heard, and what it does in good order takes seconds.
    """
    ours, kernels = socket.socketpair()
    kernels.setblocking(False)
    listener = threading.Thread(target=_listen, args=(ours, command, at_once), daemon=True)
    listener.start()
    before = signal.set_wakeup_fd(kernels.fileno(), warn_on_full_buffer=False)
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        kernels.close()  # which ends the thread
        listener.join()
        ours.close()


def _listen(signals: socket.socket, command: str, at_once: Callable[[], None]) -> None:
    heard = 0
    while numbers := signals.recv(64):
        before, heard = heard, heard + sum(number in ASKED_TO_END for number in numbers)
        if heard > 1:
            at_once()
            _say(f"ended at once; {GOES_ON}: {command}")
            os._exit(INTERRUPTED)
        if heard > before:
            _say("ending in good order, which takes seconds; ask again to end at once")


def _say(text: str) -> None:
    """Write a line to stderr without the terminal's lock, which the main thread may hold."""
    os.write(2, f"\n{text}\n".encode())
