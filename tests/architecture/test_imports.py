"""Imports stay light and one-directional: what must not be loaded is not, seen in fresh processes."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from sslbench.registry import REGISTRIES

ROOT = Path(__file__).parents[2]

# Read before a sweep starts, so that a misspelt file fails within a fraction of a second.
TORCH_FREE = [
    "sslbench.errors",
    "sslbench.registry",
    "sslbench.config",
    "sslbench.metric_versions",
    "sslbench.results",
    "sslbench.ledger",
    "sslbench.plain_yaml",
    "sslbench.strict_yaml",
    "sslbench.provenance",
    "sslbench.search.space",
    "sslbench.search.spec",
    "sslbench.search.agenda",
    "sslbench.data.catalogue",
]
# What opens a model folder must work where no sweep can be run.
SWEEP_FREE = ["sslbench", "sslbench.checkpoint", "sslbench.embedding", "sslbench.trial"]
HEAVY = {"torch", "scanpy", "anndata", "sklearn", "ray", "optuna", "mlflow"}
PACKAGES = ["", ".pretext", ".pretext.masks", ".pretext.heads", ".encoders", ".evaluation"]
PACKAGES += [".pretext.augmentations"]
PACKAGES += [".data", ".metrics", ".leaderboard", ".search", ".tracking"]


def loaded_by(module: str) -> set[str]:
    """Top-level packages that importing `module` loads, in a process of its own."""
    code = f"import sys, {module}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == 1, "nothing may be printed at import"
    return set(done.stdout.split())


@pytest.mark.parametrize("module", TORCH_FREE)
def test_what_is_read_before_a_sweep_starts_loads_nothing_heavy(module):
    assert loaded_by(module) & HEAVY == set()


@pytest.mark.parametrize("module", SWEEP_FREE)
def test_a_model_can_be_used_without_ray_mlflow_and_optuna(module):
    assert loaded_by(module) & {"ray", "mlflow", "optuna"} == set()


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_loads_nothing_heavy_by_itself(package):
    assert loaded_by(f"sslbench{package}") & HEAVY == set()


REGISTERED = [(registry, name) for registry in REGISTRIES for name in registry.names()]


@pytest.mark.parametrize("registry, name", REGISTERED, ids=[f"{r.noun}-{n}" for r, n in REGISTERED])
def test_things_of_one_kind_do_not_know_each_other(registry, name):
    """A pretext task, mask, encoder, … can be added or taken out without touching another."""
    folder = ROOT.joinpath(*registry.package.split("."))
    tree = ast.parse((folder / f"{name}.py").read_text(encoding="utf-8"))
    imports = [n for n in ast.walk(tree) if isinstance(n, ast.ImportFrom | ast.Import)]
    modules = {getattr(n, "module", None) for n in imports} | {
        alias.name for n in imports if isinstance(n, ast.Import) for alias in n.names
    }
    siblings = {f"{registry.package}.{other}" for other in registry.names() if other != name}
    assert modules & siblings == set()
    assert registry.package not in modules, "import from the module that defines the name"


def test_the_import_contracts_hold():
    done = subprocess.run(
        [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert " kept, 0 broken." in done.stdout
