"""Errors a person can act on: what is wrong, where, the evidence, the fix and the state left behind."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class SslbenchError(Exception):
    """A problem with a known cause; printed as at most eight lines, never as a traceback."""

    exit_code = 1
    default_code = "E000"

    def __init__(
        self,
        what: str,
        *,
        code: str | None = None,
        where: str | None = None,
        found: str | None = None,
        fix: str | None = None,
        state: str = "nothing was written",
    ) -> None:
        self.what = what
        self.code = code or self.default_code
        self.where, self.found, self.fix, self.state = where, found, fix, state
        super().__init__(what)

    def __str__(self) -> str:
        named = [("where", self.where), ("found", self.found), ("fix", self.fix)]
        lines = [f"error[{self.code}] {self.what}"]
        lines += [f"  {name:<6} {text}" for name, text in named if text]
        return "\n".join([*lines, f"  {self.state}"])


class ConfigError(SslbenchError):
    """A sweep file, data-set file or option that cannot be run as written."""

    exit_code = 2
    default_code = "C000"


class DataError(SslbenchError):
    """Cells, genes or labels that do not mean what the command needs them to mean."""

    exit_code = 3
    default_code = "D000"


class SetupError(SslbenchError):
    """A machine, folder or server that does not allow the work."""

    exit_code = 4
    default_code = "S000"


class RefusedError(SslbenchError):
    """Something that would run or reveal more than the person asked for."""

    exit_code = 7
    default_code = "R000"


class DivergedError(ArithmeticError):
    """A loss or score became NaN or infinite: the trial failed and has no scores."""


class CollapsedError(ArithmeticError):
    """Cells lost their differences in the embedding of a joint-embedding task: the trial has no scores."""


def nearest(word: str, known: Iterable[str]) -> str:
    """Say which known word was probably meant, then list all of them."""
    names = sorted(known)
    close = difflib.get_close_matches(word, names, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"{hint}known: {', '.join(names)}"
