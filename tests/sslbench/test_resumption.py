"""An interrupted trial goes on from what it kept, to the scores of one that was not; what is kept never costs a trial."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from sslbench import resumption as module
from sslbench.config import TrialConfig
from sslbench.results import CurvePoint, TrialResult
from sslbench.resumption import Resumption, code_and_machine
from sslbench.training_state import State, read_state
from sslbench.trial import run_trial
from tests.factories import synthetic_store

OBJECTIVE = "val/knn/macro_f1"
STATE = "pretraining-{}.safetensors"


class KilledError(Exception):
    """As a kill: nothing after it happens."""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    return synthetic_store(tmp_path_factory.mktemp("store"))


def config(pretext: str = "masked", *, fractions: tuple[float, ...] = ()) -> TrialConfig:
    return TrialConfig.model_validate(
        {
            "dataset": {"name": "synthetic"},
            "pretext": {"name": pretext},
            "encoder": {"name": "mlp", "width": 16, "embedding_dim": 8, "dropout": 0.2},
            "training": {"max_updates": 8, "evaluate_every": 2, "minibatch_size": 32},
            "evaluation": [{"name": "knn"}, {"name": "linear_probe"}],
            "objective": OBJECTIVE,
            "label_fractions": fractions,
            "seed": 1,
        }
    )


def kept_in(folder: Path, *earlier: Path, made_with: str = "this", every: float = 0) -> Resumption:
    return Resumption(folder, earlier=earlier, made_with=made_with, every_seconds=every)


def run(
    chosen: TrialConfig,
    store: Path,
    workdir: Path,
    *,
    kept: Resumption | None = None,
    report: Callable[[CurvePoint], None] = lambda point: None,
) -> TrialResult:
    workdir.mkdir(parents=True, exist_ok=True)
    return run_trial(
        chosen, store=store, workdir=workdir, report=report, score_test=True, resumption=kept
    )


def killed_at(updates: int) -> Callable[[CurvePoint], None]:
    def report(point: CurvePoint) -> None:
        if point.updates == updates:
            raise KilledError

    return report


def kill_judge(monkeypatch: pytest.MonkeyPatch, *, after: int) -> None:
    """Kill the trial when its `after`-th label point is judged, once."""
    from sslbench import trial

    whole, judged = trial.judge, []

    def judge(*given: object, **named: object) -> object:
        judged.append(1)
        if len(judged) == after:
            raise KilledError
        return whole(*given, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(trial, "judge", judge)


def check_equal(one: TrialResult, other: TrialResult) -> None:
    assert one.scores == other.scores
    assert one.encoders == other.encoders
    assert [(p.updates, p.values) for p in one.curve] == [
        (p.updates, p.values) for p in other.curve
    ]
    assert (one.best_updates, one.updates) == (other.best_updates, other.updates)


def test_an_interrupted_trial_reports_its_points_again_and_ends_bit_equal(
    store: Path, tmp_path: Path
) -> None:
    straight = run(config(), store, tmp_path / "straight")
    with pytest.raises(KilledError):
        run(config(), store, tmp_path / "1", kept=kept_in(tmp_path / "r1"), report=killed_at(6))
    heard: list[CurvePoint] = []
    kept = kept_in(tmp_path / "r2", tmp_path / "r1")
    again = run(config(), store, tmp_path / "2", kept=kept, report=heard.append)
    check_equal(again, straight)
    assert heard == list(again.curve)
    assert [p.updates for p in heard] == [2, 4, 6, 8]


@pytest.mark.parametrize("pretext", ["masked", "supervised"])
@pytest.mark.parametrize("after", [1, 2, 3])
def test_a_trial_of_several_label_fractions_repeats_no_pretraining_that_has_ended(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pretext: str, after: int
) -> None:
    chosen = config(pretext, fractions=(0.25, 0.5))
    straight = run(chosen, store, tmp_path / "straight")
    with monkeypatch.context() as patch:
        kill_judge(patch, after=after)
        with pytest.raises(KilledError):
            run(chosen, store, tmp_path / "1", kept=kept_in(tmp_path / "r1"))
    updates = count_updates(monkeypatch)
    again = run(chosen, store, tmp_path / "2", kept=kept_in(tmp_path / "r2", tmp_path / "r1"))
    check_equal(again, straight)
    n_pretrainings = 3 if pretext == "supervised" else 1
    assert len(updates) == 8 * max(0, n_pretrainings - after)


def count_updates(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    from sslbench import training

    whole, counted = training._update, []

    def update(*given: object, **named: object) -> None:
        counted.append(1)
        whole(*given, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(training, "_update", update)
    return counted


def test_a_short_trial_writes_nothing(store: Path, tmp_path: Path) -> None:
    run(config(), store, tmp_path / "1", kept=kept_in(tmp_path / "r1", every=600))
    assert not (tmp_path / "r1").exists()
    assert module.KEEP_EVERY_SECONDS == 10


def test_what_takes_long_to_keep_is_kept_more_seldom(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    def write(file: Path, state: State) -> None:
        now[0] += 1.0 if file.name == "large" else 0.1

    monkeypatch.setattr(module, "write_state", write)
    for name, pause in (("small", 10.0), ("large", 50.0)):
        kept = kept_in(tmp_path / name, every=10.0)
        kept.write(name, State({}, {}))
        due = []
        for later in (pause - 0.5, 1.0):
            now[0] += later
            due.append(kept.is_due())
        assert due == [False, True]


def test_seconds_go_on_from_those_of_the_earlier_attempt(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(KilledError):
        run(config(), store, tmp_path / "1", kept=kept_in(tmp_path / "r1"), report=killed_at(6))
    kept_seconds = read_state(tmp_path / "r1" / STATE.format(0)).facts["trial"]["seconds"]
    kept = kept_in(tmp_path / "r2", tmp_path / "r1")
    later = time.monotonic() + 1000  # the machine was off meanwhile
    monkeypatch.setattr(time, "monotonic", lambda: later)
    kept = kept_in(tmp_path / "r2", tmp_path / "r1")
    again = run(config(), store, tmp_path / "2", kept=kept)
    assert again.seconds == pytest.approx(kept_seconds)
    seconds = [p.seconds for p in again.curve]
    assert seconds == sorted(seconds)
    assert seconds[-1] < 100


def left_behind(store: Path, folder: Path) -> Path:
    with pytest.raises(KilledError):
        run(config(), store, folder / "1", kept=kept_in(folder / "r1"), report=killed_at(6))
    return folder / "r1" / STATE.format(0)


@pytest.mark.parametrize("damage", ["truncated", "garbage", "foreign"])
def test_a_damaged_or_foreign_state_is_left_alone_with_a_line_in_the_log(
    store: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    file = left_behind(store, tmp_path)
    made_with = "other" if damage == "foreign" else "this"
    if damage == "truncated":
        file.write_bytes(file.read_bytes()[:-100])
    elif damage == "garbage":
        file.write_bytes(b"\x80\x04garbage")
    updates: list[int] = []
    kept = kept_in(tmp_path / "r2", tmp_path / "r1", made_with=made_with)
    with caplog.at_level(logging.WARNING):
        again = run(
            config(), store, tmp_path / "2", kept=kept, report=lambda p: updates.append(p.updates)
        )
    assert updates == [2, 4, 6, 8]
    assert len([r for r in caplog.records if "does not go on from" in r.getMessage()]) == 1
    check_equal(again, run(config(), store, tmp_path / "straight"))


def test_an_older_state_is_taken_up_if_the_newest_is_damaged(store: Path, tmp_path: Path) -> None:
    left_behind(store, tmp_path)
    second = kept_in(tmp_path / "r2", tmp_path / "r1")
    with pytest.raises(KilledError):
        run(config(), store, tmp_path / "2", kept=second, report=killed_at(8))
    newest = tmp_path / "r2" / STATE.format(0)
    assert read_state(newest).facts["kept"]["training"]["updates"] == 6
    newest.write_bytes(b"")
    kept = kept_in(tmp_path / "r3", tmp_path / "r1", tmp_path / "r2")
    found = kept.of(0).read()
    assert found is not None
    assert found.facts["training"]["updates"] == 4


def test_a_disk_that_takes_nothing_costs_the_trial_nothing(
    store: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "r1").write_text("a file where the folder should be")
    with caplog.at_level(logging.WARNING):
        result = run(config(), store, tmp_path / "1", kept=kept_in(tmp_path / "r1"))
    check_equal(result, run(config(), store, tmp_path / "straight"))
    assert "progress was not kept" in caplog.text


def test_what_made_a_state_is_code_versions_and_machine_but_no_commit() -> None:
    provenance = {"torch": "2", "device": "cpu", "commit": "a", "dirty": "false"}
    same = code_and_machine(provenance)
    assert code_and_machine(provenance | {"commit": "b", "dirty": "true"}) == same
    assert code_and_machine(provenance | {"torch": "3"}) != same
    assert code_and_machine(provenance | {"device": "cuda"}) != same
