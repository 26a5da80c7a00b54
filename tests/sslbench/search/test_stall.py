"""A trial that hangs is ended by its clock, and its stack says where; one that lives is left alone."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from sslbench.ledger import STACK
from sslbench.search.stall import stack_left, watched, where_it_hung

# As in a Ray worker: the trial runs in a thread of its own, here one that holds Python's lock for ever.
HANG = """
import re, sys, threading
from pathlib import Path
from sslbench.search.stall import watched

def in_a_loop_that_never_ends():
    with watched(Path(sys.argv[1]), seconds=0.5) as alive:
        alive()
        re.match(r"(a*)*$", "a" * 40 + "b")

threading.Thread(target=in_a_loop_that_never_ends).start()
"""
STACK_OF_A_WORKER = """Timeout (0:30:00)!
Thread 0x00007f146fa966c0 (most recent call first):
  File "/lib/ray/core.py", line 7 in wait

Thread 0x00007f14707fcb80 (most recent call first):
  File "/code/sslbench/data/cells.py", line 5 in read
  File "/code/sslbench/search/trainable.py", line 90 in _attempted
  File "/lib/ray/tune/trainable/trainable.py", line 331 in entrypoint
"""


def test_a_process_that_hangs_is_ended_and_leaves_its_stack(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", HANG, str(tmp_path)], timeout=120, check=False)
    assert done.returncode == 1
    assert "in_a_loop_that_never_ends" in stack_left(tmp_path)


def test_one_that_gives_signs_of_life_or_is_over_is_not(tmp_path: Path) -> None:
    with watched(tmp_path, seconds=5.0) as alive:
        for _ in range(3):
            alive()
        assert stack_left(tmp_path) == ""
        assert (tmp_path / STACK).exists()
    assert not (tmp_path / STACK).exists()
    with pytest.raises(SystemExit), watched(tmp_path, seconds=0.3):
        raise SystemExit  # as when the scheduler stops it
    time.sleep(0.6)  # the clock has stopped
    assert list(tmp_path.iterdir()) == []


def test_the_place_is_the_innermost_line_of_the_thread_that_ran_the_trial() -> None:
    place = where_it_hung(STACK_OF_A_WORKER)
    assert place == 'File "/code/sslbench/data/cells.py", line 5 in read'
    elsewhere = where_it_hung(STACK_OF_A_WORKER.replace("sslbench/search", "lib"))
    assert elsewhere == 'File "/lib/ray/core.py", line 7 in wait'
    assert where_it_hung("torn") == "an unknown place"
