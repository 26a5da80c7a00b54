"""The files of a report: every form of the leaderboard, and maps that are made once."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import sslbench.cli.maps as maps_module
from sslbench.cli.board import Answer, write_report
from sslbench.cli.maps import kept_maps
from sslbench.cli.mirror import ending
from sslbench.cli.places import Home
from sslbench.leaderboard.board import Leaderboard
from sslbench.leaderboard.maps import finalists
from sslbench.leaderboard.text import to_frame
from sslbench.ledger import Ledger
from sslbench.results import TrialRecord
from tests.sslbench.leaderboard.fake_sweep import FakeSweep, fake_sweep


class FakeAttempt:
    def __init__(self, folder: Path) -> None:
        self.folder = folder


class FakeLedger(Ledger):
    """A ledger whose trials left nothing but embeddings."""

    def attempt(self, uid: str) -> FakeAttempt:  # type: ignore[override]
        return FakeAttempt(self.folder / uid)


def left_embeddings(sweep: FakeSweep, folder: Path, *, seed: int = 0) -> list[TrialRecord]:
    """Write an embedding for each confirm trial; return the records, which name them."""
    generator, records = np.random.default_rng(seed), []
    for record in sweep.records:
        if record.uid in sweep.predictions:
            rows = sweep.predictions[record.uid]["row_id"].iloc[:60]
            z = pd.DataFrame(generator.normal(size=(60, 4)), columns=["z0", "z1", "z2", "z3"])
            place = folder / record.uid
            place.mkdir(exist_ok=True)
            table = z.assign(row_id=rows, batch="")
            table.to_parquet(place / "embedding.parquet", index=False)
            digest = hashlib.sha256((place / "embedding.parquet").read_bytes()).hexdigest()
            record = record.model_copy(update={"files": {"embedding.parquet": digest}})
        records.append(record)
    return records


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of the embeddings that were mapped; the map is the first two dimensions, for speed."""
    seen: list[int] = []

    def first_two(embedding: pd.DataFrame) -> pd.DataFrame:
        seen.append(len(embedding))
        return embedding[["row_id", "batch"]].assign(x=embedding["z0"], y=embedding["z1"])

    monkeypatch.setattr(maps_module, "map_cells", first_two)
    return seen


def board_and_records(sweep: FakeSweep, folder: Path) -> tuple[Leaderboard, list[TrialRecord]]:
    return sweep.ranked(), left_embeddings(sweep, folder)


def test_every_form_is_written_beside_the_page_and_goes_to_the_parent_run(
    tmp_path: Path, counted: list[int]
) -> None:
    sweep = fake_sweep()
    board, records = board_and_records(sweep, tmp_path)
    found = Answer(
        board=board, facts=sweep.facts, records=records, predictions=sweep.predictions,
        ledger=FakeLedger(tmp_path),
    )  # fmt: skip
    files = write_report(Home(tmp_path), found)
    forms = [".html", ".csv", ".md", ".tex", ".parquet", ".png", ".svg", ".maps.parquet"]
    assert [file.name for file in files] == [f"mae_masking.pbmc_cite{form}" for form in forms]
    assert all(file.stat().st_size > 0 for file in files)
    assert ending(found, files).report_files == tuple(files)
    assert not list((tmp_path / "reports").glob(".*"))
    assert 'class="dots' in files[0].read_text()
    kept = pd.read_parquet(files[4])
    pd.testing.assert_frame_equal(kept, to_frame(board))
    assert len(counted) == sum(not row.is_control for row in board.rows)


def test_maps_are_made_once_and_again_only_where_the_embedding_is_another(
    tmp_path: Path, counted: list[int]
) -> None:
    sweep, file = fake_sweep(), tmp_path / "x.maps.parquet"
    board, records = board_and_records(sweep, tmp_path)
    first = kept_maps(board, records, FakeLedger(tmp_path), file)
    assert set(first) == set(finalists(board, records).values())
    again = kept_maps(board, records, FakeLedger(tmp_path), file)
    assert len(counted) == len(first) > 1
    for uid, placed in first.items():
        pd.testing.assert_frame_equal(
            placed.reset_index(drop=True), again[uid].reset_index(drop=True)
        )
    other = left_embeddings(sweep, tmp_path, seed=1)
    one = next(iter(first))
    changed = [o if o.uid == one else r for o, r in zip(other, records, strict=True)]
    moved = kept_maps(board, changed, FakeLedger(tmp_path), file)
    assert len(counted) == len(first) + 1
    assert not moved[one]["x"].equals(first[one]["x"].reset_index(drop=True))


def test_trials_of_earlier_versions_left_no_embedding_and_have_no_map(
    tmp_path: Path, counted: list[int]
) -> None:
    sweep, file = fake_sweep(), tmp_path / "x.maps.parquet"
    assert kept_maps(sweep.ranked(), sweep.records, FakeLedger(tmp_path), file) == {}
    assert not file.exists()
    assert counted == []
