"""What a score means changes only together with the version that is recorded beside it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from sslbench.registry import EVALUATIONS
from tests.sslbench.evaluation.metric_sources import PACKAGE, digest, present, recorded, sources

RECORD = "python -m tests.sslbench.evaluation.metric_sources"


@pytest.mark.parametrize("task", EVALUATIONS.names())
def test_the_sources_of_a_task_are_those_of_its_version(task: str) -> None:
    known, now = recorded().get(task), present()[task]
    assert known is not None, f"{task} is new: record it with `{RECORD}`"
    if now["version"] != known["version"]:
        assert int(str(now["version"])) > int(str(known["version"])), "a version is only raised"
        pytest.fail(f"{task} has version {now['version']} now: record it with `{RECORD}`")
    before, after = known["sources"], now["sources"]
    assert isinstance(before, dict)
    assert isinstance(after, dict)
    changed = sorted(f for f in before | after if before.get(f) != after.get(f))
    assert not changed, (
        f"what the scores of {task} are made of has changed: {', '.join(changed)}. "
        f"If a score can come out differently, raise `version` in sslbench/evaluation/{task}.py, so that "
        "leaderboards list older trials as stale. If every score stays what it was, bit for bit, leave it. "
        f"Then `{RECORD}`"
    )


def test_no_task_is_recorded_that_is_gone() -> None:
    assert list(recorded()) == EVALUATIONS.names()


def test_the_sources_of_a_task_are_its_module_and_what_that_computes_with() -> None:
    found = set(sources("knn"))
    assert {"evaluation/knn.py", "neighbours.py", "metrics/classification.py"} <= found
    assert "evaluation/linear_probe.py" not in found
    assert "metrics/scib.py" in set(sources("scib"))


BEFORE = '''
"""A metric."""


def score(x: float) -> float:
    """Return it."""
    return 2 * x  # twice
'''


@pytest.mark.parametrize(
    "after",
    [
        BEFORE.replace("Return it.", "Return x twice."),
        BEFORE.replace("  # twice", ""),
        BEFORE.replace("2 * x", "(2 * x)"),
    ],
)
def test_words_and_layout_are_no_change(after: str) -> None:
    assert digest(after) == digest(BEFORE)


@pytest.mark.parametrize(
    "after", [BEFORE.replace("2 *", "3 *"), BEFORE.replace("x: float", "x: float = 1")]
)
def test_another_computation_is_a_change(after: str) -> None:
    assert digest(after) != digest(BEFORE)


def test_a_change_of_a_metric_is_seen_in_every_task_that_uses_it_and_in_no_other(
    tmp_path: Path,
) -> None:
    shutil.copytree(PACKAGE / "metrics", tmp_path / "metrics")
    shutil.copytree(PACKAGE / "evaluation", tmp_path / "evaluation")
    for beside in PACKAGE.glob("*.py"):
        shutil.copy(beside, tmp_path)
    file = tmp_path / "metrics/lisi.py"
    file.write_text(file.read_text(encoding="utf-8") + "\nEPSILON = 1e-9\n", encoding="utf-8")
    before, after = sources("integration"), sources("integration", package=tmp_path)
    assert [f for f in before if before[f] != after[f]] == ["metrics/lisi.py"]
    assert sources("knn") == sources("knn", package=tmp_path)
