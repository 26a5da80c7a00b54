"""What runs next: every arm's search within its budget, then its best recipe on fresh seeds. Knows no Ray."""

from __future__ import annotations

import time
from collections import Counter, deque
from dataclasses import dataclass, field

from sslbench.ledger import Job, Ledger
from sslbench.results import Failure, Stage, TrialRecord, chosen_trial
from sslbench.search.defaults import default_params
from sslbench.search.space import Params
from sslbench.search.spec import SweepSpec
from sslbench.search.stall import stack_left, where_it_hung
from sslbench.search.study import ArmStudy

MAX_ATTEMPTS = 3
MAX_STALLS = 2  # the first may be a machine that was suspended: the clock went on


@dataclass
class ArmCourse:
    """How far one arm is."""

    study: ArmStudy
    again: deque[Job] = field(default_factory=deque)  # planned before, not ended
    running: dict[str, Job] = field(default_factory=dict)
    ended: dict[str, TrialRecord] = field(default_factory=dict)
    deaths: Counter[str] = field(default_factory=Counter)  # processes that left no record, by uid
    stalls: dict[str, set[int]] = field(default_factory=dict)  # attempts that their clock ended

    def n_ended(self, stage: Stage) -> int:
        """Return the trials of a stage that have ended."""
        return sum(record.stage == stage for record in self.ended.values())

    def search_is_over(self) -> bool:
        """Say whether no search trial is running, waiting or left to ask for."""
        busy = [*self.running.values(), *self.again]
        return self.study.is_spent() and not any(job.stage == "search" for job in busy)


class Agenda:
    """The plan of a sweep as a state machine over the ledger: `next` says what to run, `ended` what came of it."""

    def __init__(self, spec: SweepSpec, ledger: Ledger, *, data_fingerprint: str) -> None:
        self.spec, self.ledger, self.data_fingerprint = spec, ledger, data_fingerprint
        self.arms = {name: self._course(name) for name in spec.arms}
        self.no_space = ""  # a place that took no more of a trial; from then on none is started
        self._take_up()

    def next(self) -> Job | None:
        """Return a trial to run now, written to the ledger first; None if there is none at this moment."""
        for name in () if self.no_space else sorted(self.arms, key=self._progress):
            job = self._next_of(name)
            if job is not None:
                self.ledger.plan(job)
                self.arms[name].running[job.uid] = job
                return job
        return None

    def ended(self, uid: str) -> TrialRecord | None:
        """Note that a trial's process is through; without a record it died, and is run again or given up."""
        course = self._running(uid)
        record = self.ledger.record(uid)  # a disk may fail here: then it is asked once more
        job = course.running.pop(uid)
        if record is None:
            record = self._stalled(job, course) or self._given_up(job, course)
        if record is None:
            course.again.append(job)
            return None
        course.ended[uid] = record
        if job.stage == "search":
            course.study.tell(job.params, record)
        return record

    def put_back(self, uid: str, *, no_space: str) -> None:
        """Note a place that took no more of a trial: the trial is no worse for it, and nothing more starts."""
        course = self._running(uid)
        course.again.append(course.running.pop(uid))
        self.no_space = no_space

    def _running(self, uid: str) -> ArmCourse:
        return next(course for course in self.arms.values() if uid in course.running)

    def is_done(self) -> bool:
        """Say whether every trial of every arm has ended."""
        return not self.n_running() and all(map(self._is_through, self.arms))

    def n_running(self) -> int:
        """Return the trials that are running."""
        return sum(len(course.running) for course in self.arms.values())

    def n_planned(self) -> int:
        """Return the trials of the whole sweep, both stages."""
        per_arm = [a.n_trials(self.spec.budget) for a in self.spec.arms.values()]
        return sum(per_arm) + len(per_arm) * self.spec.budget.confirm_seeds

    def records(self) -> list[TrialRecord]:
        """Return the records of all trials that have ended."""
        return [record for course in self.arms.values() for record in course.ended.values()]

    def _course(self, name: str) -> ArmCourse:
        arm = self.spec.arms[name]
        n_trials = arm.n_trials(self.spec.budget)
        study = ArmStudy(
            name,
            arm.search,
            n_trials=n_trials,
            seed=self.spec.seed,
            default=default_params(self.spec, name),
        )
        return ArmCourse(study)

    def _take_up(self) -> None:
        """Fill the studies from the ledger: what ended is remembered, what did not is run first."""
        jobs, records = self.ledger.jobs(), self.ledger.records()
        # a trial that has ended counts by its record, also where the disk has damaged its plan
        for uid in [*jobs, *(uid for uid in records if uid not in jobs)]:
            planned, record = jobs.get(uid), records.get(uid)
            known = record or planned
            if known is None or known.arm not in self.arms:
                continue
            course = self.arms[known.arm]
            if record is not None:
                course.ended[uid] = record
                if record.stage == "search":
                    course.study.remember(record.params, record)
            elif planned is not None and planned.stage == "search":
                course.study.resume(planned.params)
                course.again.append(planned)

    def _progress(self, name: str) -> float:
        course = self.arms[name]
        begun = len(course.ended) + len(course.running)
        return begun / (course.study.n_trials + self.spec.budget.confirm_seeds)

    def _is_through(self, name: str) -> bool:
        course = self.arms[name]
        return not course.again and course.search_is_over() and self._confirm_job(name) is None

    def _next_of(self, name: str) -> Job | None:
        course = self.arms[name]
        if course.again:
            return course.again.popleft()
        params = course.study.ask()
        if params is not None:
            return self._job(name, "search", params, seed=self.spec.seed)
        return self._confirm_job(name) if course.search_is_over() else None

    def _confirm_job(self, name: str) -> Job | None:
        """Return the next fresh seed of the arm's best recipe; seeds of the search are never used again."""
        course = self.arms[name]
        best = chosen_trial(course.ended.values(), name)
        if best is None:
            return None
        for i in range(self.spec.budget.confirm_seeds):
            job = self._job(name, "confirm", best.params, seed=self.spec.seed + 1 + i)
            if job.uid not in course.ended and job.uid not in course.running:
                return job
        return None

    def _job(self, name: str, stage: Stage, params: Params, *, seed: int) -> Job:
        return Job(
            arm=name,
            stage=stage,
            params=params,
            config=self.spec.config(name, params, seed=seed),
            data_fingerprint=self.data_fingerprint,
        )

    def _given_up(self, job: Job, course: ArmCourse) -> TrialRecord | None:
        """Record a trial whose process has died too often under this driver; None while it may be tried again.

        Attempts that ended because the driver did are not held against the trial.
        """
        course.deaths[job.uid] += 1
        n_deaths = course.deaths[job.uid]
        if n_deaths < MAX_ATTEMPTS:
            return None
        reason = f"the worker process died {n_deaths} times (killed, or out of memory)"
        return self._failed(job, Failure(kind="killed", message=reason))

    def _stalled(self, job: Job, course: ArmCourse) -> TrialRecord | None:
        """Record a trial that hung until its clock ended it, and did so again; None for any other."""
        attempt = self.ledger.attempt(job.uid)
        stack = stack_left(attempt.folder) if attempt is not None else ""
        if attempt is None or not stack:
            return None
        stalls = course.stalls.setdefault(job.uid, set())
        stalls.add(attempt.number)  # a worker that died before its own attempt finds the last one's
        if len(stalls) < MAX_STALLS:
            return None
        seconds = self.spec.resources.stall_timeout_seconds
        reason = f"{MAX_STALLS} times no report for {seconds:g} s (resources.stall_timeout_seconds)"
        where = f"{reason}\nit was in {where_it_hung(stack)}"
        return self._failed(job, Failure(kind="stalled", message=where, traceback=stack))

    def _failed(self, job: Job, failure: Failure) -> TrialRecord:
        attempt = self.ledger.attempt(job.uid) or self.ledger.new_attempt(job.uid)
        record = job.ended(
            attempt,
            "failed",
            failure=failure,
            provenance={},
            started_unix_ms=time.time_ns() // 1_000_000,
        )
        attempt.finish(record)
        return record
