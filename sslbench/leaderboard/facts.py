"""What the leaderboard is told about a sweep beside its records: the question, the plan, the data, the versions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sslbench.claim import Claim
from sslbench.errors import ConfigError
from sslbench.leaderboard.metric import Measure, ranked_metric
from sslbench.results import Direction, MetricKey, Regime


@dataclass(frozen=True, kw_only=True)
class PlannedArm:
    """One arm as the sweep planned it."""

    name: str
    pretext: str
    encoder: str
    regime: Regime
    n_trials: int  # min(budget, size of the space)
    exhausted: bool = False  # True: the whole space is smaller than the budget and was tried
    label_fraction: float | None = (
        None  # of a copy that was searched anew at a further share of the labels, `mae_at_5` of `mae`
    )
    default_params: Mapping[str, object] | None = field(
        default=None, hash=False
    )  # the recipe that the search tries first: what the arm is without one
    max_updates: int | None = None  # the most that a trial may train for; None: it uses no gradient
    is_control: bool = False  # part of the scale that the others are read on, and no rival
    permutes_labels: bool = False  # of a control: it learnt from permuted labels


@dataclass(frozen=True, kw_only=True)
class JudgedTask:
    """One evaluation task of the sweep, in its order."""

    name: str  # as in metric keys
    metrics: Mapping[str, Direction] = field(hash=False)  # the first one is that of the units


@dataclass(frozen=True, kw_only=True)
class LabelShare:
    """A further share of the labels at which confirmed recipes are scored."""

    fraction: float
    suffix: str  # what the names of its scores end in: `_at_5` for 5 %
    n_labels: int  # of training cells, that are left
    lost: tuple[str, ...] = ()  # types of which none is left: then the share is not scored


@dataclass(frozen=True, kw_only=True)
class SweepFacts:
    """One sweep on one data set, in words and numbers that are shown but never computed with."""

    sweep: str
    question: str
    dataset: str
    data_line: str  # cells x genes, donors, cell types, counts slot
    split_line: str  # which donors train, validate, test; leak checks
    label_names: tuple[str, ...]  # the fixed label set: code → name; empty: cells have no labels
    excluded_labels: tuple[str, ...]  # with the reason, e.g. "Platelet (3 test cells)"
    test_donors: tuple[str, ...]  # empty: split by cells
    budget_trials: int  # search trials an arm may use
    confirm_seeds: int  # fresh seeds an arm is confirmed on
    objective: str  # the validation score that the search maximised
    versions: tuple[tuple[str, str], ...]  # software and data: name, version
    commit: str  # with "+ uncommitted changes" where the tree was dirty
    arms: tuple[PlannedArm, ...]
    tasks: tuple[JudgedTask, ...] = ()
    of_labels: bool = True  # whether the task of the objective predicts labels
    judged_by_labels: bool = (
        False  # whether it scores by labels that it does not predict, as integration does
    )
    label_fraction: float = 1.0  # of the labels that exist in this sweep
    n_labels: int | None = None  # of training cells, at that share; None: not counted
    label_shares: tuple[LabelShare, ...] = ()
    notes: tuple[str, ...] = ()  # further things a reader must know
    claim: Claim | None = None  # that the sweep re-examines
    first_rung: int | None = (
        None  # updates before halving may stop a trial; None: nothing is known of it
    )
    scenario: str = "in_data"  # whose cells encoders were pretrained on
    data_fingerprint: str = ""  # of the present data; "": that of the newest trial
    metric_versions: Mapping[str, str] = field(default_factory=dict, hash=False)  # of present tasks
    command: str = ""  # by which the sweep was asked; "": not known

    @property
    def refresh_command(self) -> str:
        """The command that runs all trials anew, under the present versions."""
        return f"{self.command or f'sslbench sweep {self.sweep}'} --fresh"

    @property
    def copies(self) -> frozenset[str]:
        """The arms that are others searched anew at a further share of the labels: they are not ranked beside them."""
        return frozenset(arm.name for arm in self.arms if arm.label_fraction is not None)

    @property
    def controls(self) -> frozenset[str]:
        """The arms that are no rivals: never the reference, and no part of the verdict."""
        return frozenset(arm.name for arm in self.arms if arm.is_control)

    @property
    def objective_protocol(self) -> str:
        """The evaluation task of the objective."""
        return MetricKey.parse(self.objective).task

    @property
    def baselines(self) -> tuple[Regime, ...]:
        """The regimes that an SSL arm is compared with: supervised ones, where labels are what is predicted.

        Elsewhere (expression, a second modality) an arm that learnt labels may be the weakest rival, so that every arm
        of another regime counts. Where embeddings are scored by labels that nothing predicts (integration), it was told
        a part of the answer, and does not count. Controls, such as the untrained encoder, never do.
        """
        if self._is_label_free:
            return ("unsupervised",)
        return ("supervised",) if self.of_labels else ("supervised", "unsupervised")

    @property
    def baseline(self) -> str:
        """What those baselines are called."""
        if self._is_label_free:
            return "label-free"
        return "supervised" if self.of_labels else "non-SSL"

    @property
    def _is_label_free(self) -> bool:
        return not self.label_names or self.judged_by_labels

    @property
    def preferred_protocols(self) -> tuple[str, ...]:
        """The evaluation tasks, that of the objective first: the earlier is taken where scores are equal."""
        return (self.objective_protocol, *(task.name for task in self.tasks))

    def measure(self, share: LabelShare | None = None) -> Measure:
        """Return what arms are ranked by, at the sweep's own share of the labels or at a further one.

        Raises
        ------
        ConfigError
            If the metric of the objective is better when lower: every ranking here has the highest score first.
        """
        key = MetricKey.parse(self.objective)
        metric = ranked_metric(key.metric)
        known = {task.name: task.metrics for task in self.tasks}
        if known.get(key.task, {}).get(key.metric) == "min":
            raise ConfigError(
                f"{key.metric} is better when lower, and arms are ranked by what is better when higher",
                code="C022",
                found=self.objective,
            )
        return Measure(
            metric=metric,
            suffix=share.suffix if share else "",
            only_task=None if metric.of_every_task else key.task,
            of_units=frozenset(
                t for t, metrics in known.items() if key.metric == next(iter(metrics))
            ),
        )
