"""A real sweep that is asked to end: once in good order, twice at once, and the same command goes on either way."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.chaos.harness import SWEEP, Driver, Place, place
from tests.chaos.processes import of_driver, send, wait_until

pytestmark = pytest.mark.slow


class Ended(NamedTuple):
    """How a driver ended after its last signal."""

    code: int
    seconds: float
    output: str


def signalled(here: Place, driver: Driver, *numbers: signal.Signals) -> Ended:
    """Signal a sweep whose trials run, half a second between two signals."""
    wait_until(lambda: bool(here.workers(driver)), seconds=200, what="a trial runs")
    for number in numbers[:-1]:
        send(driver.pid, number)
        time.sleep(0.5)
    assert send(driver.pid, numbers[-1])
    struck = time.monotonic()
    code = driver.wait()
    return Ended(code, time.monotonic() - struck, driver.output())


def test_a_warning_ends_it_in_good_order_and_two_signals_at_once(tmp_path: Path) -> None:
    with place(tmp_path) as here:
        warned = signalled(here, here.start(), signal.SIGUSR1)
        again = here.start()
        twice = signalled(here, again, signal.SIGINT, signal.SIGTERM)
        left = of_driver(again.pid)
        scratch = list(here.scratch.glob("sslb-*"))
    command = f"the same command goes on from here: sslbench sweep {SWEEP} --home {here.home}"
    for ended in (warned, twice):
        assert ended.code == 130, ended.output
        assert command in ended.output
        assert "Traceback" not in ended.output
    assert "trials are safe" in warned.output
    # 15 and 2 seconds are what is promised of a machine that has nothing else to do
    print(f"in good order {warned.seconds:.1f} s, at once {twice.seconds:.1f} s")
    assert warned.seconds <= 40
    assert "ended at once" in twice.output
    assert twice.seconds <= 10
    assert left == {}
    assert scratch == []
