"""What every test leaves as it found it."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator

import pytest

# The background of a script hands SIGINT down as ignored, to the commands under test as well.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def threads_as_they_were() -> Iterator[None]:
    """Take back a change of torch's threads: sums over several are equal to rounding only, not bit by bit."""
    torch = sys.modules.get("torch")
    before = torch.get_num_threads() if torch else None
    yield
    if torch and before is not None:
        torch.set_num_threads(before)
