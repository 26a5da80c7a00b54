"""Read a YAML file and build models from it; every problem is one ConfigError with its line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from sslbench.config import OptionsError
from sslbench.errors import ConfigError, SslbenchError, nearest
from sslbench.plain_yaml import Lines, Location, parse, shortened

M = TypeVar("M", bound=BaseModel)
MAX_BYTES = 100_000  # read in less than a second; a sweep has two thousand


@dataclass(frozen=True)
class YamlDocument:
    """A file's plain value, the line of every key in it, and what was put in from elsewhere."""

    path: Path
    value: Any
    lines: Lines
    overrides: dict[Location, str] = field(default_factory=dict)

    def line(self, location: Location) -> int | None:
        """Return the line of a key, or of the nearest enclosing one that the file has."""
        for end in range(len(location), 0, -1):
            if location[:end] in self.lines:
                return self.lines[location[:end]]
        return None

    def put(self, location: Location, value: Any, *, override: str) -> None:
        """Replace or add the value at `location`, for which errors name `override` and no line."""
        at = self.value
        for i, key in enumerate(location[:-1], start=1):
            at = at.setdefault(key, {})
            if not isinstance(at, dict):
                within = ".".join(map(str, location[:i]))
                raise ConfigError(
                    f"{within!r} in the override {override!r} has no keys below it", code="C101"
                )
        at[location[-1]] = value
        self.overrides[location] = override

    def where(self, location: Location) -> str:
        """Return `file, line n`, or the override that put the value there, for error messages."""
        for end in range(len(location), 0, -1):
            if location[:end] in self.overrides:
                return f"-o {self.overrides[location[:end]]}"
        line = self.line(location)
        below = [o for at, o in self.overrides.items() if at[: len(location)] == location]
        changed = f" with -o {' -o '.join(below)}" if below and location else ""
        return str(self.path) + (f", line {line}" if line else "") + changed

    def existing(self, location: Location) -> Location:
        """Return `location` as far as the document has it: a model's own inner names are left out."""
        at = self.value
        for i, key in enumerate(location):
            inside = at if isinstance(at, dict) else dict(enumerate(at if _is_list(at) else ()))
            if key not in inside:
                return location[:i]
            at = inside[key]
        return location


def _is_list(value: Any) -> bool:
    return isinstance(value, list)


def load_yaml(path: Path) -> YamlDocument:
    """Read `path`; raise ConfigError on anything but one plain YAML document."""
    value, lines = parse(_read_text(path), path=path)
    if not isinstance(value, dict):
        raise ConfigError(
            "a YAML file of `key: value` lines is expected", code="C001", where=str(path)
        )
    return YamlDocument(path, value, lines)


def plain_value(text: str, *, of: str) -> Any:
    """Read one value as it would stand in a file; `of` says in errors where it comes from."""
    return parse(text, path=Path(of))[0]


def validate(model: type[M], document: YamlDocument, *, code: str) -> M:
    """Build `model` from a document; the first problem becomes one ConfigError with its line."""
    return validated(model, document.value, document=document, at=(), code=code)


def validated(model: type[M], value: Any, *, document: YamlDocument, at: Location, code: str) -> M:
    """Build `model` from a part of a document that stands at location `at`."""
    try:
        built = model.model_validate(value)
    except ValidationError as error:
        raise _as_config_error(error, model, document=document, at=at, code=code) from error
    except SslbenchError as error:
        error.where = error.where or document.where(at)
        raise
    for inside in _flags_taken_for_numbers(value, built.model_dump(by_alias=True)):
        name = "/".join(map(str, (*at, *inside)))
        raise ConfigError(
            f"{name}: a number is expected, not true or false",
            code=code,
            where=document.where((*at, *inside)),
        )
    return built


def _flags_taken_for_numbers(given: Any, built: Any) -> Iterator[Location]:
    """Yield where true or false was given and something else came of it: to Python, True is a 1."""
    if isinstance(given, bool) and not isinstance(built, bool):
        yield ()
    if isinstance(given, list) and isinstance(built, list | tuple):
        given, built = dict(enumerate(given)), dict(enumerate(built))
    if isinstance(given, dict) and isinstance(built, dict):
        for key in given.keys() & built.keys():
            yield from (
                (key, *inside) for inside in _flags_taken_for_numbers(given[key], built[key])
            )


def _read_text(path: Path) -> str:
    try:
        if not path.is_file():
            raise ConfigError("no such file", code="C002", where=str(path))
        n_bytes = path.stat().st_size
        if n_bytes > MAX_BYTES:
            raise ConfigError(
                f"a YAML file may have {MAX_BYTES:,} bytes, this one has {n_bytes:,}",
                code="C001",
                where=str(path),
            )
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError("this file is not UTF-8 text", code="C001", where=str(path)) from error
    except OSError as error:
        raise ConfigError(
            "this file cannot be read", code="C002", where=str(path), found=error.strerror
        ) from error


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
    missing = first["type"] == "missing"
    named = (*at, *inside) if missing else document.existing((*at, *inside))
    name = "/".join(map(str, named))
    if first["type"] == "extra_forbidden":
        known = _known_keys(model, inside[:-1])
        fix = nearest(str(inside[-1]), known) if known else None
        return ConfigError(f"unknown key {name!r}", code=code, where=where, fix=fix)
    if missing:
        return ConfigError(f"the key {name!r} is missing", code=code, where=where)
    message = first["msg"].removeprefix("Value error, ")
    found = None if isinstance(first["input"], dict | list) else shortened(repr(first["input"]))
    what = f"{name}: {message}" if name else message
    return ConfigError(what, code=code, where=where, found=found)


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
