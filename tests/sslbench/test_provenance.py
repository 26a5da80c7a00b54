"""What code, on which machine, made a result."""

import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest

from sslbench import provenance as module
from sslbench.provenance import PACKAGES, provenance, version_of


def test_provenance_is_plain_text_with_a_version_of_every_package():
    found = provenance()
    assert all(isinstance(value, str) for value in found.values())
    assert found["torch"] == version("torch")
    assert set(found) >= {*PACKAGES, "sslbench", "python", "commit", "dirty"}


def test_a_package_that_is_not_installed_says_so():
    assert version_of("no-such-distribution-anywhere") == "not installed"


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A repository of one commit, in which the module believes to lie."""
    package = tmp_path / "sslbench"
    package.mkdir()
    file = package / "provenance.py"
    shutil.copy(module.__file__, file)
    monkeypatch.setattr(module, "__file__", str(file))
    return tmp_path


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    command = ["git", "-C", str(folder), *identity, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_outside_a_repository_there_is_no_commit_and_nothing_is_dirty(checkout):
    found = provenance()
    assert (found["commit"], found["dirty"]) == ("", "false")


def test_a_checkout_names_its_commit_and_whether_files_were_changed(checkout):
    git(checkout, "init", "-q")
    git(checkout, "add", ".")
    git(checkout, "commit", "-q", "-m", "one")
    clean = provenance()
    (checkout / "sslbench" / "provenance.py").write_text("changed")
    changed = provenance()
    assert clean["commit"] == changed["commit"] == git(checkout, "rev-parse", "HEAD")
    assert (clean["dirty"], changed["dirty"]) == ("false", "true")
