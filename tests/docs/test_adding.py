"""The examples of docs/adding.md are files that a newcomer could save: each is, in a copy of the package."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sslbench.data.catalogue import load_dataset
from sslbench.data.manifest import read_manifest
from sslbench.data.store import prepare_store
from sslbench.search.spec import load_sweep
from tests.factories import synthetic_adata

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```\w+ file=(\S+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
EXAMPLES = dict(BLOCK.findall((ROOT / "docs/adding.md").read_text(encoding="utf-8")))
MODULES = [path for path in EXAMPLES if path.endswith(".py")]
FOLDERS = (
    "pretext",
    "pretext/masks",
    "pretext/heads",
    "pretext/augmentations",
    "encoders",
    "evaluation",
)


def room(name: str) -> str:
    return Path(name).parent.name


def saved(folder: Path, name: str) -> Path:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(EXAMPLES[name], encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def extended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package and of its contract tests, with every example of code saved in it."""
    copy = tmp_path_factory.mktemp("extended")
    rubbish = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "sslbench", copy / "sslbench", ignore=rubbish)
    shutil.copytree(ROOT / "tests/contracts", copy / "tests/contracts", ignore=rubbish)
    shutil.copy(ROOT / "tests/factories.py", copy / "tests/factories.py")
    shutil.copy(ROOT / "pyproject.toml", copy / "pyproject.toml")
    for name in MODULES:
        saved(copy, name)
    return copy


def in_copy(copy: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command], cwd=copy, capture_output=True, text=True, check=False
    )


def test_there_is_one_example_for_each_registry() -> None:
    assert sorted(str(Path(name).parent) for name in MODULES) == sorted(
        f"sslbench/{folder}" for folder in FOLDERS
    )
    assert not [name for name in MODULES if (ROOT / name).exists()]


@pytest.mark.slow
def test_every_example_of_code_keeps_the_contract_of_its_registry(extended: Path) -> None:
    files = sorted({f"tests/contracts/test_{room(name)}.py" for name in MODULES})
    # `[denoising]`: only the tests that a registry made for this file
    chosen = " or ".join(f"[{Path(name).stem}]" for name in MODULES)
    ran = in_copy(
        extended, "-m", "pytest", *files, "-k", chosen, "-n0", "-rA", "-p", "no:cacheprovider"
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    for name in MODULES:
        passed = re.findall(
            rf"^PASSED \S+test_{room(name)}\.py::\S+\[{Path(name).stem}\]", ran.stdout, re.M
        )
        assert len(passed) >= 6, ran.stdout


def test_every_example_of_code_is_listed_with_its_line(extended: Path) -> None:
    code = "import sslbench; print(sslbench.__file__); from sslbench.cli.listing import known; print(known())"
    ran = in_copy(extended, "-c", code)
    assert ran.stdout.startswith(str(extended)), ran.stderr
    for name in MODULES:
        first_line = EXAMPLES[name].partition("\n")[0].strip('"')
        assert f"'{Path(name).stem}', {first_line!r}" in ran.stdout


def test_every_example_of_code_is_formatted_and_clean(extended: Path) -> None:
    files = [str(extended / name) for name in MODULES]
    checked = in_copy(extended, "-m", "ruff", "check", "--no-cache", *files)
    assert checked.returncode == 0, checked.stdout
    formatted = in_copy(extended, "-m", "ruff", "format", "--no-cache", "--diff", *files)
    assert formatted.returncode == 0, formatted.stdout


@pytest.mark.parametrize("name", [name for name in EXAMPLES if name.startswith("sweeps/")])
def test_the_example_of_a_sweep_is_a_sweep(name: str, tmp_path: Path) -> None:
    assert load_sweep(saved(tmp_path, name)).n_search_trials() > 1


def test_the_example_of_a_data_set_makes_a_cell_store(tmp_path: Path) -> None:
    synthetic_adata(n_donors=4).write_h5ad(tmp_path / "my_tissue.h5ad")
    spec = load_dataset(saved(tmp_path, "my_tissue.yaml"))
    store = prepare_store(spec, n_top_genes=None, root=tmp_path)
    assert read_manifest(store).donors_per_split == {
        "train": ("d0", "d1"), "val": ("d2",), "test": ("d3",)
    }  # fmt: skip
