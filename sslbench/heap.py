"""Memory that one training step frees is the next one's, instead of going back to the system and coming again."""

from __future__ import annotations

from collections.abc import Mapping

# For the environment of a process that trains, read by glibc as it starts. Left alone, arrays above 32 MB are mapped
# anew each time, and the page faults of 20,000 genes' weights, gradients and moments were 15 % of a step. One arena,
# because those of further threads (Ray runs a trial in one) hold 64 MB at most. The memory of the largest step stays.
KEEP_FREED_MEMORY: Mapping[str, str] = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(2**31 - 1),
}
