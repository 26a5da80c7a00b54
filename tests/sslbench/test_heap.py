import ctypes
import gc
import os
import subprocess
import sys
import weakref

import pytest

from sslbench.heap import KEEP_FREED_MEMORY, give_back_freed_memory

CODE = """
import resource
from threading import Thread
import numpy as np

def touch():
    np.full(10_000_000, 1.0)  # 80 MB, freed at once

def faults_of_ten():
    touch()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        touch()
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)

thread = Thread(target=faults_of_ten)  # as Ray runs a trial
thread.start()
thread.join()
"""


HOLES = """
from pathlib import Path
from sslbench.heap import give_back_freed_memory

def private_memory():
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return 1024 * int(status.partition("RssAnon:")[2].split()[0])

pairs = [(b"x" * 100_000, b"y" * (600 + n % 2)) for n in range(3_000)]
living = [small for _, small in pairs]
del pairs  # a hole before each that lives
before = private_memory()
give_back_freed_memory()
print(before - private_memory())
"""


def page_faults(environment):
    """Of ten large arrays, in a process of its own, because the setting is the process's."""
    found = subprocess.run(
        [sys.executable, "-c", CODE],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "NUMPY_MADVISE_HUGEPAGE": "0", **environment},
    )
    return int(found.stdout)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="an allocator of Linux")
def test_large_blocks_are_used_again_without_page_faults():
    left_alone, kept = page_faults({}), page_faults(KEEP_FREED_MEMORY)
    assert left_alone > 10 * 80_000_000 // 4096 * 0.9
    assert kept < left_alone / 5


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="glibc only")
def test_memory_that_was_freed_between_what_lives_goes_back() -> None:
    # in a process of its own: what other tests have freed would be filled first
    found = subprocess.run(
        [sys.executable, "-c", HOLES], capture_output=True, text=True, check=True
    )
    assert int(found.stdout) > 50e6


def test_what_only_points_at_itself_is_freed_too() -> None:
    class Knot:
        def __init__(self) -> None:
            self.itself = self

    gc.disable()
    try:
        knot = weakref.ref(Knot())
        assert knot() is not None
        give_back_freed_memory()
        assert knot() is None
    finally:
        gc.enable()
