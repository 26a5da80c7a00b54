"""One arm's search: an Optuna study in memory, refilled from the ledger, that says which params come next."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING

from sslbench.config import canonical_json, fingerprint
from sslbench.results import TrialRecord
from sslbench.search.space import Params, Space, all_params, distributions, size, suggest

if TYPE_CHECKING:
    import optuna

MAX_REPEATS = 20


class ArmStudy:
    """TPE (Bergstra et al. 2011; multivariate, constant liar) over an arm's space, or all of a small space.

    The sampler is seeded anew for each suggestion from (seed, arm, number of earlier ones), so the same
    history gives the same next suggestion whether or not the driver was restarted in between. What the arm would be
    without a search, `default`, is asked for first, so that a reader sees what tuning brought.
    """

    def __init__(
        self, arm: str, space: Space, *, n_trials: int, seed: int, default: Params | None = None
    ) -> None:
        import optuna

        self.arm, self.space, self.n_trials, self.seed = arm, space, n_trials, seed
        self._default = default
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._study = optuna.create_study(direction="maximize")
        self._known: set[str] = set()
        self._space_is_spent = False
        self._asked: dict[str, optuna.trial.Trial] = {}
        self._grid = list(all_params(space) or ()) if size(space) <= n_trials else None

    @property
    def n_known(self) -> int:
        """The number of different params that were asked for or remembered."""
        return len(self._known)

    def remember(self, params: Params, record: TrialRecord) -> None:
        """Add a trial that ended in an earlier run of the driver."""
        from optuna.trial import create_trial

        value = record.objective_value
        state = _state(record)
        finished = state.name == "COMPLETE"
        self._study.add_trial(
            create_trial(
                state=state,
                value=value if finished else None,
                params=params,
                distributions=distributions(params, self.space),
                intermediate_values=_reports(record),
            )
        )
        self._known.add(canonical_json(params))

    def resume(self, params: Params) -> None:
        """Take up a trial that was planned earlier and has not ended."""
        self._open(params)

    def ask(self) -> Params | None:
        """Return params that were never asked for; None when the arm has had its trials or its space is spent."""
        if self.is_spent():
            return None
        for params in self._candidates():
            if canonical_json(params) not in self._known:
                self._open(params)
                return params
        self._space_is_spent = True
        return None

    def is_spent(self) -> bool:
        """Say whether every trial of the budget, or every configuration of the space, was asked for."""
        return self._space_is_spent or self.n_known >= self.n_trials

    def tell(self, params: Params, record: TrialRecord) -> None:
        """Let the sampler learn how a trial ended."""
        trial = self._asked.pop(canonical_json(params))
        for updates, value in _reports(record).items():
            trial.report(value, updates)
        state = _state(record)
        self._study.tell(
            trial, record.objective_value if state.name == "COMPLETE" else None, state=state
        )

    def _candidates(self) -> Iterator[Params]:
        """Yield the default, the sampler's wishes, then others: where few values are left it insists on known ones."""
        if self._default is not None:
            yield self._default
        if self._grid is not None:
            yield from self._grid
            return
        for repeat in range(MAX_REPEATS):
            yield self._drawn(_guided(self._seed(repeat), self.n_trials))
        for repeat in range(MAX_REPEATS):
            yield self._drawn(_unguided(self._seed(repeat)))
        yield from all_params(self.space) or ()

    def _seed(self, repeat: int) -> int:
        return int(fingerprint([self.seed, self.arm, self.n_known, repeat])[:8], 16)

    def _drawn(self, sampler: optuna.samplers.BaseSampler) -> Params:
        """Draw params on a throw-away trial, which leaves no trace that a sampler looks at."""
        from optuna.trial import TrialState

        self._study.sampler = sampler
        trial = self._study.ask()
        params = suggest(trial, self.space)
        self._study.tell(trial, state=TrialState.FAIL)
        return params

    def _open(self, params: Params) -> None:
        """Make params a running trial of the study, so that the constant liar counts it."""
        self._study.enqueue_trial(params)
        trial = self._study.ask()
        suggest(trial, self.space)
        self._asked[canonical_json(params)] = trial
        self._known.add(canonical_json(params))


def _guided(seed: int, n_trials: int) -> optuna.samplers.BaseSampler:
    import optuna

    with warnings.catch_warnings():  # the options are marked experimental, on every construction
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return optuna.samplers.TPESampler(
            seed=seed,
            multivariate=True,
            group=True,
            constant_liar=True,
            n_startup_trials=max(4, min(10, n_trials // 3)),
        )


def _unguided(seed: int) -> optuna.samplers.BaseSampler:
    import optuna

    return optuna.samplers.RandomSampler(seed=seed)


def _state(record: TrialRecord) -> optuna.trial.TrialState:
    from optuna.trial import TrialState

    if (
        record.collapsed
    ):  # the sampler does not look at FAIL and would ask for the same corner again
        return TrialState.PRUNED
    if record.outcome == "failed":
        return TrialState.FAIL
    return TrialState.PRUNED if record.outcome == "stopped" else TrialState.COMPLETE


def _reports(record: TrialRecord) -> dict[int, float]:
    """Return the objective by updates; a failed trial has none, so a collapsed one ranks last."""
    if record.outcome == "failed":
        return {}
    return {
        p.updates: p.values[record.objective]
        for p in record.reports
        if record.objective in p.values
    }
