"""`make chaos KILLS=20 SEED=1`: sweeps hit by faults drawn from a seed, until so many were dealt."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
import traceback
from itertools import count
from pathlib import Path

from tests.chaos.checker import lost, repeated
from tests.chaos.faults import Blow
from tests.chaos.harness import Ended
from tests.chaos.stories import KEPT, kept_seeds, plot, tell
from tests.chaos.table import Table


def main() -> int:
    """Tell the kept stories, then new ones until enough faults were dealt; 1 if anything did not hold."""
    kills, first = int(os.environ.get("KILLS", "20")), int(os.environ.get("SEED", "1"))
    table, kept = Table(), kept_seeds()
    for seed in kept:
        _tell(seed, table)
    n_kept = table.n_dealt
    for seed in count(first):
        if table.n_dealt - n_kept >= kills:
            break
        if seed not in kept:
            _tell(seed, table)
    print("\n".join(["", *table.lines(), *table.failed]))
    return 1 if table.failed else 0


def _tell(seed: int, table: Table) -> None:
    story, started, before = plot(seed), time.monotonic(), dict[str, Ended]()
    _say(f"seed {seed}: {story.setting.name}")

    def on_blow(blow: Blow) -> None:
        nonlocal before
        harm = len(lost(before, blow.ended)), len(repeated(before, blow.ended))
        table.tallies[blow.fault.name].add(hit=blow.hit, lost=harm[0], repeated=harm[1])
        before = blow.ended
        went = "went on" if blow.exit_code is None else f"ended with {blow.exit_code}"
        what = f"driver {went}" if blow.hit else "met no running sweep"
        _say(
            f"  {blow.fault.name}: {what}, {len(before)} trials ended, lost {harm[0]}, repeated {harm[1]}"
        )

    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    try:
        tell(folder, story, on_blow=on_blow)
    except (AssertionError, TimeoutError):
        traceback.print_exc(file=sys.stdout)
        _say(f"  FAILED after {time.monotonic() - started:.0f} s; what is left lies in {folder}")
        table.failed.append(f"again: make chaos KILLS=1 SEED={seed}")
        _keep(seed)
        return
    shutil.rmtree(folder)
    _say(f"  everything holds, after {time.monotonic() - started:.0f} s")


def _keep(seed: int) -> None:
    if seed not in kept_seeds():
        with KEPT.open("a", encoding="utf-8") as file:
            file.write(f"{seed}\n")


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
