"""From a ledger folder to its leaderboard and report files."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sslbench.cli.earlier import of_earlier_data
from sslbench.cli.external import read_externals
from sslbench.cli.places import Home
from sslbench.cli.question import Question
from sslbench.cli.reference_notes import reference_notes
from sslbench.cli.sweep_notes import sweep_notes
from sslbench.data.manifest import StoreManifest
from sslbench.data.report import describe_data, describe_split
from sslbench.ledger import Ledger, write_atomically
from sslbench.metric_versions import known_versions
from sslbench.provenance import provenance
from sslbench.registry import EVALUATIONS, PRETEXTS
from sslbench.results import MetricKey, Regime, TrialRecord, scored_task, suffix_at
from sslbench.search.space import size
from sslbench.search.spec import SweepSpec

if TYPE_CHECKING:
    import pandas as pd

    from sslbench.leaderboard.board import Leaderboard
    from sslbench.leaderboard.facts import JudgedTask, LabelShare, PlannedArm, SweepFacts

PREDICTIONS, UNITS = "predictions.parquet", "units.parquet"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The leaderboard of a ledger folder, with all it was made from."""

    board: Leaderboard
    facts: SweepFacts
    records: list[TrialRecord]
    predictions: dict[str, pd.DataFrame]


def answer(folder: Path, question: Question) -> Answer:
    """Rank what the ledger holds."""
    from sslbench.leaderboard.ranking import rank_arms

    ledger = Ledger(folder)
    asked = set(question.sweep_spec.arms)
    records = [record for record in ledger.records().values() if record.arm in asked]
    predictions = confirm_frames(ledger, records, PREDICTIONS)
    units = confirm_frames(ledger, records, UNITS)
    facts = sweep_facts(question, records)
    earlier = of_earlier_data(folder, question)
    externals, unreadable = read_externals(folder)
    board = rank_arms([*records, *earlier], predictions, facts, units=units, externals=externals)
    board = replace(board, holes=(*board.holes, *unreadable))
    return Answer(board=board, facts=facts, records=records, predictions=predictions)


def confirm_frames(
    ledger: Ledger, records: list[TrialRecord], name: str
) -> dict[str, pd.DataFrame]:
    """Return a table that confirm trials left of the test cells, by uid, where they left it."""
    import pandas as pd

    found = {}
    for record in records:
        attempt = ledger.attempt(record.uid)
        if record.stage == "confirm" and attempt is not None and name in record.files:
            found[record.uid] = pd.read_parquet(attempt.folder / name)
    return found


def sweep_facts(question: Question, records: list[TrialRecord]) -> SweepFacts:
    """Return what the leaderboard is told beside the records; versions are those of the trials."""
    from sslbench.leaderboard.facts import SweepFacts

    spec, manifest = question.sweep_spec, StoreManifest.model_validate(question.data)
    own, *further = _label_shares(question) or (None,)
    made_with = records[-1].provenance if records else provenance()
    shown = ("sslbench", "python", "torch", "ray", "optuna", "mlflow", "scikit-learn")
    return SweepFacts(
        sweep=question.sweep,
        question=spec.question,
        dataset=manifest.dataset,
        data_line=_in_one_line(describe_data(manifest)),
        split_line=_in_one_line(describe_split(manifest)),
        label_names=manifest.label_names,
        excluded_labels=tuple(f"{n} ({why})" for n, why in manifest.excluded_labels.items()),
        test_donors=manifest.donors_per_split.get("test", ()),
        budget_trials=spec.budget.trials,
        confirm_seeds=spec.budget.confirm_seeds,
        objective=spec.objective.metric,
        versions=(
            *((name, made_with.get(name, "unknown")) for name in shown),
            ("data", manifest.fingerprint),
        ),
        commit=", then ".join(_commits(records) or _commits_of([provenance()])),
        arms=tuple(_planned(name, spec) for name in spec.arms),
        tasks=tuple(_judged(given) for given in spec.evaluation),
        of_labels=EVALUATIONS.constant(
            MetricKey.parse(spec.objective.metric).evaluation, "needs_of_cells"
        )
        == ("labels",),
        label_fraction=spec.label_fraction,
        n_labels=own.n_labels if own else None,
        label_shares=tuple(further),
        data_fingerprint=question.cells_fingerprint,
        metric_versions=known_versions(given["name"] for given in spec.evaluation),
        command=question.command,
        notes=(*sweep_notes(question), *reference_notes(spec, records)),
    )


def _label_shares(question: Question) -> list[LabelShare]:
    """Return the shares of labels that arms are scored at, the sweep's own first; none if it has no further one."""
    from sslbench.leaderboard.facts import LabelShare

    return [
        LabelShare(
            fraction=left.fraction,
            suffix=suffix_at(left.fraction),
            n_labels=left.n_labels,
            lost=left.lost,
        )
        for left in question.labels_left
    ]


def _judged(given: dict[str, Any]) -> JudgedTask:
    from sslbench.leaderboard.facts import JudgedTask

    name = scored_task(given["name"], of=given.get("of", "encoder"))
    return JudgedTask(name=name, metrics=EVALUATIONS.constant(given["name"], "metrics"))


def _in_one_line(columns: str) -> str:
    """Return a line of the terminal, which has columns, as running text."""
    return re.sub(r" {2,}", " · ", columns)


def _commits(records: list[TrialRecord]) -> list[str]:
    """Return the commits that the trials were run with, earliest first."""
    return _commits_of([record.provenance for record in records if record.provenance])


def _commits_of(provenances: list[dict[str, str]]) -> list[str]:
    named = [
        (made.get("commit") or "not in a repository")
        + (" + uncommitted changes" if made.get("dirty") == "true" else "")
        for made in provenances
    ]
    return list(dict.fromkeys(named))


def _planned(name: str, spec: SweepSpec) -> PlannedArm:
    from sslbench.leaderboard.facts import PlannedArm

    arm = spec.arms[name]
    return PlannedArm(
        name=name,
        pretext=arm.pretext["name"],
        encoder=arm.encoder["name"],
        regime=regime_of(arm.pretext["name"]),
        n_trials=arm.n_trials(spec.budget),
        exhausted=size(arm.search) <= spec.budget.trials,
        label_fraction=arm.label_fraction,
    )


def regime_of(pretext: str) -> Regime:
    """Return the regime that a pretext task declares."""
    regime: Regime = PRETEXTS.load(pretext).regime
    return regime


def write_report(home: Home, found: Answer) -> list[Path]:
    """Write the report as HTML, CSV, markdown and picture; return the files, the page first."""
    from sslbench.leaderboard.picture import draw_leaderboard
    from sslbench.leaderboard.report.page import render_html
    from sslbench.leaderboard.text import render_csv, render_markdown

    name, facts = report_name(found.facts), found.facts
    home.reports.mkdir(parents=True, exist_ok=True)
    page = home.reports / f"{name}.html"
    write_atomically(page, render_html(found.board, found.records, found.predictions, facts))
    if not (found.board.rows or found.board.stale or found.board.external):
        return [page]
    texts = {".csv": render_csv(found.board), ".md": render_markdown(found.board, facts)}
    files = [page]
    for suffix, text in texts.items():
        files.append(page.with_suffix(suffix))
        write_atomically(files[-1], text)
    if found.board.rows:
        files.append(page.with_suffix(".png"))
        draw_leaderboard(found.board, facts, files[-1])
    return files


def report_name(facts: SweepFacts) -> str:
    """Return the stem of the report's files."""
    return f"{facts.sweep}.{facts.dataset}"
