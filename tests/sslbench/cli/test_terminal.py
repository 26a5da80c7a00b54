"""Long work is never silent."""

from __future__ import annotations

import logging
import time

import pytest

from sslbench.cli import terminal


def test_a_line_comes_again_where_no_trial_ends(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(terminal, "LONGEST_SILENCE", 0.06)
    monkeypatch.setattr(terminal, "err", terminal.Console(stderr=True, width=100))
    progress = terminal.Progress(n_planned=4, n_ended=1)
    time.sleep(0.5)
    progress.close()
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) >= 2
    assert all(line.startswith("[####------------] 1/4") for line in lines)
    time.sleep(0.2)
    assert capsys.readouterr().err == ""


def test_long_preparation_tells_how_far_it_is_and_short_one_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(terminal, "LONGEST_SILENCE", 0.1)
    monkeypatch.setattr(terminal, "err", terminal.Console(stderr=True, width=100))
    with terminal.working("preparing"):
        pass
    assert capsys.readouterr().err == ""
    with terminal.working("preparing"):
        time.sleep(0.25)
        logging.getLogger("sslbench.data.h5ad").info("%s cells", "4,000")
        time.sleep(0.25)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "preparing  0:00:00 so far"
    assert lines[-1] == "4,000 cells  0:00:00 so far"
    logging.getLogger("sslbench.data.h5ad").info("unheard")
    assert capsys.readouterr().err == ""
