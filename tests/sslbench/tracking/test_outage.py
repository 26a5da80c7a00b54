"""A server that dies in the middle and comes back has everything once, and who writes the ledger notices nothing."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from sslbench.tracking.live import LiveMirror
from sslbench.tracking.mirror import Mirror
from tests.sslbench.tracking.fake_ledger import facts_of, ledger_at
from tests.sslbench.tracking.fake_sweep import DRAIN_SECONDS, OVER, drive
from tests.sslbench.tracking.real_server import real_server
from tests.sslbench.tracking.test_mirror import projection

pytestmark = pytest.mark.slow
N_TRIALS, EVERY_SECONDS, AWAY_SECONDS, LONGEST_STALL = 20, 0.3, 5.0, 2.0


def test_a_server_that_is_killed_and_comes_back_has_every_trial_once(
    home: Path, uri: str, tmp_path: Path
) -> None:
    ledger, facts = ledger_at(tmp_path), facts_of(home)
    with real_server(tmp_path / "server") as server:
        back = threading.Timer(AWAY_SECONDS, server.start)

        def die() -> None:
            assert live.experiment_id is not None, "nothing had arrived before"
            server.kill()
            back.start()

        with LiveMirror(
            ledger, server.uri, facts, every_seconds=0.2, drain_seconds=DRAIN_SECONDS
        ) as live:
            longest = drive(
                ledger,
                n_trials=N_TRIALS,
                every_seconds=EVERY_SECONDS,
                events={N_TRIALS // 2: die},
            )
            live.finish(OVER)
        back.join()
        assert live.synced, live.last_error
        shown = projection(server.uri)
    assert longest < EVERY_SECONDS + LONGEST_STALL
    Mirror(ledger, uri, facts).close(OVER)
    assert len(shown) == N_TRIALS + 2  # a confirm trial, and the sweep itself
    assert shown == projection(uri)  # as one that was never away
