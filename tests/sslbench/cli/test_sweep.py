"""What a sweep leaves where it is ended at a bad moment."""

from __future__ import annotations

import shutil
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

import sslbench.cli.mirror as mirror_module
import sslbench.cli.sweep as sweep_module
from sslbench.cli.exit_codes import INTERRUPTED
from sslbench.cli.places import Home
from sslbench.cli.question import read_question
from sslbench.ledger import Ledger
from sslbench.search.run import Execution
from tests.sslbench.cli.test_earlier import asked, records


class Done:
    """The agenda of a sweep whose last trial is recorded."""

    def __init__(self, trials: list[Any]) -> None:
        self.trials = trials

    def is_done(self) -> bool:
        return True

    def records(self) -> list[Any]:
        return self.trials

    def n_planned(self) -> int:
        return len(self.trials)


def test_ctrl_c_after_the_last_trial_is_an_interruption_like_any_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "ledger" / "smoke-1"
    question = asked(folder, data="a", at=1)

    def ray_shuts_down(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(sweep_module, "run_execution", ray_shuts_down)
    monkeypatch.setattr(Execution, "agenda", lambda _: Done(records(folder)))
    monkeypatch.setattr(mirror_module, "live_mirror", lambda *_: nullcontext())
    assert sweep_module._run(question, Ledger(folder), Home(tmp_path)) == INTERRUPTED
    assert "2 of 2 trials are safe" in capsys.readouterr().err


class Killed(BaseException):
    """What nobody catches."""


@pytest.mark.parametrize("at", ["before the move", "after the move"])
def test_fresh_that_is_killed_lets_no_new_trial_pass_for_an_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    asked(tmp_path, data="a", at=1)
    before, move = records(tmp_path), shutil.move

    def killed(*paths: Any) -> None:
        if at == "after the move":
            move(*paths)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "move", killed)
        with pytest.raises(Killed):
            sweep_module._set_aside(tmp_path)
    # the same command without --fresh begins a new execution, whatever trials it finds
    assert read_question(tmp_path) is None
    assert records(tmp_path) == (before if at == "before the move" else [])

    sweep_module._set_aside(tmp_path)
    assert read_question(tmp_path) is None
    assert records(tmp_path) == []
    assert len(list(tmp_path.glob("before-*/*/attempt-*/result.json"))) == len(before)
