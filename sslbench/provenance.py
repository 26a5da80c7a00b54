"""Where a result comes from: versions of the code and of what it stands on, and the commit."""

from __future__ import annotations

import hashlib
import platform
import subprocess
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = (
    "torch", "numpy", "scikit-learn", "anndata", "scanpy", "ray", "optuna", "mlflow", "scib-metrics",
)  # fmt: skip


def provenance() -> dict[str, str]:
    """Return versions, commit ("" outside a repository) and dirty flag as plain text."""
    commit = _git("rev-parse", "HEAD")
    dirty = bool(commit) and bool(_git("status", "--porcelain", "--untracked-files=no"))
    return {
        "sslbench": version_of("sslbench"),
        "python": platform.python_version(),
        **{package: version_of(package) for package in PACKAGES},
        "commit": commit,
        "dirty": str(dirty).lower(),
    }


def code_words(made_with: Mapping[str, str]) -> str:
    """Return version and commit of a provenance as people read them."""
    version, commit, dirty = (made_with.get(k, "") for k in ("sslbench", "commit", "dirty"))
    return f"sslbench {version} {commit[:8]}{' with changes' if dirty == 'true' else ''}".strip()


def version_of(package: str) -> str:
    """Return an installed package's version, or "not installed"."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


@cache
def code_sha256() -> str:
    """Return the SHA-256 of this package's code: a commit of something else leaves it as it is."""
    digest, root = hashlib.sha256(), Path(__file__).parent
    for file in sorted(root.rglob("*.py")):
        digest.update(file.relative_to(root).as_posix().encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _git(*arguments: str) -> str:
    """Return what git says about the checkout that this file lies in; "" where there is none."""
    here = Path(__file__).parent
    if not (here.parent / ".git").exists():
        return ""
    try:
        done = subprocess.run(
            ["git", "-C", str(here), *arguments], capture_output=True, text=True, check=False
        )
    except FileNotFoundError:  # no git on this machine
        return ""
    return done.stdout.strip()
