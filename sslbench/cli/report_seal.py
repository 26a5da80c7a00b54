"""Reports are drawn again only if something they are made of changed; the ledger is read every time."""

from __future__ import annotations

import json
import os
from functools import cache
from pathlib import Path

import sslbench
from sslbench.cli.board import Answer, report_name, write_report
from sslbench.cli.places import Home
from sslbench.config import fingerprint
from sslbench.durable import write_atomically
from sslbench.ledger import ATTEMPT, RESULT

FOLDER = ".made_of"  # inside the folder of reports


def current_report(home: Home, found: Answer) -> list[Path]:
    """Return the files of the report, the page first; they are written if they are not there as they were made.

    A seal beside the reports says what each was made of. Without one, or with one that cannot be read, it is written.
    """
    seal = home.reports / FOLDER / f"{report_name(found.facts)}.json"
    made_of = _made_of(found)
    files = _sealed(seal, made_of)
    if files is None:
        files = write_report(home, found)
        seal.parent.mkdir(exist_ok=True)
        states = {file.name: _state(file) for file in files}
        write_atomically(seal, json.dumps({"made_of": made_of, "files": states}))
    return files


def _sealed(seal: Path, made_of: str) -> list[Path] | None:
    """Return the files of a seal if they were made of this and nobody touched them since; None otherwise."""
    try:
        said = json.loads(seal.read_text(encoding="utf-8"))
        files = [seal.parent.parent / name for name in said["files"]]
        whole = all(_state(file) == said["files"][file.name] for file in files)
        return files if files and whole and said["made_of"] == made_of else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return (
            None  # no seal, a torn one, or a file is gone: all the same, the report is drawn again
        )


def _made_of(found: Answer) -> str:
    """Return the fingerprint of everything a report shows: the ledger's files, the facts, and the code that draws."""
    trials = found.ledger.trials
    records = [
        [r.uid, *_state(f"{trials}/{r.uid}/{ATTEMPT}{r.attempt}/{RESULT}")] for r in found.records
    ]
    return fingerprint([records, repr(found.facts), _code()])


@cache
def _code() -> list[list[str | int]]:
    """Return name, size and time of every module that a report may pass through."""
    root = Path(str(sslbench.__file__)).parent
    files = sorted([*(root / "leaderboard").rglob("*.py"), *(root / "cli").glob("*.py")])
    return [[file.relative_to(root).as_posix(), *_state(file)] for file in files]


def _state(file: Path | str) -> list[int]:
    found = os.stat(file)
    return [found.st_size, found.st_mtime_ns]
