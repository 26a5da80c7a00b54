"""An arm that collapses is a finding: told as such, never scored, and no failure of the sweep."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sslbench.ledger import Ledger
from sslbench.results import TrialRecord
from tests.chaos.harness import Driver, Place, place

SWEEP = str(Path(__file__).with_name("collapsing.yaml"))
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Place, Driver]]:
    with place(tmp_path_factory.mktemp("collapsing")) as here:
        driver = here.start(sweep=SWEEP)
        driver.wait()
        yield here, driver


def records(home: Path) -> list[TrialRecord]:
    (ledger,) = home.glob("ledger/*")
    return list(Ledger(ledger).records().values())


def test_collapsed_trials_are_records_without_scores_and_are_not_confirmed(
    sweep: tuple[Place, Driver],
) -> None:
    collapsed = [r for r in records(sweep[0].home) if r.arm == "vicreg"]
    assert [(r.stage, r.outcome) for r in collapsed] == [("search", "failed")] * 2
    for record in collapsed:
        assert record.failure is not None
        assert record.failure.kind == "collapsed"
        assert (record.result, record.score) == (None, None)
        assert all(point.updates < 40 for point in record.reports)


def test_the_sweep_says_so_and_ends_as_done(sweep: tuple[Place, Driver]) -> None:
    _, driver = sweep
    assert driver.wait() == 0, driver.output()
    assert (
        "2 x vicreg (search) collapsed: CollapsedError: the embedding must keep" in driver.output()
    )
    assert "vicreg: all 2 search trials collapsed, so no recipe was confirmed" in driver.output()
    assert "Traceback" not in driver.output()


def test_the_projectors_column_stands_beside_the_encoders(sweep: tuple[Place, Driver]) -> None:
    here, driver = sweep
    assert "knn_projector" in driver.output()
    (confirmed,) = [r for r in records(here.home) if (r.arm, r.stage) == ("simclr", "confirm")]
    assert confirmed.result is not None
    assert {"test/knn/macro_f1", "test/knn_projector/macro_f1"} <= set(confirmed.result.scores)


def test_what_is_pulled_was_not_chosen_by_a_projector(
    sweep: tuple[Place, Driver], tmp_path: Path
) -> None:
    done = sweep[0].command("pull", "--to", str(tmp_path / "best"))
    assert done.returncode == 0, done.stderr
    assert "projector" not in (done.stdout + done.stderr)


def test_a_check_of_it_names_the_arm_and_goes_on(sweep: tuple[Place, Driver]) -> None:
    done = sweep[0].command("check", SWEEP)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert "vicreg fails with the first values of its space: the embedding must keep" in said
    assert "at most about" in said
