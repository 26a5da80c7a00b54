"""Read a YAML file as plain data, strictly: safe, no duplicate keys, no anchors, and every problem with its line."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from sslbench.config import OptionsError
from sslbench.errors import ConfigError, SslbenchError, nearest

M = TypeVar("M", bound=BaseModel)
Location = tuple[str | int, ...]
MAX_BYTES = 1_000_000


class _Loader(yaml.SafeLoader):
    """YAML 1.1 without its surprises: `1e-3` is a number; `no`, `on`, `off` and dates are text."""


_NUMBER = re.compile(
    r"[-+]?(\d[\d_]*\.?\d*([eE][-+]?\d+)?|\.\d+([eE][-+]?\d+)?|\.(inf|Inf|INF|nan|NaN|NAN))$"
)
_Loader.yaml_implicit_resolvers = {
    first: [
        (tag, pattern) for tag, pattern in resolvers if "bool" not in tag and "timestamp" not in tag
    ]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
for _first in ("t", "T", "f", "F"):
    _Loader.yaml_implicit_resolvers.setdefault(_first, [])
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"(true|True|false|False)$"), list("tTfF")
)
_Loader.add_implicit_resolver("tag:yaml.org,2002:float", _NUMBER, list("-+.0123456789"))


@dataclass(frozen=True)
class YamlDocument:
    """A file's plain value, and the line of every key in it."""

    path: Path
    value: Any
    lines: dict[Location, int]

    def line(self, location: Location) -> int | None:
        """Return the line of a key, or of the nearest enclosing one that the file has."""
        for end in range(len(location), 0, -1):
            if location[:end] in self.lines:
                return self.lines[location[:end]]
        return None

    def where(self, location: Location) -> str:
        """Return `file, line n` for error messages."""
        line = self.line(location)
        return str(self.path) + (f", line {line}" if line else "")


def load_yaml(path: Path) -> YamlDocument:
    """Read `path`; raise ConfigError on anything but one plain YAML document."""
    text = _read_text(path)
    loader = _Loader(text)
    lines: dict[Location, int] = {}
    try:
        _refuse_anchors(text, path)
        node = loader.get_single_node()
        value = None if node is None else _plain(node, loader, (), lines, path)
    except yaml.YAMLError as error:
        raise ConfigError(
            "this file is not valid YAML", code="C001", where=str(path), found=_first_line(error)
        ) from error
    finally:
        loader.dispose()
    if not isinstance(value, dict):
        raise ConfigError(
            "a YAML file of `key: value` lines is expected", code="C001", where=str(path)
        )
    return YamlDocument(path, value, lines)


def validate(model: type[M], document: YamlDocument, *, code: str) -> M:
    """Build `model` from a document; the first problem becomes one ConfigError with its line."""
    return validated(model, document.value, document=document, at=(), code=code)


def validated(model: type[M], value: Any, *, document: YamlDocument, at: Location, code: str) -> M:
    """Build `model` from a part of a document that stands at location `at`."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise _as_config_error(error, model, document=document, at=at, code=code) from error
    except SslbenchError as error:
        error.where = error.where or document.where(at)
        raise


def _read_text(path: Path) -> str:
    if not path.is_file():
        raise ConfigError("no such file", code="C002", where=str(path))
    if path.stat().st_size > MAX_BYTES:
        raise ConfigError(
            f"a YAML file may have {MAX_BYTES:,} bytes, this one has {path.stat().st_size:,}",
            code="C001",
            where=str(path),
        )
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError("this file is not UTF-8 text", code="C001", where=str(path)) from error


def _refuse_anchors(text: str, path: Path) -> None:
    """Anchors let a short file grow without bound, and hide where a value stands."""
    for event in yaml.parse(text, Loader=_Loader):
        if getattr(event, "anchor", None):
            line = event.start_mark.line + 1 if event.start_mark else "?"
            raise ConfigError(
                "anchors and aliases are not read here", code="C003", where=f"{path}, line {line}"
            )


def _first_line(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    said = getattr(error, "problem", None) or str(error).partition("\n")[0]
    return f"line {mark.line + 1}: {said}" if mark else str(said)


def _plain(
    node: yaml.Node, loader: _Loader, at: Location, lines: dict[Location, int], path: Path
) -> Any:
    """Turn a node into dicts, lists and scalars, remembering the line of each."""
    lines[at] = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, loader, at, lines, path)
    if isinstance(node, yaml.SequenceNode):
        return [_plain(child, loader, (*at, i), lines, path) for i, child in enumerate(node.value)]
    return _scalar(node, loader, path)


def _mapping(
    node: yaml.MappingNode, loader: _Loader, at: Location, lines: dict[Location, int], path: Path
) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key = key_node.value
        if not isinstance(key_node, yaml.ScalarNode) or key_node.tag.endswith(":merge"):
            raise _refused("a key must be plain text", key_node, path)
        if key in plain:
            raise _refused(f"the key {key!r} stands twice", key_node, path)
        plain[key] = _plain(value_node, loader, (*at, key), lines, path)
        lines[(*at, key)] = key_node.start_mark.line + 1
    return plain


def _scalar(node: yaml.Node, loader: _Loader, path: Path) -> Any:
    if not node.tag.startswith("tag:yaml.org,2002:") or "python" in node.tag:
        raise _refused(f"the tag {node.tag!r} is not read here", node, path)
    return loader.construct_object(node)


def _refused(what: str, node: yaml.Node, path: Path) -> ConfigError:
    return ConfigError(what, code="C003", where=f"{path}, line {node.start_mark.line + 1}")


def problem(error: ValidationError) -> str:
    """Return the first problem of a validation error in one line, `key: what is wrong`."""
    first = error.errors(include_url=False)[0]
    cause = (first.get("ctx") or {}).get("error")
    if isinstance(cause, OptionsError):
        return problem(cause.error)
    name = "/".join(str(part) for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    return f"{name}: {message}" if name else message


def _as_config_error(
    error: ValidationError,
    model: type[BaseModel],
    *,
    document: YamlDocument,
    at: Location,
    code: str,
) -> ConfigError:
    first = error.errors(include_url=False)[0]
    inside = tuple(first["loc"])
    where = document.where((*at, *inside))
    cause = (first.get("ctx") or {}).get("error")
    if isinstance(cause, OptionsError):
        location = (*at, *inside)
        return _as_config_error(
            cause.error, cause.options, document=document, at=location, code=code
        )
    name = "/".join(str(part) for part in (*at, *inside))
    if first["type"] == "extra_forbidden":
        known = _known_keys(model, inside[:-1])
        fix = nearest(str(inside[-1]), known) if known else None
        return ConfigError(f"unknown key {name!r}", code=code, where=where, fix=fix)
    if first["type"] == "missing":
        return ConfigError(f"the key {name!r} is missing", code=code, where=where)
    message = first["msg"].removeprefix("Value error, ")
    found = None if isinstance(first["input"], dict | list) else f"{first['input']!r}"
    return ConfigError(f"{name}: {message}", code=code, where=where, found=found)


def _known_keys(model: type[BaseModel], inside: Location) -> list[str]:
    """Return the keys of the model nested at `inside`, as far as annotations tell."""
    found: type[BaseModel] | None = model
    for part in inside:
        if found is not None and part in found.model_fields:
            found = _model_in(found.model_fields[str(part)].annotation)
    return _keys(found) if found else []


def _keys(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        inner = _model_in(argument)
        if inner is not None:
            return inner
    return None
