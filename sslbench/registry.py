"""From a name in a YAML file to the code behind it: a folder of modules is a registry, a file's name is its word.

Names, one-line summaries and options are read without importing the module, so that a misspelt sweep fails
in a fraction of a second and not after torch has loaded.
"""

from __future__ import annotations

import ast
import importlib
from collections.abc import Callable
from functools import cache, cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard, TypeVar

from sslbench.errors import ConfigError, nearest

if TYPE_CHECKING:
    from sslbench.config import ComponentOptions

T = TypeVar("T")

_LIGHT_ROOTS = (
    "__future__",
    "typing",
    "pydantic",
    "sslbench.config",
    "sslbench.registry",
    "sslbench.pretext._options",
)


class Registry:
    """The things of one kind: every module of `package` but `base` and underscored ones registers exactly one."""

    def __init__(self, noun: str, package: str) -> None:
        self.noun, self.package = noun, package
        self._found: dict[str, Any] = {}

    def register(self, thing: T) -> T:
        """Register the decorated class or function under the name of the file that defines it."""
        self._found[thing.__module__.rsplit(".", 1)[-1]] = thing  # type: ignore[attr-defined]
        return thing

    def names(self) -> list[str]:
        """Return every known name, sorted."""
        return list(self._files)

    def check(self, name: str) -> str:
        """Return `name` if it is known; otherwise raise ConfigError naming the nearest."""
        if name not in self._files:
            raise ConfigError(
                f"unknown {self.noun} {name!r}", code="C010", fix=nearest(name, self.names())
            )
        return name

    def load(self, name: str) -> Any:
        """Import the module called `name` and return what it registers."""
        importlib.import_module(f"{self.package}.{self.check(name)}")
        return self._found[name]

    def summary(self, name: str) -> str:
        """Return the first line of the module's docstring."""
        return (ast.get_docstring(_parsed(self._file(name))) or "").partition("\n")[0]

    def options(self, name: str) -> type[ComponentOptions]:
        """Return the model of the options of `name`, built without importing its heavy module."""
        return _light_options(self._file(name))

    def constant(self, name: str, attribute: str) -> Any:
        """Return the plain value that the class of `name` gives to `attribute`, without importing it.

        What the class does not assign is that of the contract in `base`, if that gives it a value. A constant imported
        from another module is looked up there. None if neither assigns anything.
        """
        contract = self._folder / "base.py"
        for file in (self._file(name), *([contract] if contract.is_file() else [])):
            module = _parsed(file)
            for definition in module.body:
                body = definition.body if isinstance(definition, ast.ClassDef) else []
                for statement in body:
                    if _assigns(statement, attribute):
                        return _literal(statement.value, module)
        return None

    def defines(self, name: str, function: str) -> bool:
        """Say whether the module of `name` defines a function, without importing it."""
        body = _parsed(self._file(name)).body
        return any(isinstance(node, ast.FunctionDef) and node.name == function for node in body)

    @cached_property
    def _folder(self) -> Path:
        spec = find_spec(self.package)
        assert spec is not None
        assert spec.submodule_search_locations
        return Path(next(iter(spec.submodule_search_locations)))

    @cached_property
    def _files(self) -> dict[str, Path]:
        """The module of every name, sorted; looked up once, since a sweep's check asks for some ten thousand times."""
        files = sorted(self._folder.glob("*.py"))
        return {f.stem: f for f in files if f.stem != "base" and not f.stem.startswith("_")}

    def _file(self, name: str) -> Path:
        return self._files[self.check(name)]


@cache
def _parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"), filename=str(file))


@cache
def _light_options(file: Path) -> type[ComponentOptions]:
    """Execute only the light imports and the `Options` class of a module of this package."""
    wanted = [node for node in _parsed(file).body if _is_light_import(node) or _is_options(node)]
    assert any(map(_is_options, wanted)), f"{file} defines no class Options"
    scope: dict[str, Any] = {"__name__": f"{file.stem}_options"}
    exec(compile(ast.Module(wanted, type_ignores=[]), str(file), "exec"), scope)
    options: type[ComponentOptions] = scope["Options"]
    options.model_rebuild(_types_namespace=scope)
    return options


def _assigns(node: ast.stmt, name: str) -> TypeGuard[ast.Assign | ast.AnnAssign]:
    targets: list[ast.expr] = []
    if isinstance(node, ast.Assign):
        targets = node.targets
    elif isinstance(node, ast.AnnAssign) and node.value is not None:
        targets = [node.target]
    return any(isinstance(target, ast.Name) and target.id == name for target in targets)


def _literal(value: ast.expr | None, module: ast.Module) -> Any:
    """Return a plain value, following a name to the assignment or the import that gives it one."""
    if not isinstance(value, ast.Name):
        return ast.literal_eval(value) if value is not None else None
    for node in module.body:
        if _assigns(node, value.id):
            return _literal(node.value, module)
        if isinstance(node, ast.ImportFrom) and node.module and _imports(node, value.id):
            spec = find_spec(node.module)
            assert spec is not None
            assert spec.origin is not None
            return _literal(value, _parsed(Path(spec.origin)))
    raise AssertionError(f"{value.id} is not a plain constant of a module")


def _imports(node: ast.ImportFrom, name: str) -> bool:
    return any(alias.name == name and alias.asname is None for alias in node.names)


def _is_light_import(node: ast.stmt) -> bool:
    return isinstance(node, ast.ImportFrom) and node.module in _LIGHT_ROOTS


def _is_options(node: ast.stmt) -> bool:
    return isinstance(node, ast.ClassDef) and node.name == "Options"


def defining_module(thing: Callable[..., Any] | type) -> Any:
    """Return the module in which a registered thing is defined, where its `Options` live too."""
    return importlib.import_module(thing.__module__)


PRETEXTS = Registry("pretext task", "sslbench.pretext")
MASKS = Registry("mask", "sslbench.pretext.masks")
HEADS = Registry("reconstruction head", "sslbench.pretext.heads")
AUGMENTATIONS = Registry("augmentation", "sslbench.pretext.augmentations")
ENCODERS = Registry("encoder", "sslbench.encoders")
EVALUATIONS = Registry("evaluation task", "sslbench.evaluation")
REGISTRIES = (PRETEXTS, MASKS, HEADS, AUGMENTATIONS, ENCODERS, EVALUATIONS)
