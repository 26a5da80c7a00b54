"""Scores are compared only with scores of the same version of a task."""

from __future__ import annotations

import pytest

from sslbench import metric_versions as module
from sslbench.metric_versions import known_versions, metric_versions, other_versions
from sslbench.registry import EVALUATIONS

SCIB = "scib-metrics"


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Versions of packages, as if they were installed."""
    versions = {SCIB: "0.5.4"}
    monkeypatch.setattr(module, "version_of", lambda name: versions.get(name, "not installed"))
    return versions


def test_a_version_is_the_number_of_the_task_and_the_packages_that_score(installed) -> None:
    assert metric_versions(["knn", "scib"], confirm=True) == {
        "knn": str(EVALUATIONS.constant("knn", "version")),
        "scib": f"{EVALUATIONS.constant('scib', 'version')} with scib-metrics 0.5.4",
    }


def test_a_search_trial_is_scored_by_nothing_that_is_for_confirm_alone(installed) -> None:
    assert list(metric_versions(["knn", "scib"], confirm=False)) == ["knn"]


def test_nothing_is_known_of_a_task_whose_package_is_not_here(installed) -> None:
    assert list(known_versions(["scib", "knn"])) == ["knn", "scib"]
    installed.clear()
    assert list(known_versions(["scib", "knn"])) == ["knn"]


def test_what_differs_is_said_and_what_is_unknown_is_taken_as_equal() -> None:
    assert other_versions({"knn": "1", "head": "1"}, {"knn": "2", "head": "1"}) == (
        "knn 1 (now 2)",
    )
    assert other_versions({}, {"knn": "2"}) == ()
    assert other_versions({"knn": "1"}, {}) == ()


def test_every_task_has_a_version() -> None:
    versions = [EVALUATIONS.constant(name, "version") for name in EVALUATIONS.names()]
    assert all(isinstance(version, int) and version >= 1 for version in versions)
