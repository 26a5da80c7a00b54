"""Baselines whose package is an optional extra: nothing else imports it, and whoever lacks it is told before any trial."""

from __future__ import annotations

from importlib.util import find_spec

from sslbench.errors import SetupError


def refuse_missing_package(module: str, *, package: str, task: str) -> None:
    """Raise SetupError S061 if `module` of `package` is not installed, without importing it; the extra is called as the task."""
    if find_spec(module) is None:
        raise SetupError(
            f"the pretext task {task!r} needs the package {package}, which is not installed",
            code="S061",
            fix=f"pip install 'sslbench[{task}]', or take the arm out of the sweep",
        )
