"""By which version of each evaluation task a trial was scored: another version, and its scores mean something else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sslbench.provenance import version_of
from sslbench.registry import EVALUATIONS


def metric_versions(tasks: Iterable[str], *, confirm: bool) -> dict[str, str]:
    """Return the present version of each of these evaluation tasks that a trial of this stage is scored by.

    A version is the number that the task's class gives, and the packages that compute the scores: `1`, or
    `1 with scib-metrics 0.5.4`.
    """
    asked = [name for name in tasks if confirm or not EVALUATIONS.constant(name, "confirm_only")]
    return {name: _version(name) for name in asked}


def known_versions(tasks: Iterable[str]) -> dict[str, str]:
    """Return the present versions of those tasks whose packages are installed here: of others nothing is known."""
    found = {name: _version(name) for name in tasks if _is_installed(name)}
    return dict(sorted(found.items()))


def other_versions(recorded: Mapping[str, str], present: Mapping[str, str]) -> tuple[str, ...]:
    """Return, in words, the tasks that both name with different versions: `knn 1 (now 2)`; none: comparable.

    What one of them does not name is unknown, and taken as equal: records of before versions were noted hold none.
    """
    return tuple(
        f"{name} {version} (now {present[name]})"
        for name, version in sorted(recorded.items())
        if present.get(name, version) != version
    )


def _version(name: str) -> str:
    number = str(EVALUATIONS.constant(name, "version"))
    packages = [f"{package} {version_of(package)}" for package in _packages(name)]
    return f"{number} with {', '.join(packages)}" if packages else number


def _packages(name: str) -> tuple[str, ...]:
    return tuple(EVALUATIONS.constant(name, "scored_with"))


def _is_installed(name: str) -> bool:
    return all(version_of(package) != "not installed" for package in _packages(name))
