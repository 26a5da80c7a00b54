"""Memory that one training step frees is the next one's, instead of going back to the system and coming again."""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Mapping

# For the environment of a process that trains, read by glibc as it starts. Left alone, arrays above 32 MB are mapped
# anew each time, and the page faults of 20,000 genes' weights, gradients and moments were 15 % of a step. One arena,
# because those of further threads (Ray runs a trial in one) hold 64 MB at most. The memory of the largest step stays.
KEEP_FREED_MEMORY: Mapping[str, str] = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(2**31 - 1),
}


def give_back_freed_memory() -> None:
    """Free what only points at itself, and let the system have what a long-lived process has freed.

    A driver works for every trial with arrays that grow with the number of trials; what lies between two that live is
    kept by the allocator, 0.1 GB over a thousand trials. Python looks for cycles the less the more a process holds.
    Where the C library is not glibc, nothing goes back to the system.
    """
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
