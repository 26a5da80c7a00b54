"""A name in a sweep file is one of a list: whatever it says, nothing is imported for it, and no variable is put in."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import sslbench
from sslbench.errors import ConfigError
from sslbench.search.spec import load_sweep

ROOT = Path(sslbench.__file__).parent
SMOKE = (ROOT.parent / "sweeps/smoke.yaml").read_text(encoding="utf-8")
PLACES = (
    ("arms", "mae", "pretext", "name"),
    ("arms", "mae", "pretext", "mask"),
    ("arms", "mae", "pretext", "head"),
    ("arms", "mae", "encoder", "name"),
    ("arms", "mae", "encoder", "activation"),
    ("evaluation", 0, "name"),
    ("training", "optimiser"),
    ("objective", "metric"),
    ("scenario",),
)
MODULES = st.sampled_from(
    [
        "os",
        "subprocess",
        "builtins",
        "sslbench.cli",
        "sslbench.pretext.masked",
        "antigravity",
        "this",
    ]
)
HOSTILE = st.one_of(
    MODULES,
    st.builds("{}.{}".format, MODULES, st.sampled_from(["system", "main", "Options", "eval"])),
    st.builds("{}:{}".format, MODULES, st.sampled_from(["system", "main"])),
    st.builds("{}{}".format, st.sampled_from(["../", "./", "/", "_", "__"]), MODULES),
    st.builds(
        "${{{}}}".format, st.sampled_from(["HOME", "env:HOME", "oc.env:HOME", "jndi:ldap://x"])
    ),
    st.builds("{{{{ {} }}}}".format, MODULES),
    st.text(min_size=1, max_size=30),
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(place=st.sampled_from(PLACES), name=HOSTILE)
def test_no_name_of_a_sweep_file_imports_anything(
    place: tuple[str | int, ...], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    imported: list[str] = []
    real = importlib.import_module

    def noted(module: str, package: str | None = None) -> object:
        imported.append(module)
        return real(module, package)

    sweep = yaml.safe_load(SMOKE)
    at = sweep
    for key in place[:-1]:
        at = at[key]
    at[place[-1]] = name
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump(sweep, sort_keys=False, allow_unicode=True), encoding="utf-8")
    with monkeypatch.context() as patch:
        patch.setattr(importlib, "import_module", noted)
        with pytest.raises(ConfigError):
            load_sweep(file)
    assert imported == []


def test_only_the_registry_imports_by_a_string() -> None:
    found = set()
    for file in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            name = getattr(node, "attr", getattr(node, "id", ""))
            if name in {
                "import_module",
                "__import__",
                "spec_from_file_location",
                "run_path",
                "run_module",
            }:
                found.add(str(file.relative_to(ROOT)))
    assert found == {"registry.py", "__init__.py"}


def test_no_file_reads_variables_of_the_environment_into_what_it_was_given() -> None:
    calls = {"expandvars", "substitute", "safe_substitute"}
    for file in ROOT.rglob("*.py"):
        names = {
            getattr(n, "attr", "") for n in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        }
        assert not names & calls, file
