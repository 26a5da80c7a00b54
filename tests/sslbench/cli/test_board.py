"""What the importance of options goes through on its way from the ledger to the terminal."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from sslbench.cli import show, terminal
from sslbench.cli.board import Answer, answer, report_name, write_report
from sslbench.cli.places import Home
from sslbench.leaderboard.importance import ArmImportance, ParameterImportance
from sslbench.ledger import Ledger
from sslbench.results import CurvePoint, TrialResult
from sslbench.search.agenda import Agenda
from tests.sslbench.cli.test_sweep_notes import SUPERVISED, question
from tests.sslbench.leaderboard.fake_sweep import MAE, OBJECTIVE, fake_sweep
from tests.sslbench.leaderboard.fake_sweep import SUPERVISED as FAKE_SUPERVISED

SEARCHED = {
    "pretext": {"name": "masked"},
    "encoder": {"name": "mlp"},
    "search": {
        "training/learning_rate": {"log_float": [1e-4, 1e-2]},
        "encoder/dropout": {"float": [0.0, 0.5]},
    },
}


def test_importance_comes_from_the_ledger_and_lands_in_the_report(tmp_path: Path) -> None:
    """A search whose objective is the logarithm of the learning rate."""
    asked = question(
        arms={"mae": SEARCHED, "supervised": SUPERVISED},
        budget={"trials": 14, "confirm_seeds": 1},
        halving={"first_rung": 70},
    )
    ledger = Ledger(tmp_path / "ledger")
    plan = Agenda(asked.sweep_spec, ledger, data_fingerprint="data")
    while (job := plan.next()) is not None:
        value = -math.log10(job.params.get("training/learning_rate", 1e-3)) / 10
        point = CurvePoint(updates=0, seconds=0, unix_ms=0, values={OBJECTIVE: value})
        result = TrialResult(
            scores={OBJECTIVE: value},
            best_updates=0,
            updates=0,
            seconds=0,
            curve=(point,),
            n_parameters=1,
            regime="self-supervised",
        )
        attempt = ledger.new_attempt(job.uid)
        attempt.finish(
            job.ended(attempt, "finished", result=result, provenance={}, started_unix_ms=0)
        )
        plan.ended(job.uid)
    found = answer(ledger.folder, asked)
    assert found.facts.first_rung == 70
    (mae,) = found.importance  # the supervised arm searches nothing
    assert mae.foremost is not None
    assert mae.foremost.parameter == "training/learning_rate"
    assert mae.foremost.n_trials == 14
    home = Home(tmp_path)
    page = write_report(home, found)[0]
    assert page.stem == report_name(found.facts)
    assert "Which options matter" in page.read_text(encoding="utf-8")


def shown(importance: ArmImportance, capsys: pytest.CaptureFixture[str]) -> str:
    sweep = fake_sweep([MAE, FAKE_SUPERVISED])
    found = Answer(
        board=sweep.ranked(),
        facts=sweep.facts,
        records=sweep.records,
        predictions=sweep.predictions,
        ledger=Ledger(Path("none")),
        importance_of=lambda: (importance,),
    )
    show.show_answer(found)
    return capsys.readouterr().err


@pytest.mark.parametrize(
    "arm, chance, says", [("mae", 0.3, True), ("mae", 0.7, False), ("supervised", 0.3, False)]
)
def test_the_terminal_names_what_stands_out_in_self_supervised_arms(
    arm: str,
    chance: float,
    says: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(terminal, "err", terminal.Console(stderr=True, soft_wrap=True))
    mask = ParameterImportance(
        parameter="pretext/mask", importance=0.62, low=0.1, high=0.8, chance=chance, n_trials=16
    )
    text = shown(ArmImportance(arm=arm, updates=225, parameters=(mask,)), capsys)
    line = "mae: pretext/mask explains 62 % (10–80, chance up to 30)"
    assert (line in text) == says
    assert ("matters" in text) == says
