"""Which searched options matter: functional ANOVA over an arm's trials, with intervals and a level of chance."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sslbench.config import fingerprint
from sslbench.durable import sha256
from sslbench.leaderboard.importance import ArmImportance, ParameterImportance
from sslbench.provenance import version_of
from sslbench.results import TrialRecord
from sslbench.search.space import Params, Space

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

MIN_TRIALS = 10  # at 16, an option behind 40 % of the variance passes chance in 7 of 10 searches
MAX_TRIALS = (
    128  # of a longer search as many are taken, evenly over its course: time grows with them
)
_TREES, _DRAWN_TREES, _DEPTH = 64, 8, 5  # 32 leaves: deeper ones cost time and fit noise
_MIN_DRAWS, _MAX_DRAWS, _DRAWN_TRIALS = 20, 40, 2000  # drawn trials in all, as far as draws allow
_SEED = 20240913  # any constant: two people with the same records must see the same figures
_MADE_UP = "a number without effect"  # no address of an option: it has no part


def arm_importance(
    arm: str, space: Space, records: Sequence[TrialRecord], *, first_rung: int
) -> ArmImportance:
    """Say how much of the differences between the search trials of `arm` each of its options explains by itself.

    Functional ANOVA on a random forest (Hutter et al. 2014, proceedings.mlr.press/v32/hutter14), as Optuna has it;
    options searched on a logarithmic scale enter as logarithms, so that every decade weighs the same.

    Where halving stopped a trial, all trials are judged by what they had at the first rung: final scores exist of
    those alone that were good early. Where it stopped none, by their final scores. Failed trials have neither. An
    option that only some trials were asked for (the rate of the masks that have one) is judged among these.
    """
    trials, updates = _judgeable(arm, records, first_rung)
    return _judged(arm, space, trials, updates=updates)


def made_of(arm: str, space: Space, records: Sequence[TrialRecord], *, first_rung: int) -> str:
    """Return the fingerprint of what `arm_importance` looks at and is made with: where it is the same, so is the answer."""
    trials, updates = _judgeable(arm, records, first_rung)
    options = {name: parameter.model_dump(mode="json") for name, parameter in space.items()}
    tools = [sha256(Path(__file__)), version_of("optuna"), version_of("scikit-learn")]
    return fingerprint([arm, [[t.params, t.score] for t in trials], updates, options, tools])


@dataclass(frozen=True)
class _Trial:
    params: Params
    score: float


def _judgeable(
    arm: str, records: Sequence[TrialRecord], first_rung: int
) -> tuple[list[_Trial], int | None]:
    """Return the search trials that have a score to be judged by, and after how many updates; None: at their ends."""
    searched = sorted(
        (r for r in records if r.arm == arm and r.stage == "search"),
        key=lambda r: (r.started_unix_ms, r.uid),
    )
    updates = first_rung if any(r.outcome == "stopped" for r in searched) else None
    trials = [
        _Trial(r.params, score) for r in searched if (score := _score(r, updates)) is not None
    ]
    return _thinned(trials), updates


def _score(record: TrialRecord, updates: int | None) -> float | None:
    return record.score if updates is None else record.best_by(updates)


def _thinned(trials: list[_Trial]) -> list[_Trial]:
    if len(trials) <= MAX_TRIALS:
        return trials
    return [trials[i] for i in np.linspace(0, len(trials) - 1, MAX_TRIALS).round().astype(int)]


def _judged(arm: str, space: Space, trials: list[_Trial], *, updates: int | None) -> ArmImportance:
    found: list[ParameterImportance] = []
    missing: list[str] = []
    done: dict[tuple[int, ...], list[ParameterImportance]] = {}  # options asked together, by trials
    for name in space:
        asked = tuple(i for i, trial in enumerate(trials) if name in trial.params)
        among = [trials[i] for i in asked]
        reason = _why_not(name, among)
        if reason is not None:
            missing.append(f"{name}: {reason}")
            continue
        if asked not in done:
            done[asked] = _importances(among, space)
        found += [one for one in done[asked] if one.parameter == name]
    found.sort(key=lambda one: (-one.importance, one.parameter))
    return ArmImportance(arm=arm, updates=updates, parameters=tuple(found), missing=tuple(missing))


def _why_not(name: str, among: Sequence[_Trial]) -> str | None:
    if find_spec("optuna") is None:
        return "Optuna is not installed (pip install 'sslbench[search]')"
    if len(among) < MIN_TRIALS:
        return f"{len(among)} trials with a score tried it, and {MIN_TRIALS} are the least"
    if len({repr(trial.params[name]) for trial in among}) == 1:
        return "all trials had the same value"
    if len({trial.score for trial in among}) == 1:
        return "all trials have the same score"
    return None


def _importances(trials: list[_Trial], space: Space) -> list[ParameterImportance]:
    """Return the importance of every option that all these trials were asked for and that varies among them."""
    shared = [
        name
        for name in space
        if all(name in trial.params for trial in trials)
        and len({repr(trial.params[name]) for trial in trials}) > 1
    ]
    seen = _explained(_as_optuna_has_it(trials, shared, space), n_trees=_TREES, seed=_SEED)
    draws = _drawn(trials, shared, space)
    chance = float(np.quantile([draw[_MADE_UP] for draw in draws], 0.95))
    return [
        ParameterImportance(
            parameter=name,
            importance=seen[name],
            low=float(np.quantile([draw[name] for draw in draws], 0.025)),
            high=float(np.quantile([draw[name] for draw in draws], 0.975)),
            chance=chance,
            n_trials=len(trials),
        )
        for name in shared
    ]


def _drawn(trials: list[_Trial], names: Sequence[str], space: Space) -> list[dict[str, float]]:
    """Return the importances in each of several draws of as many trials, beside that of a number without effect."""
    from optuna.distributions import FloatDistribution

    generator, n = np.random.default_rng(_SEED), len(trials)
    draws = []
    for seed in range(min(_MAX_DRAWS, max(_MIN_DRAWS, _DRAWN_TRIALS // n))):
        made_up = generator.uniform(size=n)  # a trial that is drawn twice has the same one twice
        whole = _as_optuna_has_it(trials, names, space)
        for trial, value in zip(whole, made_up, strict=True):
            trial.params = {**trial.params, _MADE_UP: float(value)}
            trial.distributions = {**trial.distributions, _MADE_UP: FloatDistribution(0.0, 1.0)}
        drawn = [whole[i] for i in generator.integers(n, size=n)]
        draws.append(_explained(drawn, n_trees=_DRAWN_TREES, seed=seed))
    return draws


def _explained(trials: Sequence[FrozenTrial], *, n_trees: int, seed: int) -> dict[str, float]:
    """Return the share of the variance over the space that each option explains by itself; 0 if there is none."""
    import optuna
    from optuna.importance import FanovaImportanceEvaluator, get_param_importances

    names = list(trials[0].params)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(direction="maximize")
    study.add_trials(trials)
    evaluator = FanovaImportanceEvaluator(n_trees=n_trees, max_depth=_DEPTH, seed=seed)
    with warnings.catch_warnings():  # `normalize` is marked experimental
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        try:
            shares = get_param_importances(
                study, evaluator=evaluator, params=names, normalize=False
            )
        except RuntimeError:  # every tree was grown on equal scores
            return dict.fromkeys(names, 0.0)
    return {name: float(share) for name, share in shares.items()}


def _as_optuna_has_it(
    trials: Sequence[_Trial], names: Sequence[str], space: Space
) -> list[FrozenTrial]:
    from optuna.trial import create_trial

    scales = {name: _scale(name, space) for name in names}
    return [
        create_trial(
            value=trial.score,
            params={name: _placed(name, trial.params, space) for name in names},
            distributions=scales,
        )
        for trial in trials
    ]


def _is_log(name: str, space: Space) -> bool:
    return space[name].log_float is not None or space[name].log_int is not None


def _scale(name: str, space: Space) -> BaseDistribution:
    from optuna.distributions import FloatDistribution

    if not _is_log(name, space):
        return space[name].distribution()
    low, high = space[name].ends()
    return FloatDistribution(math.log(low), math.log(high))


def _placed(name: str, params: Params, space: Space) -> object:
    return math.log(params[name]) if _is_log(name, space) else params[name]
