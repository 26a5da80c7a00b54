"""Maps of a sweep's finalists, made once and kept beside its report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sslbench.cli.parquet import write_table
from sslbench.leaderboard.maps import finalists, made_with, map_cells
from sslbench.ledger import Ledger
from sslbench.results import TrialRecord

if TYPE_CHECKING:
    import pandas as pd

    from sslbench.leaderboard.board import Leaderboard

EMBEDDING = "embedding.parquet"


def kept_maps(
    board: Leaderboard, records: Sequence[TrialRecord], ledger: Ledger, file: Path
) -> dict[str, pd.DataFrame]:
    """Return the maps of the finalists' test cells by uid: those in `file` that are up to date, the others made anew.

    A trial that left no embedding, or one of too few cells, has no map. What is made anew is kept in `file`.
    """
    import pandas as pd

    known, maps, of_uid = _read(file), {}, {record.uid: record for record in records}
    for uid in finalists(board, records).values():
        digest, attempt = of_uid[uid].files.get(EMBEDDING), ledger.attempt(uid)
        if digest is None or attempt is None:
            continue
        source = f"{digest}; {made_with()}"
        placed = known.get((uid, source))
        if placed is None:
            placed = map_cells(pd.read_parquet(attempt.folder / EMBEDDING))
        if placed is not None:
            maps[uid] = placed.assign(uid=uid, source=source)
    if maps and {(uid, m["source"].iloc[0]) for uid, m in maps.items()} != set(known):
        write_table(pd.concat(maps.values(), ignore_index=True), file)
    return maps


def _read(file: Path) -> dict[tuple[str, str], pd.DataFrame]:
    import pandas as pd

    if not file.is_file():
        return {}
    try:
        kept = pd.read_parquet(file)
    except (OSError, ValueError):  # damaged: made anew, as if there were none
        return {}
    return {(str(uid), str(source)): own for (uid, source), own in kept.groupby(["uid", "source"])}
