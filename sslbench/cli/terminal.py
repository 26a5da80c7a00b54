"""What a person sees in the terminal: labelled lines, tables that fit 100 columns, one progress line."""

from __future__ import annotations

import json
import logging
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.control import Control
from rich.segment import ControlType
from rich.table import Table
from rich.text import Text

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)
TABLE_WIDTH = 120
FEWEST_FOR_ESTIMATE = 4  # the first trials also pay for starting the workers
LONGEST_SILENCE = 45.0
QUIET_SECONDS = 5.0  # between two progress lines where the terminal cannot redraw one


def say(label: str, text: str) -> None:
    """Print one labelled line to stderr, where everything for people goes."""
    err.print(f"[bold]{label:<8}[/bold] ", end="")
    err.print(text, markup=False)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, title: str = "") -> None:
    """Print a table of plain text cells."""
    table = Table(
        title=title or None,
        title_justify="left",
        box=None,
        pad_edge=False,
        padding=(0, 1, 0, 0),
        header_style="bold",
    )
    for name in columns:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    wide = Console(highlight=False, width=None if out.is_terminal else TABLE_WIDTH)
    wide.print(table)


def print_json(value: Any) -> None:
    """Print one JSON object to stdout."""
    sys.stdout.write(json.dumps(value, indent=1, default=str) + "\n")


def duration(seconds: float) -> str:
    """Return seconds as `h:mm:ss`."""
    whole = int(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def redraw(line: str) -> None:
    """Put `line` in place of the one that the cursor is on, so that whatever is printed next replaces it."""
    # Controls, because rich takes carriage returns out of what it prints.
    err.control(Control(ControlType.CARRIAGE_RETURN, (ControlType.ERASE_IN_LINE, 2)))
    err.print(line[: err.width - 1], end="", markup=False)
    err.control(Control(ControlType.CARRIAGE_RETURN))


class Progress:
    """One line that says how many trials have ended, how long the rest may take, and what is best so far."""

    def __init__(self, *, n_planned: int, n_ended: int) -> None:
        self.n_planned, self.n_ended, self.n_at_start = n_planned, n_ended, n_ended
        self.started = time.monotonic()
        self._last = time.monotonic()
        self._best = ""
        self._over = threading.Event()
        threading.Thread(target=self._beat, daemon=True).start()

    def ended(self, *, best: str) -> None:
        """Count one more trial and show the line, but not too often."""
        self.n_ended += 1
        self._best = best
        now = time.monotonic()
        if err.is_terminal or now - self._last >= QUIET_SECONDS or self.n_ended == self.n_planned:
            self._last = now
            self._show()

    def close(self) -> None:
        """Leave the last line standing."""
        self._over.set()
        if err.is_terminal:
            err.print()

    def _beat(self) -> None:
        """Show the line again where no trial has ended for long: trials can take hours."""
        while not self._over.wait(LONGEST_SILENCE / 3):
            if time.monotonic() - self._last >= LONGEST_SILENCE:
                self._last = time.monotonic()
                self._show()

    def _show(self) -> None:
        done = min(1.0, self.n_ended / self.n_planned)
        bar = ("#" * round(16 * done)).ljust(16, "-")
        since = f"{duration(time.monotonic() - self.started)} so far"
        line = f"[{bar}] {self.n_ended}/{self.n_planned}  {since}  {self._left()}  {self._best}"
        if err.is_terminal:
            redraw(line)
        else:
            err.print(line, markup=False)

    def _left(self) -> str:
        here = self.n_ended - self.n_at_start
        if here < FEWEST_FOR_ESTIMATE:
            return "…"
        each = (time.monotonic() - self.started) / max(1, here)
        return f"{duration(each * (self.n_planned - self.n_ended))} left"


@contextmanager
def working(phase: str) -> Iterator[None]:
    """Show every few seconds what the data room logs of its progress, or `phase` before it does; nothing if it is short."""
    lines, log = _LatestLine(phase), logging.getLogger("sslbench.data")
    level = log.level
    log.addHandler(lines)
    log.setLevel(logging.INFO)
    try:
        yield
    finally:
        log.setLevel(level)
        log.removeHandler(lines)
        lines.close()


class _LatestLine(logging.Handler):
    """Repeats the latest message with the time so far: redrawn in a terminal, now and then in a log file."""

    def __init__(self, phase: str) -> None:
        super().__init__(logging.INFO)
        self.started, self._text = time.monotonic(), phase
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a message until the next beat; a warning stays."""
        if record.levelno < logging.WARNING:
            self._text = record.getMessage()
            return
        if err.is_terminal:
            redraw("")
        say("note", record.getMessage())

    def close(self) -> None:
        """Take the line away, so that what follows stands where it stood."""
        self._over.set()
        self._thread.join()
        if err.is_terminal:
            redraw("")
        super().close()

    def _beat(self) -> None:
        while not self._over.wait(QUIET_SECONDS if err.is_terminal else LONGEST_SILENCE):
            line = f"{self._text}  {duration(time.monotonic() - self.started)} so far"
            if err.is_terminal:
                redraw(line)
            else:
                err.print(line, markup=False)
