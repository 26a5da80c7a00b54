"""`sslbench clean`: what old runs have left that nothing needs any more; removed only if asked, never beside a driver."""

from __future__ import annotations

import shutil
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sslbench.cli import terminal
from sslbench.cli.places import Home
from sslbench.cli.question import read_question
from sslbench.errors import SetupError
from sslbench.ledger import CURVE, Ledger
from sslbench.search.drivers import driver_kept_out
from sslbench.search.leftovers import abandoned, clear_up

YOUNG_SECONDS = (
    3600.0  # a store may be there some time before its sweep writes down that it needs it
)


@dataclass(frozen=True)
class Spare:
    """Something that may go."""

    what: str
    path: Path

    @property
    def n_bytes(self) -> int:
        """What it holds; links count as nothing."""
        files = [self.path, *self.path.rglob("*")] if self.path.is_dir() else [self.path]
        return sum(f.stat().st_size for f in files if f.is_file() and not f.is_symlink())

    def remove(self) -> None:
        """Delete it; a folder with all that is in it, a link alone."""
        if self.path.is_dir() and not self.path.is_symlink():
            shutil.rmtree(self.path)
        else:
            self.path.unlink()


def clean(home: Home, *, really: bool) -> None:
    """List what may go, by kind, and what it would free; remove it if `really`."""
    n_bytes, busy = 0, False
    for folder in sorted(f for f in home.ledgers.glob("*") if f.is_dir()):
        with driver_kept_out(folder) as driver:
            busy = busy or bool(driver)
            if driver:
                terminal.say("kept", f"{folder.name}: is being run by {driver}")
            else:
                n_bytes += _take(of_ledger(folder), really=really)
    if busy:
        terminal.say("kept", f"{home.stores}: a driver may be about to use them")
    else:
        n_bytes += _take(orphaned_stores(home), really=really)
    n_bytes += _take((Spare("scratch of a killed driver", f) for f in abandoned()), really=False)
    if really:
        clear_up()  # ends what still runs there, too
    amount = f"{n_bytes / 1e6:,.1f} MB"
    terminal.say(
        "freed" if really else "free",
        amount if really else f"{amount} with --yes; nothing was removed",
    )


def of_ledger(folder: Path) -> Iterator[Spare]:
    """Yield what a ledger folder can do without: trials set aside, and what attempts left that others have replaced.

    Curves stay, which MLflow shows of every attempt; so does every file of the attempt that counts.
    """
    for aside in sorted(folder.glob("before-*")):
        yield Spare("trials that --fresh set aside", aside)
    ledger = Ledger(folder)
    for trial in sorted(f for f in ledger.trials.glob("*") if f.is_dir()):
        if ledger.record(trial.name) is None:
            continue
        *replaced, counts = ledger.attempts(trial.name)
        for attempt in replaced:
            for entry in sorted(attempt.folder.iterdir()):
                if entry.name != CURVE:
                    yield Spare("files of an attempt that another replaced", entry)
        for torn in sorted(counts.folder.glob(".*.tmp")):
            yield Spare("a file that was being written when its writer was killed", torn)


def orphaned_stores(home: Home) -> Iterator[Spare]:
    """Yield the cell stores that no question of the ledger names: they can be prepared again from the data."""
    try:
        questions = [read_question(f) for f in home.ledgers.glob("*") if f.is_dir()]
    except SetupError as error:  # what cannot be read may name any of them
        terminal.say("kept", f"{home.stores}: {error.where} cannot be read")
        return
    needed = {Path(s).name for q in questions if q for s in (q.store, q.corpus) if s}
    for store in sorted(f for f in home.stores.glob("*") if f.is_dir()):
        is_young = time.time() - store.stat().st_mtime < YOUNG_SECONDS
        others = store.name.startswith(".") and f"@{socket.gethostname()}@" not in store.name
        if store.name not in needed and not is_young and not others:
            yield Spare("a cell store that no sweep of the ledger uses", store)


def _take(spares: Iterator[Spare], *, really: bool) -> int:
    """Show each, remove it if `really`, and return the bytes of all."""
    n_bytes = 0
    for spare in list(spares):
        size = spare.n_bytes
        terminal.say("spare", f"{size / 1e6:>9,.1f} MB  {spare.path}  ({spare.what})")
        if really:
            spare.remove()
        n_bytes += size
    return n_bytes
