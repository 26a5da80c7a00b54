"""Names are files; options and constants are read without importing the heavy module."""

import subprocess
import sys
from pathlib import Path

import pytest

import sslbench
from sslbench.config import ComponentOptions
from sslbench.errors import ConfigError
from sslbench.registry import (
    EVALUATIONS,
    MASKS,
    PRETEXTS,
    REGISTRIES,
    Registry,
    defining_module,
)

ROOT = Path(sslbench.__file__).parent
EVERY = [(registry, name) for registry in REGISTRIES for name in registry.names()]
EACH = pytest.mark.parametrize("registry, name", EVERY, ids=[f"{r.noun}-{n}" for r, n in EVERY])


@pytest.mark.parametrize("registry", REGISTRIES, ids=[r.noun for r in REGISTRIES])
def test_names_are_the_files_of_the_folder(registry):
    folder = ROOT.parent.joinpath(*registry.package.split("."))
    files = {f.stem for f in folder.glob("*.py") if not f.stem.startswith("_")}
    assert registry.names() == sorted(files - {"base"})
    assert registry.names()


@EACH
def test_a_name_leads_to_the_thing_its_file_registers(registry, name):
    thing = registry.load(name)
    assert thing.__module__ == f"{registry.package}.{name}"


@EACH
def test_light_options_are_those_of_the_imported_module(registry, name):
    light = registry.options(name)
    heavy = defining_module(registry.load(name)).Options
    assert issubclass(light, ComponentOptions)
    assert light.model_json_schema() == heavy.model_json_schema()
    assert light.__doc__ == heavy.__doc__


@EACH
def test_every_option_is_described_and_every_thing_has_a_line(registry, name):
    assert all(field.description for field in registry.options(name).model_fields.values())
    assert 10 < len(registry.summary(name)) < 140


@pytest.mark.parametrize("name", PRETEXTS.names())
def test_constants_of_a_pretext_task_read_without_import_are_its_own(name):
    pretext = PRETEXTS.load(name)
    assert PRETEXTS.constant(name, "regime") == pretext.regime
    assert bool(PRETEXTS.constant(name, "sees_labels")) == pretext.sees_labels


@pytest.mark.parametrize("name", EVALUATIONS.names())
def test_metrics_of_an_evaluation_task_read_without_import_are_its_own(name):
    task = EVALUATIONS.load(name)
    assert EVALUATIONS.constant(name, "metrics") == dict(task.metrics)
    for attribute in (
        "needs_of_arm",
        "needs_of_cells",
        "confirm_only",
        "trains_encoder",
        "of_blind_arms",
    ):
        assert EVALUATIONS.constant(name, attribute) == getattr(task, attribute)
    assert EVALUATIONS.constant(name, "references") == dict(task.references)


def test_a_constant_that_is_not_assigned_is_none():
    assert PRETEXTS.constant("masked", "nonexistent") is None


def test_an_unknown_name_is_an_error_with_the_nearest():
    with pytest.raises(ConfigError, match="unknown pretext task 'maskd'") as caught:
        PRETEXTS.load("maskd")
    assert "did you mean 'masked'?" in (caught.value.fix or "")


@pytest.mark.parametrize("name", ["base", "_cell_types", "../trial", "knn.py", "", "os.path"])
def test_only_registered_files_have_names(name):
    with pytest.raises(ConfigError):
        EVALUATIONS.options(name)


def test_names_options_summaries_and_constants_are_read_without_torch():
    code = (
        "import sys\n"
        "from sslbench.registry import *\n"
        "from sslbench import registry as r\n"
        "for k in r.REGISTRIES:\n"
        "    [(k.options(n), k.summary(n), k.constant(n, 'regime')) for n in k.names()]\n"
        "print(sorted({'torch', 'sklearn', 'scanpy', 'pandas'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_folder_of_modules_is_a_registry(tmp_path, monkeypatch):
    package = tmp_path / "toyfruits"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "base.py").write_text("raise RuntimeError('never imported')")
    (package / "_peel.py").write_text("COLOUR = {'peel': 'yellow'}")
    (package / "banana.py").write_text(
        '"""A long fruit.\n\nMore."""\n'
        "from toyfruits._peel import COLOUR\n"
        "from sslbench.config import ComponentOptions\n"
        "import toyregistry\n"
        "class Options(ComponentOptions):\n    length: int = 3\n"
        "@toyregistry.FRUITS.register\n"
        "class Banana:\n    colour = COLOUR\n"
    )
    (tmp_path / "toyregistry.py").write_text(
        "from sslbench.registry import Registry\nFRUITS = Registry('fruit', 'toyfruits')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    from toyregistry import FRUITS  # type: ignore[import-not-found]

    assert isinstance(FRUITS, Registry)
    assert FRUITS.names() == ["banana"]
    assert FRUITS.summary("banana") == "A long fruit."
    assert FRUITS.options("banana")().length == 3
    assert FRUITS.constant("banana", "colour") == {"peel": "yellow"}
    assert "toyfruits.banana" not in sys.modules
    assert FRUITS.load("banana").__name__ == "Banana"


def test_what_a_module_defines_is_known_without_importing_it():
    assert MASKS.defines("random", "of_non_zeros")
    assert not MASKS.defines("gene_programme", "of_non_zeros")
