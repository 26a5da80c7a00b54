"""The agenda as Tune sees it: trials handed out, endings read from the ledger, no state of its own."""

import errno
import os
import pickle

import pytest

from sslbench.ledger import Ledger
from sslbench.results import CurvePoint, TrialResult
from sslbench.search.agenda import Agenda
from sslbench.search.searcher import AgendaSearcher
from sslbench.search.spec import SweepSpec
from sslbench.search.trainable import NO_SPACE

OBJECTIVE = "val/knn/macro_f1"
SPEC = SweepSpec.model_validate(
    {
        "question": "Which?",
        "dataset": {"name": "pbmc_cite"},
        "budget": {"trials": 2, "confirm_seeds": 1},
        "evaluation": [{"name": "knn"}],
        "arms": {
            "pca": {
                "pretext": {"name": "pca"},
                "encoder": {"name": "linear"},
                "search": {"encoder/embedding_dim": {"choice": [4, 8]}},
            }
        },
    }
)


@pytest.fixture
def told():
    return []


@pytest.fixture
def searcher(tmp_path, told):
    agenda = Agenda(SPEC, Ledger(tmp_path), data_fingerprint="data")
    return AgendaSearcher(agenda, on_ended=told.append)


def finish(ledger, uid, value=0.5):
    job, attempt = ledger.job(uid), ledger.new_attempt(uid)
    point = CurvePoint(updates=0, seconds=0, unix_ms=0, values={OBJECTIVE: value})
    result = TrialResult(
        scores={OBJECTIVE: value},
        best_updates=0,
        updates=0,
        seconds=0,
        curve=(point,),
        n_parameters=0,
        regime="unsupervised",
    )
    attempt.finish(job.ended(attempt, "finished", result=result, provenance={}, started_unix_ms=0))


def test_tune_gets_the_name_of_a_planned_trial_and_nothing_large(searcher, tmp_path):
    config = searcher.suggest("t1")
    assert set(config) == {"uid", "arm", "stage"}
    assert config["uid"] in Ledger(tmp_path).jobs()


def test_tune_waits_while_nothing_can_start_and_ends_when_nothing_is_left(searcher, told, tmp_path):
    first, second = searcher.suggest("t1"), searcher.suggest("t2")
    assert searcher.suggest("t3") is None
    for trial, config in (("t1", first), ("t2", second)):
        finish(Ledger(tmp_path), config["uid"])
        searcher.on_trial_complete(trial)
    confirm = searcher.suggest("t3")
    assert confirm["stage"] == "confirm"
    finish(Ledger(tmp_path), confirm["uid"])
    searcher.on_trial_complete("t3")
    assert searcher.suggest("t4") == "FINISHED"
    assert [record.uid for record in told] == [c["uid"] for c in (first, second, confirm)]


def test_how_a_trial_ended_is_read_from_its_record_whatever_tune_says(searcher, told, tmp_path):
    config = searcher.suggest("t1")
    finish(Ledger(tmp_path), config["uid"], value=0.7)
    searcher.on_trial_complete("t1", result={"objective": 0.0}, error=True)
    assert told[0].objective_value == 0.7


def test_a_trial_without_a_record_is_handed_out_again(searcher, told):
    config = searcher.suggest("t1")
    searcher.on_trial_complete("t1", error=True)
    assert told == []
    assert searcher.suggest("t2") == config


def test_a_trial_without_space_is_put_back_and_the_search_ends_with_those_that_run(
    searcher, told, tmp_path
):
    first, second = searcher.suggest("t1"), searcher.suggest("t2")
    searcher.on_trial_complete("t1", result={"ended": True, NO_SPACE: "quota"})
    assert searcher.suggest("t3") is None
    finish(Ledger(tmp_path), second["uid"])
    searcher.on_trial_complete("t2")
    assert searcher.suggest("t3") == AgendaSearcher.FINISHED
    assert [record.uid for record in told] == [second["uid"]]
    assert Ledger(tmp_path).record(first["uid"]) is None


def test_tune_may_call_again_where_the_disk_failed(searcher, told, tmp_path, monkeypatch):
    config = searcher.suggest("t1")
    finish(Ledger(tmp_path), config["uid"])
    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "record", failing)
        with pytest.raises(OSError, match="Stale"):
            searcher.on_trial_complete("t1")
    searcher.on_trial_complete("t1", error=True)
    assert [record.uid for record in told] == [config["uid"]]


def failing(*_):
    raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))


def test_a_trial_that_tune_ends_twice_is_heard_of_once(searcher, told, tmp_path):
    config = searcher.suggest("t1")
    finish(Ledger(tmp_path), config["uid"])
    searcher.on_trial_complete("t1")
    searcher.on_trial_complete("t1")
    assert len(told) == 1


def test_tunes_snapshots_hold_nothing_and_are_never_restored(searcher, tmp_path):
    searcher.suggest("t1")
    assert len(pickle.dumps(searcher)) < 1000
    searcher.save(str(tmp_path / "snapshot"))
    assert (tmp_path / "snapshot").read_text()
    with pytest.raises(RuntimeError, match="run the same sweep command again"):
        searcher.restore(str(tmp_path / "snapshot"))


def test_on_a_nearly_full_disk_no_more_trials_are_started_and_those_running_end(
    searcher, tmp_path, monkeypatch
):
    first = searcher.suggest("t1")
    monkeypatch.setattr("sslbench.search.searcher.free_bytes", lambda _: 1_000)
    assert searcher.suggest("t2") is None
    assert len(Ledger(tmp_path).jobs()) == 1
    finish(Ledger(tmp_path), first["uid"])
    searcher.on_trial_complete("t1")
    assert searcher.suggest("t3") == AgendaSearcher.FINISHED
    monkeypatch.undo()
    assert searcher.suggest("t4")["uid"] != first["uid"]
