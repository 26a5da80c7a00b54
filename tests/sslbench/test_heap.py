import subprocess
import sys

import pytest

CODE = """
import resource
import numpy as np
from sslbench.heap import keep_freed_memory
assert keep_freed_memory() is True
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
def touch():
    np.full(5_000_000, 1.0)  # 40 MB, freed at once
touch()
before = faults()
for _ in range(10):
    touch()
print(faults() - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="an allocator of Linux")
def test_large_blocks_are_used_again_without_page_faults():
    """In a process of its own, because the setting is the process's."""
    found = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    one_block = 40_000_000 // 4096
    assert int(found.stdout) < one_block / 10
