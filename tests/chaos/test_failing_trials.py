"""A trial that diverges is recorded as such, never scored, and the sweep goes on to its end."""

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

NOTHING_TRAINS = str(Path(__file__).with_name("failing.yaml"))
NOT_FINITE = re.compile(r"DivergedError: (loss|gradient_norm) must be finite, got (inf|nan)")
pytestmark = pytest.mark.slow

MAE_DIVERGES = (
    *("-o", "budget.trials=2", "-o", "budget.confirm_seeds=1"),
    *("-o", "arms.mae.encoder.depth=16", "-o", "arms.mae.encoder.norm=none"),
    *("-o", "arms.mae.encoder.activation=silu", "-o", "arms.mae.encoder.width=256"),
    *("-o", "arms.mae.training.learning_rate=1", "-o", "arms.mae.training.gradient_clip=1.0e+30"),
)


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Place, Driver]]:
    with place(tmp_path_factory.mktemp("failing")) as here:
        driver = here.start(*MAE_DIVERGES)
        driver.wait()
        yield here, driver


def records(home: Path) -> list[TrialRecord]:
    (ledger,) = home.glob("ledger/*")
    return list(Ledger(ledger).records().values())


def test_diverged_trials_are_records_without_scores(sweep: tuple[Place, Driver]) -> None:
    failed = [r for r in records(sweep[0].home) if r.arm == "mae"]
    assert len(failed) == 2
    for record in failed:
        assert (record.outcome, record.stage) == ("failed", "search")
        assert record.failure is not None
        assert record.failure.kind == "diverged"
        assert NOT_FINITE.match(record.failure.message), record.failure.message
        assert record.result is None
        assert record.objective_value is None


def test_the_sweep_goes_on_and_says_what_failed(sweep: tuple[Place, Driver]) -> None:
    here, driver = sweep
    assert driver.wait() == 5, driver.output()
    others = [r for r in records(here.home) if r.arm != "mae"]
    assert {r.outcome for r in others} <= {"finished", "stopped"}
    confirmed = {r.arm for r in others if r.stage == "confirm"}
    assert confirmed == {"supervised", *controls()}
    assert re.search(r"failed +\d x mae \(search\) diverged: DivergedError", driver.output())
    assert "Traceback" not in driver.output()


def test_a_sweep_with_failed_trials_is_whole_and_comes_to_the_same_end_again(
    sweep: tuple[Place, Driver],
) -> None:
    here, _ = sweep
    before = ended(here.home)
    again = here.start(*MAE_DIVERGES)
    assert again.wait() == 5, again.output()
    assert ended(here.home) == before
    check_whole(here.home, n_trials=len(before))


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
