"""Successive halving within each arm: arms never compete for survival, and a stop is on disk before it happens."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ray.tune.experiment import Trial
from ray.tune.schedulers import ASHAScheduler, FIFOScheduler, TrialScheduler

from sslbench.config import canonical_json
from sslbench.ledger import Ledger
from sslbench.results import CurvePoint, TrialRecord
from sslbench.search.space import Params
from sslbench.search.spec import Halving

NEVER = 2**31  # ASHA's own end of a trial: ours end by themselves


class ArmwiseHalving(FIFOScheduler):
    """One ASHA scheduler per arm for search trials; confirm trials always run to their end.

    So do the trials of `defaults`, the recipe of each arm without a search: a stopped one would flatter the tuning
    it is compared with. Their marks count at the rungs like any other's.
    """

    def __init__(
        self,
        ledger: Ledger,
        halving: Halving,
        *,
        provenance: dict[str, str],
        defaults: Mapping[str, Params],
    ) -> None:
        super().__init__()
        self._ledger, self._halving, self._provenance = ledger, halving, provenance
        self._defaults = {arm: canonical_json(params) for arm, params in defaults.items()}
        self._arms: dict[str, ASHAScheduler] = {}
        self._known: set[str] = set()  # trials that ASHA has a place for

    def replay(self, records: list[TrialRecord]) -> None:
        """Fill the rungs with the reports of trials that ended in an earlier run of the driver."""
        for record in records:
            if record.stage == "search" and (record.outcome != "failed" or record.collapsed):
                self._replay(record)

    def on_trial_add(self, tune_controller: Any, trial: Trial) -> None:
        """Let the trial's arm know it."""
        if _is_search(trial):
            self._arm(trial.config["arm"]).on_trial_add(tune_controller, trial)
            self._known.add(trial.trial_id)

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        """Stop a trial that is not among the best of its arm at a rung."""
        uid = trial.config["uid"]
        if not _is_search(trial) or result.get("ended"):
            return str(TrialScheduler.CONTINUE)
        decision = self._arm(trial.config["arm"]).on_trial_result(tune_controller, trial, result)
        if decision == TrialScheduler.STOP and not (
            self._may_stop(uid) and self._record_stop(uid, result["started_unix_ms"])
        ):
            return str(TrialScheduler.CONTINUE)
        return str(decision)

    def on_trial_complete(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> None:
        """Forget a trial that has ended."""
        self.on_trial_remove(tune_controller, trial)

    def on_trial_error(self, tune_controller: Any, trial: Trial) -> None:
        """Forget a trial whose process died."""
        self.on_trial_remove(tune_controller, trial)

    def on_trial_remove(self, tune_controller: Any, trial: Trial) -> None:
        """Forget a trial; its marks at the rungs stay. Tune may say so twice, where the searcher failed the first time."""
        if trial.trial_id in self._known:
            self._known.remove(trial.trial_id)
            self._arm(trial.config["arm"]).on_trial_remove(tune_controller, trial)

    def _arm(self, name: str) -> ASHAScheduler:
        if name not in self._arms:
            self._arms[name] = ASHAScheduler(
                time_attr="updates",
                metric="objective",
                mode="max",
                max_t=NEVER,
                grace_period=self._halving.first_rung,
                reduction_factor=self._halving.reduction_factor,
                stop_last_trials=False,
            )
        return self._arms[name]

    def _may_stop(self, uid: str) -> bool:
        job = self._ledger.job(uid)
        return canonical_json(job.params) != self._defaults.get(job.arm)

    def _record_stop(self, uid: str, started_unix_ms: int) -> bool:
        """Write the stopped trial's record; False if it has meanwhile ended by itself."""
        attempt = self._ledger.attempt(uid)
        if attempt is None or attempt.record() is not None:
            return False
        job = self._ledger.job(uid)
        attempt.finish(
            job.ended(
                attempt, "stopped", provenance=self._provenance, started_unix_ms=started_unix_ms
            )
        )
        return True

    def _replay(self, record: TrialRecord) -> None:
        arm, past = self._arm(record.arm), PastTrial(record.uid)
        arm.on_trial_add(None, past)
        max_updates = record.config["training"]["max_updates"]
        best = -math.inf  # what trials report is their best so far
        for point in record.reports:
            best = max(best, point.values[record.objective])
            if is_scheduled_by(point, max_updates=max_updates):
                arm.on_trial_result(None, past, {"updates": point.updates, "objective": best})
        arm.on_trial_remove(None, past)


class PastTrial:
    """As much of a Tune trial as ASHA's rungs look at."""

    def __init__(self, trial_id: str) -> None:
        self.trial_id = trial_id


def is_scheduled_by(point: CurvePoint, *, max_updates: int) -> bool:
    """Say whether the scheduler is told of a report: at the start and at the end nothing can be stopped."""
    return 0 < point.updates < max_updates


def _is_search(trial: Trial) -> bool:
    return bool(trial.config["stage"] == "search")
