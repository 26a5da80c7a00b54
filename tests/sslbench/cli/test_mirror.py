"""`sslbench sync` with several sweeps: one that cannot be shown now keeps no other from being shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from sslbench.cli import mirror
from sslbench.cli.places import Home
from sslbench.cli.question import write_question
from sslbench.errors import SetupError
from sslbench.ledger import Ledger
from sslbench.search.run import owned
from sslbench.search.spec import SweepSpec
from tests.sslbench.cli.finished import TOY
from tests.sslbench.cli.questions import question_on
from tests.sslbench.cli.typed import typed


@pytest.fixture
def sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The sweeps `first`, asked first, and `second`; the list gets the names of those that were sent."""
    names: list[str] = []
    spec = SweepSpec.model_validate(TOY)
    for when, name in enumerate(("first", "second"), start=1):
        folder = tmp_path / "ledger" / name
        folder.mkdir(parents=True)
        write_question(Ledger(folder), question_on("f" * 16, spec=spec, asked_unix_ms=when))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr(mirror, "_ending_if_over", lambda *_: None)
    monkeypatch.setattr(mirror, "sync", lambda ledger, *_, **__: names.append(ledger.folder.name))
    return names


def test_a_sweep_that_runs_keeps_no_other_from_mlflow(tmp_path: Path, sent: list[str]) -> None:
    with owned(tmp_path / "ledger" / "second"):  # the newer one has its turn first
        done = typed("sync", "--home", str(tmp_path))
    assert sent == ["first"]
    assert done.code == SetupError.exit_code
    assert done.err.count("error[S020]") == 1
    assert done.err.count("synced") == 1


def test_the_exit_code_is_0_if_all_were_sent(tmp_path: Path, sent: list[str]) -> None:
    assert typed("sync", "--home", str(tmp_path)).code == 0
    assert sent == ["second", "first"]


def test_mlflow_is_told_the_names_of_the_cell_types(tmp_path: Path) -> None:
    question = question_on("f" * 16, spec=SweepSpec.model_validate(TOY))
    facts = mirror.projection_facts(question, Home(tmp_path))
    assert facts.label_names == ("B", "T")
    assert facts.dataset == "pbmc_cite"
