"""A sweep, its leaderboard and an embedding speak to nobody but this machine, and let nobody else in."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from sslbench.data.catalogue import BUNDLED
from tests.chaos.harness import COMMAND, REPOSITORY, Driver, Place, place
from tests.chaos.processes import of_driver
from tests.security.sockets import Socket, is_here, is_nobody, sockets_of

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="sockets are seen in /proc"),
]
LEAST = ("-o", "budget.trials=1", "-o", "budget.confirm_seeds=1", "-o", "training.max_updates=20")


@dataclass
class Heard:
    """What was seen of one run."""

    code: int = -1
    output: str = ""
    sockets: set[Socket] = field(default_factory=set)
    names: dict[int, str] = field(default_factory=dict)
    notes: list[tuple[str, object, str]] = field(default_factory=list)


@pytest.fixture(scope="module")
def heard(tmp_path_factory: pytest.TempPathFactory) -> Heard:
    folder = tmp_path_factory.mktemp("silence")
    listener = str(Path(__file__).parent / "heard")
    path = os.pathsep.join([listener, str(REPOSITORY), os.environ.get("PYTHONPATH", "")])
    told = folder / "notes"
    with place(folder, PYTHONPATH=path, SSLBENCH_TEST_HEARD=str(told)) as here:
        found = Heard()
        watch(here.start(*LEAST, sweep="smoke"), found)
        after(here, folder)
    found.notes = [noted(line) for line in told.read_text(encoding="utf-8").splitlines()]
    return found


def watch(driver: Driver, found: Heard) -> None:
    """Look at the sockets of all processes of the sweep while it runs."""
    while not driver.is_over():
        names = {driver.pid: "driver", **of_driver(driver.pid)}
        found.names |= names
        found.sockets |= set(sockets_of(names))
        time.sleep(0.2)
    found.code, found.output = driver.wait(), driver.output()


def after(here: Place, folder: Path) -> None:
    """Rank again, take the winner away and embed cells with it: each in a process that is listened to."""
    model, out = str(folder / "best"), str(folder / "out.h5ad")
    done = [here.command("leaderboard", "smoke"), here.command("pull", "--to", model)]
    embed = [COMMAND, "embed", str(BUNDLED / "pbmc_cite.h5ad"), "--model", model, "--out", out]
    environment = os.environ | here.environment
    done += [subprocess.run(embed, env=environment, capture_output=True, text=True, check=False)]
    assert [one.returncode for one in done] == [0, 0, 0], [one.stderr for one in done]


def noted(line: str) -> tuple[str, object, str]:
    event, address, program = line.split("\t")
    return event, ast.literal_eval(address), program


def leads_out(address: object) -> bool:
    """Say whether what a Python process connects to, or asks the address of, is another machine."""
    host = address[0] if isinstance(address, tuple) else address
    if not isinstance(host, str) or host.startswith(("/", "\0")) or host in ("", "localhost"):
        return False  # a socket in a folder, or none
    try:
        return not (is_here(host) or is_nobody(host))
    except ValueError:  # a name, which somebody would be asked for
        return True


def test_who_speaks_to_another_machine_is_noted(tmp_path: Path) -> None:
    """Else the others would show nothing."""
    told = tmp_path / "notes"
    environment = os.environ | {
        "PYTHONPATH": str(Path(__file__).parent / "heard"),
        "SSLBENCH_TEST_HEARD": str(told),
    }
    speak = "import socket; s = socket.socket(); s.settimeout(0.1); s.connect_ex(('192.0.2.1', 9))"
    subprocess.run([sys.executable, "-c", speak], env=environment, check=True)
    (note,) = [noted(line) for line in told.read_text(encoding="utf-8").splitlines()]
    assert note[:2] == ("socket.connect", ("192.0.2.1", 9))
    assert leads_out(note[1])
    assert leads_out("example.org")
    assert not any(map(leads_out, ("localhost", "/run/x", ("127.0.0.1", 9), ("::1", 9, 0, 0))))


def test_the_sweep_ran_to_its_end_and_was_listened_to(heard: Heard) -> None:
    assert heard.code == 0, heard.output
    assert any("gcs_server" in name for name in heard.names.values())
    assert any(s.listens for s in heard.sockets)
    assert heard.notes


def test_no_python_process_speaks_to_another_machine(heard: Heard) -> None:
    assert [note for note in heard.notes if leads_out(note[1])] == []


def test_no_process_at_all_is_connected_to_another_machine(heard: Heard) -> None:
    outside = [s for s in heard.sockets if not (is_here(s.remote) or is_nobody(s.remote))]
    assert [(s, heard.names[s.process][:80]) for s in outside] == []


def test_nothing_listens_to_another_machine(heard: Heard) -> None:
    open_to_all = [s for s in heard.sockets if s.listens and not is_here(s.local)]
    assert [(s, heard.names[s.process][:80]) for s in open_to_all] == []
