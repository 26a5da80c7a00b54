"""What happens to one sweep from its first command to its last, drawn from a seed: where it runs, and which faults hit it."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from random import Random
from typing import NamedTuple

from tests.chaos.checker import check_everything, check_failed_by_deaths
from tests.chaos.faults import (
    Blow,
    Fault,
    another_joins,
    back_after_5_s,
    early,
    everything,
    late,
    node,
    server,
    strike,
    worker,
)
from tests.chaos.harness import Place, ended, place, with_nodes, with_server

BLOWS_PER_STORY = 4
KEPT = Path(__file__).with_name("regressions.txt")

_DRIVER = (Fault(early), *3 * (Fault(late),))  # a quarter of the times in the first seconds
_SIGNALS = tuple(Fault(m, s) for m in (early, late) for s in (signal.SIGINT, signal.SIGTERM))
_WORKER, _EVERYTHING = (Fault(worker),), (Fault(everything),)


class Setting(NamedTuple):
    """Where a sweep runs, and the kinds of faults that can hit it there, each as likely as the others."""

    name: str
    around: Callable[[Place], AbstractContextManager[None]]
    kinds: tuple[tuple[Fault, ...], ...]
    last: Fault | None = None  # after which nobody helps


ALONE = Setting(
    "Ray and MLflow of its own",
    lambda _: nullcontext(),
    (_DRIVER, _WORKER, _EVERYTHING, _SIGNALS),
)
SERVED = Setting(
    "an MLflow server",
    with_server,
    (_DRIVER, _WORKER, (Fault(server, remedy=back_after_5_s),)),
    last=Fault(server),
)
CLUSTERED = Setting(
    "a Ray cluster of two nodes",
    with_nodes,
    (_DRIVER, _WORKER, *2 * ((Fault(node, remedy=another_joins),),)),
    last=Fault(node),
)
SETTINGS = (ALONE, SERVED, ALONE, CLUSTERED, ALONE)


class Plot(NamedTuple):
    """A story before it is told."""

    seed: int
    setting: Setting
    faults: tuple[Fault, ...]


def plot(seed: int) -> Plot:
    """Return what a seed stands for; five seeds in a row have every setting."""
    random, setting = Random(seed), SETTINGS[seed % len(SETTINGS)]
    kinds = random.choices(setting.kinds, k=BLOWS_PER_STORY)
    faults = [random.choice(kind) for kind in kinds]
    if setting.last is not None:
        faults[-1] = setting.last
    return Plot(seed, setting, tuple(faults))


def tell(folder: Path, story: Plot, *, on_blow: Callable[[Blow], None]) -> None:
    """Run a sweep through all that happens to it, and assert afterwards that nothing is lost, repeated or left."""
    random = Random(f"moments of {story.seed}")
    with place(folder) as here, story.setting.around(here):
        snapshots, n_deaths = [ended(here.home)], 0
        for blow in _blows(here, story.faults, random):
            snapshots.append(blow.ended)
            n_deaths += blow.hit and blow.fault.moment in (worker, node)
            on_blow(blow)
        last = here.drivers[-1] if not here.drivers[-1].is_over() else here.start()
        code = last.wait()
        assert code in (0, 5, 6), f"the sweep ended with {code}: {last.output()}"
        check_failed_by_deaths(here.home, n_deaths=n_deaths)
        snapshots.append(ended(here.home))
        check_everything(here, snapshots, is_synced=code == 0)


def _blows(here: Place, faults: tuple[Fault, ...], random: Random) -> Iterator[Blow]:
    """Yield the faults as they are dealt; the command is typed again whenever it is over, for more if all is done."""
    for fault in faults:
        driver = here.drivers[-1] if here.drivers else here.start()
        if driver.is_over():
            if len(ended(here.home)) == here.n_trials:
                here.ask_for_more()
            driver = here.start()
        yield strike(here, driver, fault, random)


def kept_seeds() -> list[int]:
    """Return the seeds that failed once: they are told first, for ever."""
    lines = [line.partition("#")[0].strip() for line in KEPT.read_text().splitlines()]
    return [int(line) for line in lines if line]
