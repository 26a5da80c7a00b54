"""Trials that collapse are a finding and trials that diverge a failure: both are told as such and never scored, and the sweep goes on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from sslbench.ledger import Ledger
from sslbench.results import TrialRecord
from sslbench.search.controls import controls
from tests.chaos.checker import check_whole
from tests.chaos.harness import Driver, Place, ended, place

SWEEP = str(Path(__file__).with_name("troubled.yaml"))
NOTHING_TRAINS = str(Path(__file__).with_name("hopeless.yaml"))
NOT_FINITE = re.compile(r"DivergedError: (loss|gradient_norm) must be finite, got (inf|nan)")


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Place, Driver]]:
    with place(tmp_path_factory.mktemp("troubled")) as here:
        driver = here.start(sweep=SWEEP)
        driver.wait()
        yield here, driver


def records(home: Path) -> list[TrialRecord]:
    (ledger,) = home.glob("ledger/*")
    return list(Ledger(ledger).records().values())


@pytest.mark.slow
@pytest.mark.parametrize("arm, kind", [("vicreg", "collapsed"), ("mae", "diverged")])
def test_troubled_trials_are_records_without_scores_and_are_not_confirmed(
    sweep: tuple[Place, Driver], arm: str, kind: str
) -> None:
    troubled = [r for r in records(sweep[0].home) if r.arm == arm]
    assert [(r.stage, r.outcome) for r in troubled] == [("search", "failed")] * 2
    for record in troubled:
        assert record.failure is not None
        assert record.failure.kind == kind
        assert (record.result, record.score) == (None, None)
        assert all(point.updates < 40 for point in record.reports)


@pytest.mark.slow
def test_what_diverged_says_what_was_not_finite(sweep: tuple[Place, Driver]) -> None:
    failures = [r.failure for r in records(sweep[0].home) if r.arm == "mae"]
    for failure in failures:
        assert failure is not None
        assert NOT_FINITE.match(failure.message), failure.message


@pytest.mark.slow
def test_the_sweep_goes_on_and_says_what_collapsed_and_what_failed(
    sweep: tuple[Place, Driver],
) -> None:
    here, driver = sweep
    said = driver.output()
    assert driver.wait() == 5, said
    others = [r for r in records(here.home) if r.arm not in ("vicreg", "mae")]
    assert {r.outcome for r in others} <= {"finished", "stopped"}
    confirmed = {r.arm for r in others if r.stage == "confirm"}
    assert confirmed == {"simclr", "supervised", *controls()}
    assert re.search(r"failed +\d x mae \(search\) diverged: DivergedError", said)
    assert "2 x vicreg (search) collapsed: CollapsedError: the embedding must keep" in said
    assert "vicreg: all 2 search trials collapsed, so no recipe was confirmed" in said
    assert "Traceback" not in said


@pytest.mark.slow
def test_the_projectors_column_stands_beside_the_encoders(sweep: tuple[Place, Driver]) -> None:
    here, driver = sweep
    assert "knn_projector" in driver.output()
    (confirmed,) = [r for r in records(here.home) if (r.arm, r.stage) == ("simclr", "confirm")]
    assert confirmed.result is not None
    assert {"test/knn/macro_f1", "test/knn_projector/macro_f1"} <= set(confirmed.result.scores)


@pytest.mark.slow
def test_what_is_pulled_was_not_chosen_by_a_projector(
    sweep: tuple[Place, Driver], tmp_path: Path
) -> None:
    done = sweep[0].command("pull", "--to", str(tmp_path / "best"))
    assert done.returncode == 0, done.stderr
    assert "projector" not in (done.stdout + done.stderr)


@pytest.mark.slow
def test_a_check_of_it_names_the_arm_and_goes_on(sweep: tuple[Place, Driver]) -> None:
    done = sweep[0].command("check", SWEEP)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert "vicreg fails with the first values of its space: the embedding must keep" in said
    assert "at most about" in said


@pytest.mark.slow
def test_it_is_whole_and_comes_to_the_same_end_again(sweep: tuple[Place, Driver]) -> None:
    here, _ = sweep
    before = ended(here.home)
    again = here.start(sweep=SWEEP)
    assert again.wait() == 5, again.output()
    assert ended(here.home) == before
    check_whole(here.home, n_trials=len(before))


@pytest.mark.nightly
def test_a_sweep_in_which_nothing_can_be_trained_has_controls_and_no_verdict(
    tmp_path: Path,
) -> None:
    with place(tmp_path) as here:
        driver = here.start(sweep=NOTHING_TRAINS)
        assert driver.wait() == 5, driver.output()
        outcomes = {(r.arm in controls(), r.outcome) for r in records(here.home)}
        assert outcomes == {(False, "failed"), (True, "finished")}
        assert re.search(r"\d x supervised \(search\) diverged", driver.output())
        assert "No verdict: no self-supervised arm was confirmed (planned: mae)." in driver.output()
        assert "Traceback" not in driver.output()
