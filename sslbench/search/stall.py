"""A trial that hangs ends its process and leaves its stack, by a clock that needs neither Python nor its lock."""

from __future__ import annotations

import faulthandler
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from sslbench.ledger import STACK

_OURS = "sslbench/search/trainable.py"  # which runs the trial, in a thread of Ray's


@contextmanager
def watched(attempt: Path, *, seconds: float) -> Iterator[Callable[[], None]]:
    """Yield a function that says "I am alive"; `seconds` after the last call, the process is ended.

    The stack of all its threads is then in the attempt's folder. Leaving the block stops the clock.
    """
    file = attempt / STACK
    try:
        with file.open("w", encoding="utf-8") as stack:
            alive = partial(faulthandler.dump_traceback_later, seconds, exit=True, file=stack)
            alive()
            try:
                yield alive
            finally:
                faulthandler.cancel_dump_traceback_later()
    finally:
        file.unlink(missing_ok=True)


def stack_left(attempt: Path) -> str:
    """Return the stack that a trial left which was ended by its clock; "" for any other."""
    file = attempt / STACK
    return file.read_text(encoding="utf-8", errors="replace") if file.exists() else ""


def where_it_hung(stack: str) -> str:
    """Return the innermost line of the thread that ran the trial, or of the first one if none did."""
    threads = [[line.strip() for line in part.splitlines()[1:]] for part in stack.split("\n\n")]
    ours = [lines for lines in threads if any(_OURS in line for line in lines)]
    innermost = [line for lines in [*ours, *threads] for line in lines if line.startswith("File ")]
    return innermost[0] if innermost else "an unknown place"
