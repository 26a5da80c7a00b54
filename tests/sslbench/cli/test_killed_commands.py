"""Commands that are killed at any of their calls to the file system leave nothing that a person must clear away."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import sslbench.cli.maps as maps_module
import sslbench.leaderboard.picture as picture_module
import sslbench.leaderboard.report.page as page_module
from sslbench.cli.board import Answer
from sslbench.cli.external import FOLDER, ExternalRecord, read_externals, write_external
from sslbench.cli.places import Home
from sslbench.cli.pull import _taking_its_place
from sslbench.cli.report_seal import current_report
from sslbench.ledger import Ledger
from tests.sslbench.crash_points import How, broken, crashed, dead, each_call, full, powerless
from tests.sslbench.leaderboard.fake_sweep import FakeSweep, fake_sweep

WAYS = pytest.mark.parametrize("way", [dead, crashed, full, broken])


def pull(to: Path, name: str) -> None:
    """Put a model in place of what an earlier pull left."""
    with _taking_its_place(to, force=True) as new:
        new.mkdir()
        (new / "encoder.safetensors").write_text(name)
        (new / "checkpoint.json").write_text(name)


def pulled(to: Path) -> set[str]:
    return {file.read_text() for file in to.iterdir()}


@WAYS
def test_a_pull_that_is_interrupted_leaves_a_whole_model_or_none_and_the_next_one_works(
    tmp_path: Path, way: How
) -> None:
    def interrupt(at: int) -> bool:
        to = tmp_path / str(at) / "best"
        pull(to, "old")
        was_interrupted = way(lambda: pull(to, "new"), at)
        if way in (full, broken) or to.exists():  # only a kill may leave no model
            assert pulled(to) in ({"old"}, {"new"})
        pull(to, "newer")
        assert pulled(to) == {"newer"}
        assert [entry.name for entry in to.parent.iterdir()] == ["best"]
        return was_interrupted

    assert len(each_call(interrupt)) >= 9


def test_a_model_is_on_the_disk_before_it_takes_the_place_of_another(tmp_path: Path) -> None:
    def interrupt(at: int) -> bool:
        to = tmp_path / str(at) / "best"
        pull(to, "old")
        was_interrupted = powerless(to.parent)(lambda: pull(to, "new"), at)
        if to.exists():
            assert pulled(to) in ({"old"}, {"new"})
        return was_interrupted

    assert len(each_call(interrupt)) >= 9


def score(folder: Path, which: str) -> None:
    """Put a row `mine` in place of an earlier one of that name; `which` tells them apart."""
    record = ExternalRecord(
        name="mine", obsm="X_mine", n_dimensions=2, saw_dataset="no", dataset="d", data_fingerprint="f",
        objective="val/knn/macro_f1", scores={"val/knn/macro_f1": 0.5}, seconds=0.0, provenance={},
        metric_versions={}, ended_unix_ms=1, command=which, files={},
    )  # fmt: skip
    table = pd.DataFrame({"of": [which]})
    write_external(folder, record, predictions=table, units=table)


@WAYS
def test_a_row_whose_writing_is_interrupted_is_whole_or_none_and_the_next_one_works(
    tmp_path: Path, way: How
) -> None:
    def interrupt(at: int) -> bool:
        folder = tmp_path / str(at)
        score(folder, "old")
        was_interrupted = way(lambda: score(folder, "new"), at)
        rows, holes = read_externals(folder)
        assert holes == ()
        if way in (full, broken) or rows:  # only a kill may leave no row
            (row,) = rows
            assert [row.command] == list(row.predictions["of"]) == list(row.units["of"])
        score(folder, "newer")
        assert [row.command for row in read_externals(folder)[0]] == ["newer"]
        assert [entry.name for entry in (folder / FOLDER).iterdir()] == ["mine"]
        return was_interrupted

    assert len(each_call(interrupt)) >= 9


@pytest.fixture
def drawn_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let reports be written as ever, and drawn in no time."""
    monkeypatch.setattr(page_module, "render_html", lambda *_, **__: "<p>the page</p>")
    monkeypatch.setattr(
        picture_module, "draw_leaderboard", lambda board, facts, file: file.write_text("drawn")
    )
    monkeypatch.setattr(maps_module, "finalists", lambda *_: {})


def answered(sweep: FakeSweep, folder: Path) -> Answer:
    """The answer of a ledger in which each trial has its record."""
    ledger = Ledger(folder / "ledger")
    for record in sweep.records:
        attempt = ledger.trials / record.uid / f"attempt-{record.attempt}"
        attempt.mkdir(parents=True)
        (attempt / "result.json").write_text("a record")
    board = sweep.ranked()
    return Answer(
        board=board, facts=sweep.facts, records=sweep.records, predictions=sweep.predictions, ledger=ledger
    )  # fmt: skip


def files(folder: Path) -> dict[str, bytes]:
    return {
        f.name: f.read_bytes() for f in folder.rglob("*") if f.is_file() and f.suffix != ".json"
    }


@pytest.mark.parametrize("way", [dead, full])
@pytest.mark.usefixtures("drawn_fast")
def test_a_report_whose_writing_is_interrupted_is_whole_the_next_time(
    tmp_path: Path, way: How
) -> None:
    found = answered(fake_sweep(), tmp_path)
    current_report(Home(tmp_path / "undisturbed"), found)
    expected = files(tmp_path / "undisturbed")

    def interrupt(at: int) -> bool:
        home = Home(tmp_path / str(at))
        was_interrupted = way(lambda: current_report(home, found), at)
        current_report(home, found)
        assert files(home.folder) == expected
        return was_interrupted

    assert len(each_call(interrupt)) >= 30


def test_maps_that_cannot_be_read_are_as_none(tmp_path: Path) -> None:
    file = tmp_path / "x.maps.parquet"
    pd.DataFrame({"uid": ["a"], "source": ["b"], "x": [0.0]}).to_parquet(file)
    assert set(maps_module._read(file)) == {("a", "b")}
    whole = file.read_bytes()
    for damaged in (b"", whole[:-7], b"PAR1" + b"\0" * 90):
        file.write_bytes(damaged)
        assert maps_module._read(file) == {}
