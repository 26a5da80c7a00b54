"""Where things lie: sweep files, and what a run leaves behind under the tracking folder."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from sslbench.errors import ConfigError, nearest

SWEEPS, TRACKING = Path("sweeps"), Path("tracking")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_DEVICE = re.compile(
    r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE
)  # names no Windows file


@dataclass(frozen=True)
class Home:
    """The tracking folder: ledger, cell stores, MLflow database, artefacts and reports."""

    folder: Path

    @property
    def ledgers(self) -> Path:
        """One folder per sweep and question."""
        return self.folder / "ledger"

    @property
    def stores(self) -> Path:
        """Prepared cell stores, shared by all sweeps."""
        return self.folder / "store"

    @property
    def reports(self) -> Path:
        """Reports by sweep."""
        return self.folder / "reports"


def sweep_names() -> list[str]:
    """Return the sweeps of this folder, sorted: `mae_masking`, `claims/mask_inverted`."""
    files = SWEEPS.rglob("*.yaml")
    return sorted(file.relative_to(SWEEPS).with_suffix("").as_posix() for file in files)


def sweep_file(name: str) -> Path:
    """Return the file of a sweep given by name or by path; raise ConfigError naming the nearest."""
    if name.endswith((".yaml", ".yml")):
        return _usable(Path(name))
    if name not in sweep_names():
        known = sweep_names()
        fix = nearest(name, known) if known else f"run from the folder that holds {SWEEPS}/"
        raise ConfigError(f"unknown sweep {name[:80]!r}", code="C030", where=f"{SWEEPS}/", fix=fix)
    return SWEEPS / f"{name}.yaml"


def _usable(file: Path) -> Path:
    """Return a sweep file by whose name folders can be called, on every system that shares them."""
    if not _NAME.fullmatch(file.stem) or _DEVICE.fullmatch(file.stem):
        raise ConfigError(
            "a sweep is called by its file, in letters, digits, _, - and ., at most 64",
            code="C052",
            where=str(file)[:80],
            fix="rename the file, for example my_sweep.yaml",
        )
    return file
