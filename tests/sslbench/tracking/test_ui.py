from __future__ import annotations

import itertools
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from sslbench.errors import SetupError
from sslbench.tracking.ui import deep_link, serve, ui_command, ui_environment
from tests.security.sockets import is_here, sockets_of


def test_the_server_listens_on_this_machine_only(tmp_path: Path) -> None:
    command = ui_command(tmp_path, port=5123)
    named = dict(itertools.pairwise(command))
    assert named["--host"] == "127.0.0.1"
    assert named["--workers"] == "1"
    assert set(named["--allowed-hosts"].split(",")) == {
        "localhost", "127.0.0.1", "localhost:5123", "127.0.0.1:5123"
    }  # fmt: skip


def test_the_server_sends_nothing_home() -> None:
    environment = ui_environment(
        {"PATH": "/bin", "MLFLOW_DISABLE_TELEMETRY": "false"}, uri="sqlite:////x.db"
    )
    assert environment == {
        "PATH": "/bin",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_BACKEND_STORE_URI": "sqlite:////x.db",
    }


def test_a_team_server_is_not_served_again(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="pages of its own"):
        serve("http://lab:5000", tmp_path, port=5123)


def test_the_link_asks_for_finished_search_trials_best_first() -> None:
    link = urlsplit(deep_link("7", "val/knn/macro_f1", port=5123))
    assert (link.netloc, link.path) == ("127.0.0.1:5123", "/")
    page, _, query = link.fragment.partition("?")
    assert page == "/experiments/7/runs"
    assert parse_qs(query) == {
        "workflowType": ["machine_learning"],
        "compareRunsMode": ["CHART"],
        "searchFilter": ["tags.`sslbench.stage` = 'search' and attributes.status = 'FINISHED'"],
        "orderByKey": ["metrics.`val/knn/macro_f1`"],
        "orderByAsc": ["false"],
    }


def test_the_link_can_leave_other_executions_out() -> None:
    link = deep_link("7", "val/knn/macro_f1", port=5123, execution="e1")
    (condition,) = parse_qs(urlsplit(link).fragment.partition("?")[2])["searchFilter"]
    assert condition.endswith(" and tags.`sslbench.execution` = 'e1'")


@pytest.mark.slow
def test_the_server_answers_here_and_refuses_other_names(home: Path, uri: str) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command, environment = ui_command(home, port=port), ui_environment({}, uri=uri)
    process = subprocess.Popen(
        command, env=environment, cwd=home, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        assert answer(port, host=f"localhost:{port}", patience_seconds=90) == 200
        assert answer(port, host="evil.example.com") == 403
        assert answer(port, host="192.168.1.7") == 403
        assert answer(port, host=f"localhost:{port}", posts_from="http://evil.example.com") == 403
        assert answer(port, host=f"localhost:{port}", posts_from=f"http://localhost:{port}") == 200
        held = [s for s in sockets_of(family(process.pid)) if s.listens]
        assert held
        assert all(is_here(s.local) for s in held)
    finally:
        process.terminate()
        process.wait(timeout=30)


def family(process: int) -> list[int]:
    """Return a process and all that it has started."""
    children = [
        int(child)
        for task in Path(f"/proc/{process}/task").glob("*/children")
        for child in task.read_text(encoding="utf-8").split()
    ]
    return [process, *(one for child in children for one in family(child))]


def answer(port: int, *, host: str, posts_from: str = "", patience_seconds: float = 0) -> int:
    """Return the HTTP status, waiting for the server to come up; of a POST if a page of elsewhere sends one."""
    api = f"http://127.0.0.1:{port}/api/2.0/mlflow/experiments/search"
    request = urllib.request.Request(f"{api}?max_results=1", headers={"Host": host})
    if posts_from:
        request = urllib.request.Request(
            api,
            data=b'{"max_results": 1}',
            headers={"Host": host, "Origin": posts_from, "Content-Type": "application/json"},
        )
    deadline = time.monotonic() + patience_seconds
    while True:
        try:
            return int(urllib.request.urlopen(request, timeout=10).status)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.3)
