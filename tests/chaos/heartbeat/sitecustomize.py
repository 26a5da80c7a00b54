"""Python imports this by itself where its folder is on PYTHONPATH: in a driver, a thread that says when it could not run.

What holds the interpreter up holds this thread up too, whichever thread it is in. Each line of `$HEARTBEAT_FILE` is the
time at which the thread ran again, and for how many seconds it had not; the first says that it runs at all.
"""

import os
import sys
import threading
import time

EVERY_SECONDS, WORTH_A_LINE = 0.02, 0.2


def _beat(file: str) -> None:
    last = time.monotonic()
    _note(file, 0.0)
    while True:
        time.sleep(EVERY_SECONDS)
        now = time.monotonic()
        if now - last > WORTH_A_LINE:
            _note(file, now - last)
        last = now


def _note(file: str, seconds: float) -> None:
    with open(file, "a", encoding="utf-8") as lines:
        lines.write(f"{time.time():.3f} {seconds:.3f}\n")


if "HEARTBEAT_FILE" in os.environ and "sweep" in sys.orig_argv:  # no worker of Ray's
    threading.Thread(target=_beat, args=(os.environ["HEARTBEAT_FILE"],), daemon=True).start()
