"""Which records the present code and data would give again: stale ones are listed, and never ranked or compared."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from sslbench.leaderboard.board import StaleRow
from sslbench.leaderboard.facts import SweepFacts
from sslbench.metric_versions import other_versions
from sslbench.results import MetricKey, TrialRecord


@dataclass(frozen=True, kw_only=True)
class Parted:
    """Records that can be compared, and rows of those that cannot."""

    fresh: tuple[TrialRecord, ...]
    stale: tuple[StaleRow, ...]

    @property
    def unranked(self) -> frozenset[str]:
        """The arms that have no row but a stale one."""
        return frozenset(row.arm for row in self.stale if row.refresh)


def parted(records: Sequence[TrialRecord], facts: SweepFacts) -> Parted:
    """Part records by whether they stem from the present data and the present versions of the tasks.

    What `facts` does not say of the present is taken from the trials that ended last. What a record does not say of
    itself is taken as present.
    """
    present = _present(records, facts)
    why = {record.uid: _why_stale(record, present) for record in records}
    fresh = tuple(record for record in records if not why[record.uid])
    confirmed = {r.arm for r in fresh if r.stage == "confirm" and r.outcome == "finished"}
    groups: dict[tuple[str, str], list[TrialRecord]] = {}
    for record in records:
        if why[record.uid] and record.arm not in facts.copies:
            groups.setdefault((record.arm, why[record.uid]), []).append(record)
    stale = tuple(
        _row(arm, group, reason=reason, refresh="" if arm in confirmed else facts.refresh_command)
        for (arm, reason), group in sorted(groups.items())
    )
    return Parted(fresh=fresh, stale=stale)


def made_with(records: Sequence[TrialRecord]) -> dict[str, str]:
    """Return what a row's scores stand on, by the name of its column: data, code, commit and versions of the tasks."""
    made = [record.provenance for record in records]
    versions = {f"{task} {v}" for r in records for task, v in r.metric_versions.items()}
    return {
        "data_fingerprint": _each(record.data_fingerprint for record in records),
        "code_version": _each(of.get("sslbench", "") for of in made),
        "commit": _each(of.get("commit", "") for of in made),
        "dirty": _each(of.get("dirty", "") for of in made),
        "metric_versions": ", ".join(sorted(versions)),
    }


@dataclass(frozen=True, kw_only=True)
class _Present:
    data_fingerprint: str
    metric_versions: Mapping[str, str]


def _present(records: Sequence[TrialRecord], facts: SweepFacts) -> _Present:
    ended = sorted(records, key=lambda record: (record.ended_unix_ms, record.uid))
    versions = {task: v for record in ended for task, v in record.metric_versions.items()}
    data = facts.data_fingerprint or (ended[-1].data_fingerprint if ended else "")
    return _Present(data_fingerprint=data, metric_versions={**versions, **facts.metric_versions})


def _why_stale(record: TrialRecord, present: _Present) -> str:
    """Return what differs, in words; "" if nothing does."""
    data = record.data_fingerprint
    of_data = f"data {data} (now {present.data_fingerprint})"
    differs = other_versions(record.metric_versions, present.metric_versions)
    return ", ".join((of_data, *differs) if data != present.data_fingerprint else differs)


def _row(arm: str, group: Sequence[TrialRecord], *, reason: str, refresh: str) -> StaleRow:
    confirmed = [r for r in group if r.stage == "confirm" and r.result is not None]
    last = max(confirmed or group, key=lambda record: (record.ended_unix_ms, record.uid))
    same = [record for record in confirmed if record.recipe == last.recipe]
    key = MetricKey.parse(last.objective)._replace(split="test")
    scores = [r.result.scores[str(key)] for r in same if r.result and str(key) in r.result.scores]
    return StaleRow(
        arm=arm,
        method=f"{arm}/{last.config['encoder']['name']}",
        protocol=key.task,
        test=fmean(scores) if scores else None,
        n_seeds=len(same),
        reason=reason,
        refresh=refresh,
        made_with=made_with(same or group),
        recipe=last.recipe,
        uids=tuple(record.uid for record in group),
    )


def _each(values: Iterable[str]) -> str:
    return ", then ".join(dict.fromkeys(value for value in values if value))


def stale_line(row: StaleRow, *, digits: int) -> str:
    """Return a stale row in one line: what it had reached, why it does not count any more, and what renews it."""
    reached = "never confirmed" if row.test is None else f"{row.test:.{digits}f} by {row.protocol}"
    seeds = f", {row.n_seeds} seed{'s' * (row.n_seeds != 1)}" if row.n_seeds else ""
    then = f"renew it: {row.refresh}" if row.refresh else "its row above is of the present versions"
    return f"{row.method} ({reached}{seeds}): {row.reason}; {then}"
