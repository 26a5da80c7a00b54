"""What is installed is what was tested: every dependency, and what they depend on, has one pinned version."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
PYTHON = {"python_version": "3.11"}  # the one that the pins are for
WANTED = [*PROJECT["dependencies"], *(one for extra in EXTRAS.values() for one in extra)]
ASKED = [
    asked
    for asked in map(Requirement, WANTED)
    if asked.marker is None or asked.marker.evaluate(PYTHON)
]
LINES = [
    line.partition("#")[0].strip()
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
]
PINS = [Requirement(line) for line in LINES if line]


def pinned() -> dict[str, list[Requirement]]:
    pins: dict[str, list[Requirement]] = {}
    for pin in PINS:
        pins.setdefault(canonicalize_name(pin.name), []).append(pin)
    return pins


@pytest.mark.parametrize("asked", ASKED, ids=lambda asked: asked.name)
def test_every_dependency_has_a_pin_that_its_range_allows(asked: Requirement) -> None:
    pins = pinned().get(canonicalize_name(asked.name), [])
    assert pins, f"{asked.name} is not in constraints.txt"
    for pin in pins:
        (only,) = pin.specifier
        assert asked.specifier.contains(Version(only.version), prereleases=True), (asked, pin)


def test_a_pin_is_one_exact_version() -> None:
    assert [str(pin) for pin in PINS if not re.fullmatch(r"==[^*,]+", str(pin.specifier))] == []
    assert [str(pin) for pin in PINS if pin.url is not None] == []


def test_a_package_is_pinned_once_for_each_environment() -> None:
    twice = {
        name: pins
        for name, pins in pinned().items()
        if len({str(pin.marker) for pin in pins}) < len(pins)
    }
    assert twice == {}


def test_what_is_installed_by_make_comes_under_the_pins() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    installs = [line for line in makefile.splitlines() if "pip install" in line]
    assert installs
    assert all("--constraint constraints.txt" in line for line in installs)
