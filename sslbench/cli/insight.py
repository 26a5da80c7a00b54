"""Which searched options matter in a sweep: a second of work an arm, done once and kept beside its trials."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from pydantic import RootModel, ValidationError

from sslbench.durable import write_atomically
from sslbench.leaderboard.importance import ArmImportance
from sslbench.results import TrialRecord
from sslbench.search.importance import arm_importance, made_of
from sslbench.search.spec import SweepSpec

KEPT = "importance.json"  # in the folder of a sweep's ledger


class _Kept(RootModel[dict[str, ArmImportance]]):
    """What was worked out, by the fingerprint of what it was made of."""


def kept_importance(
    spec: SweepSpec, copies: Collection[str], records: Sequence[TrialRecord], file: Path
) -> tuple[ArmImportance, ...]:
    """Return which searched options matter in each arm but in `copies`: from `file`, and what is not there worked out.

    A damaged file costs the seconds of working it out again, and nothing else.
    """
    known, found = _read(file), {}
    for name, arm in spec.arms.items():
        if not arm.search or name in copies:
            continue
        first_rung = spec.halving.first_rung
        key = made_of(name, arm.search, records, first_rung=first_rung)
        found[key] = known.get(key) or arm_importance(
            name, arm.search, records, first_rung=first_rung
        )
    if found.keys() != known.keys():
        write_atomically(file, _Kept(found).model_dump_json())
    return tuple(found.values())


def _read(file: Path) -> dict[str, ArmImportance]:
    try:
        return _Kept.model_validate_json(file.read_bytes()).root
    except (FileNotFoundError, ValidationError):  # damaged: made anew, as if there were none
        return {}
