"""The importance of options is worked out once, and again only for an arm that has other trials."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

import sslbench.cli.insight as insight
from sslbench.cli.insight import KEPT, kept_importance
from sslbench.leaderboard.importance import ArmImportance, ParameterImportance
from sslbench.results import TrialRecord
from sslbench.search.space import Space
from sslbench.search.spec import SweepSpec
from tests.sslbench.cli.test_board import SEARCHED
from tests.sslbench.cli.test_sweep_notes import question
from tests.sslbench.search.test_importance import record

SPEC = question(
    arms=dict.fromkeys(("mae", "other"), SEARCHED), budget={"trials": 12, "confirm_seeds": 1}
).sweep_spec


@pytest.fixture(autouse=True)
def worked_out(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The arms that were worked out, in order; what comes of it has a test of its own."""
    arms: list[str] = []

    def stand_in(
        arm: str, space: Space, records: Sequence[TrialRecord], *, first_rung: int
    ) -> ArmImportance:
        arms.append(arm)
        n = sum(record.arm == arm for record in records)
        found = [
            ParameterImportance(
                parameter=name, importance=1 / 3, low=0.1, high=0.7, chance=1e-17, n_trials=n
            )
            for name in space
        ]
        return ArmImportance(arm=arm, updates=None, parameters=tuple(found), missing=("x: why",))

    monkeypatch.setattr(insight, "arm_importance", stand_in)
    return arms


def trials(arm: str, *, n: int = 12) -> list[TrialRecord]:
    params = [
        {"training/learning_rate": 10 ** (-4 + i / 6), "encoder/dropout": (i * 5 % 12) / 24}
        for i in range(n)
    ]
    return [record(i, p, i / n, arm=arm) for i, p in enumerate(params)]


def kept(
    file: Path, records: list[TrialRecord], spec: SweepSpec = SPEC
) -> tuple[ArmImportance, ...]:
    return kept_importance(spec, (), records, file)


def test_what_was_worked_out_is_read_again_to_the_last_digit(
    tmp_path: Path, worked_out: list[str]
) -> None:
    records = [*trials("mae"), *trials("other")]
    first = kept(tmp_path / KEPT, records)
    assert [arm.arm for arm in first] == worked_out == ["mae", "other"]
    assert all(len(arm.parameters) == 2 for arm in first)
    assert kept(tmp_path / KEPT, records[::-1]) == first
    assert worked_out == ["mae", "other"]


def test_a_further_trial_of_one_arm_leaves_the_other_as_it_was(
    tmp_path: Path, worked_out: list[str]
) -> None:
    kept(tmp_path / KEPT, [*trials("mae", n=11), *trials("other")])
    mae, _ = kept(tmp_path / KEPT, [*trials("mae"), *trials("other")])
    assert worked_out == ["mae", "other", "mae"]
    assert {one.n_trials for one in mae.parameters} == {12}


def test_another_space_is_another_question(tmp_path: Path, worked_out: list[str]) -> None:
    records = [*trials("mae"), *trials("other")]
    kept(tmp_path / KEPT, records)
    wider = SEARCHED | {"search": SEARCHED["search"] | {"encoder/dropout": {"float": [0.0, 0.6]}}}
    arms = {"mae": wider, "other": SEARCHED}
    later = question(arms=arms, budget={"trials": 12, "confirm_seeds": 1}).sweep_spec
    kept(tmp_path / KEPT, records, later)
    assert worked_out == ["mae", "other", "mae"]


def test_another_first_rung_is_another_question(tmp_path: Path, worked_out: list[str]) -> None:
    stopped = record(
        99, {"training/learning_rate": 1e-3, "encoder/dropout": 0.1}, 0.1, 0.2, outcome="stopped"
    )
    records = [*trials("mae"), stopped, *trials("other")]
    kept(tmp_path / KEPT, records)
    later = SPEC.model_copy(update={"halving": SPEC.halving.model_copy(update={"first_rung": 100})})
    kept(tmp_path / KEPT, records, later)
    assert worked_out == ["mae", "other", "mae"]  # none of the other arm's trials was stopped


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"a": {"arm": 1}}', b"\xff"])
def test_a_damaged_file_is_made_anew(tmp_path: Path, content: bytes) -> None:
    file, records = tmp_path / KEPT, trials("mae")
    first = kept(file, records)
    whole = file.read_bytes()
    file.write_bytes(content)
    assert kept(file, records) == first
    assert file.read_bytes() == whole
