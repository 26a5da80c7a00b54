"""One MLflow experiment as sslbench uses it: an execution's parent run and one child run per trial, found by tags."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sslbench.tracking.client import connect

if TYPE_CHECKING:
    from mlflow.entities import Run

RUNNING, KILLED, FINISHED = "RUNNING", "KILLED", "FINISHED"
_SHIPPED, _PAGE, _BATCH = "sslbench.shipped", 1000, 900
_ORPHANED = "sslbench.ended"
_PASSING = {_ORPHANED, "sslbench.failure", "mlflow.note.content"}  # untrue once a trial is retried
_SOURCE = {"mlflow.source.type": "LOCAL", "mlflow.source.name": "sslbench"}


@dataclass
class Shown:
    """A run as MLflow has it."""

    run_id: str
    status: str
    shipped: int = 0  # the attempt whose end is shown; 0 while none is
    passing: frozenset[str] = frozenset()  # tags that go when the trial is retried
    has_params: bool = False

    @property
    def orphaned(self) -> bool:
        """Whether it says that nobody works on it any more."""
        return self.status == KILLED and _ORPHANED in self.passing

    @classmethod
    def read(cls, run: Run) -> Shown:
        """Return what a run found by a search shows."""
        tags = run.data.tags
        return cls(
            run_id=run.info.run_id,
            status=run.info.status,
            shipped=int(tags.get(_SHIPPED, 0)),
            # a sweep's own run keeps its note
            passing=frozenset((_PASSING if "sslbench.uid" in tags else {_ORPHANED}) & set(tags)),
            has_params=bool(run.data.params),
        )


class Experiment:
    """The runs of one execution; every call is safe to repeat."""

    def __init__(
        self, uri: str, *, name: str, artifacts: str | None, owner: Mapping[str, str]
    ) -> None:
        """Find or make the experiment; `owner` are the tags by which its execution knows its runs."""
        self.client = connect(uri)
        self.owner = dict(owner)
        self.experiment_id = self._found_or_made(name, artifacts)
        self.parent: Shown | None = None
        self.trials: dict[str, Shown] = {}  # by uid
        self._read_runs()

    def _found_or_made(self, name: str, artifacts: str | None) -> str:
        found = self.client.get_experiment_by_name(name)
        if found is None:
            location = f"{artifacts}/{name}" if artifacts else None
            return str(self.client.create_experiment(name, artifact_location=location))
        if found.lifecycle_stage == "deleted":
            self.client.restore_experiment(found.experiment_id)
        return str(found.experiment_id)

    def describe(self, note: str) -> None:
        """Write what a person reads above the list of runs, and say that this is no chat experiment."""
        wanted = {"mlflow.experimentKind": "custom_model_development", "mlflow.note.content": note}
        present = self.client.get_experiment(self.experiment_id).tags
        for key, value in wanted.items():
            if present.get(key) != value:
                self.client.set_experiment_tag(self.experiment_id, key, value)

    def _read_runs(self) -> None:
        execution = self.owner["sslbench.execution"]
        parents: list[Shown] = []
        trials = defaultdict[str, list[Shown]](list)
        children: Counter[str] = Counter()
        for run in self._search(f"tags.`sslbench.execution` = '{execution}'"):
            tags = run.data.tags
            of = trials[tags["sslbench.uid"]] if "sslbench.uid" in tags else parents
            of.append(Shown.read(run))
            children[tags.get("mlflow.parentRunId", "")] += 1
        if parents:
            self.parent = self._only(parents, worth=lambda shown: children[shown.run_id])
        for uid, twins in trials.items():
            self.trials[uid] = self._only(twins, worth=lambda shown: shown.shipped)

    def _only(self, twins: Sequence[Shown], *, worth: Callable[[Shown], int]) -> Shown:
        """Take away all but the run that is worth most, of equals the earliest."""
        kept = max(twins, key=worth)
        for twin in twins:
            if twin is not kept:
                self._discard(twin)
        return kept

    def _search(self, condition: str) -> Iterator[Run]:
        token: str | None = None
        while True:
            page = self.client.search_runs(
                [self.experiment_id], condition, max_results=_PAGE, page_token=token,
                order_by=["attributes.start_time ASC"],
            )  # fmt: skip
            yield from page
            token = page.token
            if not token:
                return

    def clear_strays(self) -> int:
        """End what this ledger left RUNNING under earlier executions, and take away twins; return the number of changes.

        A server that answers too late makes a run twice, because MLflow's client asks again: nobody knows the first.
        """
        here, execution = self.owner["sslbench.ledger"], self.owner["sslbench.execution"]
        known = {shown.run_id for shown in (self.parent, *self.trials.values()) if shown}
        found = self._search(f"attributes.status = 'RUNNING' and tags.`sslbench.ledger` = '{here}'")
        strays = [run for run in found if run.info.run_id not in known]
        for run in strays:
            if run.data.tags["sslbench.execution"] == execution:
                self._discard(Shown.read(run))
            else:
                self.orphan(Shown(run.info.run_id, RUNNING))
        return len(strays)

    def _discard(self, shown: Shown) -> None:
        from mlflow.exceptions import MlflowException

        self.orphan(shown)  # a deleted run keeps its status
        try:
            self.client.delete_run(shown.run_id)
        except MlflowException as refusal:  # on a team's server not everybody may delete
            if refusal.error_code != "PERMISSION_DENIED":
                raise

    def open_parent(self, *, name: str, tags: Mapping[str, str], start_unix_ms: int | None) -> int:
        """Make the execution's own run, or set it going again; return the number of changes."""
        if self.parent is None:
            self.parent = self._create(name, tags=tags, start_unix_ms=start_unix_ms)
            return 1
        return self.reopen(self.parent)

    def close_parent(self, *, status: str, unix_ms: int) -> None:
        """End the execution's own run; a time of 0 means now."""
        assert self.parent is not None
        self.client.set_terminated(self.parent.run_id, status, end_time=unix_ms or None)
        self.parent.status = status

    def open_trial(
        self, uid: str, *, name: str, tags: Mapping[str, str], start_unix_ms: int | None
    ) -> Shown:
        """Make the run of a trial, below the parent."""
        assert self.parent is not None
        own = {"sslbench.uid": uid, "mlflow.parentRunId": self.parent.run_id}
        self.trials[uid] = self._create(name, tags={**tags, **own}, start_unix_ms=start_unix_ms)
        return self.trials[uid]

    def _create(self, name: str, *, tags: Mapping[str, str], start_unix_ms: int | None) -> Shown:
        run = self.client.create_run(
            self.experiment_id,
            start_time=start_unix_ms,
            run_name=name,
            tags={**_SOURCE, **self.owner, **tags},
        )
        return Shown(run.info.run_id, RUNNING)

    def reopen(self, shown: Shown) -> int:
        """Set a run that had ended going again; return the number of changes."""
        if shown.status == RUNNING:
            return 0
        self.unmark(shown)
        self.client.update_run(shown.run_id, status=RUNNING)
        shown.status = RUNNING
        return 1

    def unmark(self, shown: Shown) -> None:
        """Take back what was said of an attempt that no longer counts."""
        for key in sorted(shown.passing):
            self.client.delete_tag(shown.run_id, key)
        shown.passing = frozenset()

    def orphan(self, shown: Shown) -> int:
        """Say of a run that nobody works on it any more; return the number of changes."""
        if shown.orphaned:
            return 0
        self.client.set_tag(shown.run_id, _ORPHANED, "orphaned")
        self.client.set_terminated(shown.run_id, KILLED)
        shown.status, shown.passing = KILLED, shown.passing | {_ORPHANED}
        return 1

    def end(self, shown: Shown, *, status: str, unix_ms: int, attempt: int) -> None:
        """Give a run its true end; the mark that everything of this attempt has arrived comes last."""
        self.client.set_terminated(shown.run_id, status, end_time=unix_ms)
        self.client.set_tag(shown.run_id, _SHIPPED, str(attempt))
        shown.status, shown.shipped = status, attempt

    def log(
        self,
        shown: Shown,
        *,
        metrics: Iterable[Metric] = (),
        params: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Add metrics, parameters and tags in as few calls as the server's limits allow.

        Parameters are sent once: MLflow refuses other values, and where a person's files lie is not told the same way
        to a person with another home.
        """
        from mlflow.entities import Metric as Logged
        from mlflow.entities import Param, RunTag

        logged = [Logged(m.key, m.value, m.unix_ms, m.step) for m in metrics]
        params = {} if shown.has_params else params or {}
        texts: dict[str, Sequence[Any]] = {
            "params": [Param(k, v) for k, v in params.items()],
            "tags": [RunTag(k, v) for k, v in (tags or {}).items()],
        }
        for start in range(0, max(len(logged), 1), _BATCH):
            batch = logged[start : start + _BATCH]
            if batch or any(texts.values()):
                self.client.log_batch(shown.run_id, metrics=batch, **texts)
            texts = {}
        shown.passing |= _PASSING & set(tags or {})
        shown.has_params |= bool(params)

    def log_folder(self, shown: Shown, folder: Path, *, to: str | None = None) -> None:
        """Upload a folder's files."""
        self.client.log_artifacts(shown.run_id, str(folder), artifact_path=to)

    def log_file(self, shown: Shown, file: Path, *, to: str | None = None) -> None:
        """Upload one file."""
        self.client.log_artifact(shown.run_id, str(file), artifact_path=to)


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One value of a curve; sending the same one again adds nothing."""

    key: str
    value: float
    step: int
    unix_ms: int
