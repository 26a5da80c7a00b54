"""Which trials count, and by which protocol an arm is judged: decided on validation scores alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sslbench.leaderboard.metric import Measure
from sslbench.leaderboard.predictions import TestFrames
from sslbench.results import MetricKey, Regime, TrialRecord, chosen_trial, is_of_projector

_SPLITS = {"val", "test"}


@dataclass(frozen=True, kw_only=True)
class Confirmed:
    """An arm's confirm trials of its chosen recipe, one a seed, in the order of their seeds."""

    arm: str
    chosen: TrialRecord
    records: tuple[TrialRecord, ...]
    validation: Mapping[str, float]  # protocol → mean validation score over the seeds
    n_test_openings: int  # recipes of the arm whose test scores exist, this one included

    @property
    def regime(self) -> Regime:
        """How the arm's weights came about."""
        assert self.records[0].result is not None
        return self.records[0].result.regime

    @property
    def encoder(self) -> str:
        """The registered name of the arm's encoder."""
        return str(self.chosen.config["encoder"]["name"])

    @property
    def method(self) -> str:
        """The name of the row: `arm/encoder`."""
        return f"{self.arm}/{self.encoder}"

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds of the confirm trials."""
        return tuple(_seed(record) for record in self.records)

    @property
    def uids(self) -> tuple[str, ...]:
        """The confirm trials, by uid."""
        return tuple(record.uid for record in self.records)

    def protocol(self, *, preferred: Sequence[str]) -> str:
        """Return the protocol with the best validation score; of equal ones the earliest in `preferred`, else by name.

        The output of a projector, which only some arms have and no pulled model gives, is a protocol of
        those arms alone that were chosen by it.
        """
        by_projector = MetricKey.parse(self.chosen.objective).of_projector
        judged = {n: v for n, v in self.validation.items() if is_of_projector(n) == by_projector}
        best = max((judged or self.validation).values())
        tied = sorted(name for name, value in (judged or self.validation).items() if value == best)
        return next((name for name in preferred if name in tied), tied[0])

    def test_scores(self, key: str) -> np.ndarray:
        """Return the recorded score `key` of every seed (n_seeds,)."""
        return np.array([_scores(record)[key] for record in self.records])


def confirmed_arm(
    records: Sequence[TrialRecord], frames: TestFrames, *, arm: str, measure: Measure
) -> tuple[Confirmed | None, tuple[str, ...]]:
    """Return the arm's usable confirm trials, or None, beside the holes a reader must know of."""
    chosen = chosen_trial(records, arm)
    if chosen is None:
        return None, (f"{arm}: {_why_none(records, arm)}, so no recipe was confirmed",)
    tried = [r for r in records if _is_confirm(r, arm) and r.recipe == chosen.recipe]
    usable, holes = _usable(tried, frames)
    if not usable:
        return None, (*holes, f"{arm}: no confirm trial of its chosen recipe has test predictions")
    validation, missing = _validation_scores(usable, frames, measure)
    if not validation:
        by = "" if measure.metric.of_labels else f" by {measure.metric.words}"
        return None, (*holes, *missing, f"{arm}: no protocol was scored{by} for all of its seeds")
    confirmed = Confirmed(
        arm=arm,
        chosen=chosen,
        records=usable,
        validation=validation,
        n_test_openings=_test_openings(records, arm),
    )
    return confirmed, (*_stopped_choice(chosen), *holes, *missing)


def _stopped_choice(chosen: TrialRecord) -> tuple[str, ...]:
    if chosen.outcome == "finished":
        return ()
    return (
        f"{chosen.arm}: no search trial ran to its end; the best of the stopped ones was confirmed",
    )


def _why_none(records: Sequence[TrialRecord], arm: str) -> str:
    searched = [r for r in records if r.arm == arm and r.stage == "search"]
    if searched and all(r.collapsed for r in searched):
        return f"all {len(searched)} search trials collapsed"
    return "no search trial finished"


def _is_confirm(record: TrialRecord, arm: str) -> bool:
    return record.arm == arm and record.stage == "confirm"


def _test_openings(records: Sequence[TrialRecord], arm: str) -> int:
    opened = [r for r in records if _is_confirm(r, arm) and r.result is not None]
    return len({r.recipe for r in opened if any(key.startswith("test/") for key in _scores(r))})


def _usable(
    tried: Sequence[TrialRecord], frames: TestFrames
) -> tuple[tuple[TrialRecord, ...], tuple[str, ...]]:
    holes: list[str] = []
    usable: dict[int, TrialRecord] = {}
    for record in sorted(tried, key=lambda r: (_seed(r), r.ended_unix_ms, r.uid)):
        if record.outcome != "finished" or record.result is None:
            kind = record.failure.kind if record.failure else record.outcome
            holes.append(f"{record.arm}: the confirm trial of seed {_seed(record)} ended as {kind}")
        elif record.uid not in frames.predictions:
            holes.append(
                f"{record.arm}: the confirm trial of seed {_seed(record)} has no predictions"
            )
        else:
            usable.setdefault(_seed(record), record)
    return tuple(usable.values()), tuple(holes)


def _validation_scores(
    usable: Sequence[TrialRecord], frames: TestFrames, measure: Measure
) -> tuple[dict[str, float], tuple[str, ...]]:
    """Return the mean validation score of each protocol that every seed has, and holes for the others."""
    whole = {record.uid: _whole_protocols(record, frames, measure) for record in usable}
    scores, holes = {}, []
    for name in sorted(set().union(*whole.values())):
        n_whole = sum(whole[record.uid].get(name, False) for record in usable)
        if n_whole == len(usable):
            key = measure.key("val", name)
            scores[name] = float(np.mean([_scores(record)[key] for record in usable]))
        else:
            holes.append(
                f"{usable[0].arm}: {name} is whole for {n_whole} of {len(usable)} seeds, left out"
            )
    return scores, tuple(holes)


def _whole_protocols(record: TrialRecord, frames: TestFrames, measure: Measure) -> dict[str, bool]:
    """Return the protocols a trial was scored by, and whether it has all that ranking by them takes."""
    splits: dict[str, set[str]] = {}
    for key in map(MetricKey.parse, _scores(record)):
        task = measure.task_of(key)
        if task is not None and key.split in _SPLITS:
            splits.setdefault(task, set()).add(key.split)
    columns = frames.predictions[record.uid].columns
    predicted = {
        n: not measure.metric.of_labels or measure.predictions(n) in columns for n in splits
    }
    return {name: found == _SPLITS and predicted[name] for name, found in splits.items()}


def _scores(record: TrialRecord) -> dict[str, float]:
    return record.result.scores if record.result is not None else {}


def _seed(record: TrialRecord) -> int:
    return int(record.config["seed"])
