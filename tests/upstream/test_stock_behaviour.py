"""What we work around in the pinned versions of others; where a test fails here, a work-around may go."""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import optuna
import pytest
from mlflow import MlflowClient
from ray.tune.search.optuna import OptunaSearch

pytestmark = pytest.mark.nightly
TIMEOUT_SECONDS = 1


def test_tune_leaves_an_optuna_trial_with_a_nan_objective_running_for_ever() -> None:
    """Why the state of a study comes from records (`search/study.py`)."""
    space = {"rate": optuna.distributions.FloatDistribution(0.0, 1.0)}
    search = OptunaSearch(space, metric="score", mode="max")
    search.suggest("t1")
    search.on_trial_complete("t1", {"score": math.nan})
    (trial,) = search._ot_study.trials
    assert trial.state == optuna.trial.TrialState.RUNNING


class LateServer(ThreadingHTTPServer):
    """Carries out every request, and answers the first one when nobody listens any more."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Late)
        self.asked: list[str] = []


class _Late(BaseHTTPRequestHandler):
    server: LateServer

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked.append(self.path)
        if len(self.server.asked) == 1:
            time.sleep(2 * TIMEOUT_SECONDS)
            return
        info = {"run_id": f"{len(self.server.asked):032x}", "status": "RUNNING"}
        answer = json.dumps({"run": {"info": info}}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def late() -> Iterator[LateServer]:
    with LateServer() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def test_mlflow_asks_again_for_a_run_that_may_be_there(
    late: LateServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Why twins are taken away (`tracking/experiment.py`)."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", str(TIMEOUT_SECONDS))
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    run = MlflowClient(f"http://127.0.0.1:{late.server_port}").create_run("1")
    assert [path.rpartition("/")[2] for path in late.asked] == ["create", "create"]
    assert run.info.run_id == f"{2:032x}"
