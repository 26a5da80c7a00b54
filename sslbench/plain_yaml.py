"""From YAML text to plain data, strictly: safe, no duplicate keys, no anchors, no tags, and the line of every key."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from sslbench.errors import ConfigError

Location = tuple[str | int, ...]
Lines = dict[Location, int]
MAX_DEPTH = 50  # the parser's time grows with the square of it


class _Loader(yaml.SafeLoader):
    """YAML 1.1 without its surprises: `1e-3` is a number; `no`, `on`, `1:30`, `010` and dates are text."""


_PLAIN_TAGS = {f"tag:yaml.org,2002:{kind}" for kind in ("null", "bool", "int", "float", "str")}
_COLLECTION_TAGS = {f"tag:yaml.org,2002:{kind}" for kind in ("map", "seq")}
_SURPRISING = tuple(f"tag:yaml.org,2002:{kind}" for kind in ("bool", "int", "float", "timestamp"))
_WHOLE = r"(0|[1-9][\d_]*)"
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in _SURPRISING]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
for _kind, _pattern, _firsts in (
    ("bool", r"(true|True|false|False)$", "tTfF"),
    ("int", rf"[-+]?{_WHOLE}$", "-+0123456789"),
    ("float", rf"[-+]?({_WHOLE}(\.\d*)?|\.\d+)([eE][-+]?\d+)?$", "-+.0123456789"),
    ("float", r"([-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN))$", "-+."),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_kind}", re.compile(_pattern), list(_firsts))


def parse(text: str, *, path: Path) -> tuple[Any, Lines]:
    """Return the plain value of a text and the line of every key in it; `path` is named in errors."""
    lines: Lines = {}
    try:
        _check_events(text, path)
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            value = None if node is None else _plain(node, loader, (), lines, path)
            return value, lines
        finally:
            loader.dispose()
    except yaml.YAMLError as error:
        raise _invalid(error, path) from error


def _check_events(text: str, path: Path) -> None:
    """Refuse anchors, which let a short file grow without bound, and nesting that takes for ever to read."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        anchored = getattr(event, "anchor", None) is not None
        line = event.start_mark.line + 1 if event.start_mark else 1
        if anchored or depth > MAX_DEPTH:
            what = "anchors and aliases are not read here"
            raise ConfigError(
                what if anchored else f"lists and keys are nested deeper than {MAX_DEPTH}",
                code="C003",
                where=f"{path}, line {line}",
            )


def _invalid(error: yaml.YAMLError, path: Path) -> ConfigError:
    mark = getattr(error, "problem_mark", None)
    said = getattr(error, "problem", None) or str(error).partition("\n")[0]
    where = f"{path}, line {mark.line + 1}" if mark else str(path)
    return ConfigError("this is not valid YAML", code="C001", where=where, found=str(said))


def _plain(node: yaml.Node, loader: _Loader, at: Location, lines: Lines, path: Path) -> Any:
    """Turn a node into dicts, lists and scalars, remembering the line of each."""
    lines[at] = node.start_mark.line + 1
    if not isinstance(node, yaml.ScalarNode) and node.tag not in _COLLECTION_TAGS:
        raise _refused(f"the tag {node.tag!r} is not read here", node, path)
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, loader, at, lines, path)
    if isinstance(node, yaml.SequenceNode):
        return [_plain(child, loader, (*at, i), lines, path) for i, child in enumerate(node.value)]
    return _scalar(node, loader, path)


def _mapping(
    node: yaml.MappingNode, loader: _Loader, at: Location, lines: Lines, path: Path
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
    if node.tag not in _PLAIN_TAGS:
        raise _refused(f"the tag {node.tag!r} is not read here", node, path)
    try:
        return loader.construct_object(node)
    except (ValueError, KeyError) as error:  # a number of 5,000 digits, `!!bool maybe`
        kind = node.tag.rpartition(":")[-1]
        raise _refused(f"{shortened(node.value)} is not read as {kind}", node, path) from error


def shortened(text: str) -> str:
    """Return a text as it is, or its first 77 characters."""
    return text if len(text) <= 80 else f"{text[:77]}…"


def _refused(what: str, node: yaml.Node, path: Path) -> ConfigError:
    return ConfigError(what, code="C003", where=f"{path}, line {node.start_mark.line + 1}")
