"""A command as it is typed, but in this process: importing Python's packages anew takes seconds each time."""

from __future__ import annotations

import contextlib
import io
import signal
import sys
import time
from typing import NamedTuple
from unittest import mock

from sslbench.cli import main


class Typed(NamedTuple):
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str
    cpu_seconds: float


def typed(*words: str) -> Typed:
    """Run `sslbench words…` through the command's own entry; a traceback would be an exception here."""
    out, err = io.StringIO(), io.StringIO()
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGUSR1)}
    started = time.process_time()
    try:
        with (
            mock.patch.object(sys, "argv", ["sslbench", *words]),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            main()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        for number, answer in before.items():
            signal.signal(number, answer)
    return Typed(code, out.getvalue(), err.getvalue(), time.process_time() - started)
