"""From a ledger folder to its leaderboard and report files."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sslbench.cli.earlier import of_earlier_data
from sslbench.cli.external import read_externals
from sslbench.cli.insight import KEPT, kept_importance
from sslbench.cli.keeping import keeping_everything
from sslbench.cli.maps import EMBEDDING
from sslbench.cli.places import Home
from sslbench.cli.question import Question
from sslbench.cli.reference_notes import reference_notes
from sslbench.cli.sweep_notes import sweep_notes
from sslbench.data.manifest import StoreManifest
from sslbench.data.report import describe_data, describe_split
from sslbench.durable import write_atomically
from sslbench.ledger import Ledger
from sslbench.metric_versions import known_versions
from sslbench.provenance import provenance
from sslbench.registry import EVALUATIONS, PRETEXTS
from sslbench.results import MetricKey, TrialRecord, scored_task, suffix_at
from sslbench.search.defaults import default_params
from sslbench.search.space import size
from sslbench.search.spec import SweepSpec

if TYPE_CHECKING:
    import pandas as pd

    from sslbench.leaderboard.board import Leaderboard
    from sslbench.leaderboard.facts import JudgedTask, LabelShare, PlannedArm, SweepFacts
    from sslbench.leaderboard.importance import ArmImportance

PREDICTIONS, UNITS = "predictions.parquet", "units.parquet"
READ = (PREDICTIONS, UNITS, EMBEDDING)  # what of a trial's files is opened here


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The leaderboard of a ledger folder, with all it was made from."""

    board: Leaderboard
    facts: SweepFacts
    records: list[TrialRecord]
    predictions: dict[str, pd.DataFrame]
    ledger: Ledger
    importance_of: Callable[[], tuple[ArmImportance, ...]] = tuple  # seconds of work

    @cached_property
    def importance(self) -> tuple[ArmImportance, ...]:
        """Which searched options matter in each arm; worked out when it is first asked for."""
        return self.importance_of()


def answer(folder: Path, question: Question) -> Answer:
    """Rank what the ledger holds."""
    from sslbench.leaderboard.ranking import rank_arms

    ledger = Ledger(folder)
    asked = set(question.sweep_spec.arms)
    with keeping_everything():
        ended = ledger.records(reads=READ).values()
        records = [record for record in ended if record.arm in asked]
        predictions = confirm_frames(ledger, records, PREDICTIONS)
        units = confirm_frames(ledger, records, UNITS)
        facts = sweep_facts(question, records)
        externals, unreadable = read_externals(folder)
        board = rank_arms(
            [*records, *of_earlier_data(folder, question)],
            predictions,
            facts,
            units=units,
            externals=externals,
        )
        board = replace(board, holes=(*board.holes, *unreadable))
    return Answer(
        board=board,
        facts=facts,
        records=records,
        predictions=predictions,
        ledger=ledger,
        importance_of=partial(
            kept_importance, question.sweep_spec, facts.copies, records, folder / KEPT
        ),
    )


def confirm_frames(
    ledger: Ledger, records: list[TrialRecord], name: str
) -> dict[str, pd.DataFrame]:
    """Return a table that confirm trials left of the test cells, by uid, where they left it."""
    from pyarrow import parquet

    found = {}
    for record in records:
        if record.stage != "confirm" or name not in record.files:
            continue
        attempt = ledger.attempt(record.uid)
        if attempt is not None:
            with parquet.ParquetFile(attempt.folder / name) as file:
                found[record.uid] = file.read().to_pandas()
    return found


def sweep_facts(question: Question, records: list[TrialRecord]) -> SweepFacts:
    """Return what the leaderboard is told beside the records; versions are those of the trials."""
    from sslbench.leaderboard.facts import SweepFacts

    spec, manifest = question.sweep_spec, StoreManifest.model_validate(question.data)
    own, *further = _label_shares(question) or (None,)
    made_with = records[-1].provenance if records else provenance()
    shown = ("sslbench", "python", "torch", "ray", "optuna", "mlflow", "scikit-learn")
    needed = EVALUATIONS.constant(
        MetricKey.parse(spec.objective.metric).evaluation, "needs_of_cells"
    )
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
        of_labels=needed == ("labels",),
        judged_by_labels="labels" in needed and needed != ("labels",),
        label_fraction=spec.label_fraction,
        n_labels=own.n_labels if own else None,
        label_shares=tuple(further),
        data_fingerprint=question.cells_fingerprint,
        metric_versions=known_versions(given["name"] for given in spec.evaluation),
        command=question.command,
        notes=(*sweep_notes(question), *reference_notes(spec, records)),
        claim=spec.claim,
        first_rung=spec.halving.first_rung,
        scenario=spec.scenario,
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
        regime=arm.regime,
        n_trials=arm.n_trials(spec.budget),
        exhausted=size(arm.search) <= spec.budget.trials,
        label_fraction=arm.label_fraction,
        default_params=default_params(spec, name),
        max_updates=spec.most_updates(name),
        is_control=arm.is_control,
        permutes_labels=PRETEXTS.constant(arm.pretext["name"], "permutes_labels"),
    )


def write_report(home: Home, found: Answer) -> list[Path]:
    """Write the report as HTML, tables and pictures; return the files, the page first."""
    from sslbench.cli.maps import kept_maps
    from sslbench.leaderboard.report.page import render_html

    board, facts = found.board, found.facts
    home.reports.mkdir(parents=True, exist_ok=True)
    page = home.reports / f"{report_name(facts)}.html"
    kept = page.with_suffix(".maps.parquet")
    maps = kept_maps(board, found.records, found.ledger, kept)
    write_atomically(
        page,
        render_html(
            board, found.records, found.predictions, facts, maps=maps, importance=found.importance
        ),
    )
    if not (board.rows or board.stale or board.external):
        return [page]
    return [page, *_write_board(page, board, facts), *([kept] if maps else [])]


def _write_board(page: Path, board: Leaderboard, facts: SweepFacts) -> list[Path]:
    """Write the leaderboard in every other form beside the page."""
    from sslbench.cli.parquet import write_table
    from sslbench.leaderboard.latex import render_latex
    from sslbench.leaderboard.picture import draw_leaderboard
    from sslbench.leaderboard.text import render_csv, render_markdown, to_frame

    texts = {
        ".csv": render_csv(board),
        ".md": render_markdown(board, facts),
        ".tex": render_latex(board, facts),
    }
    for suffix, text in texts.items():
        write_atomically(page.with_suffix(suffix), text)
    write_table(to_frame(board), page.with_suffix(".parquet"))
    pictures = [page.with_suffix(suffix) for suffix in (".png", ".svg") if board.rows]
    for picture in pictures:
        draw_leaderboard(board, facts, picture)
    return [*(page.with_suffix(suffix) for suffix in (*texts, ".parquet")), *pictures]


def report_name(facts: SweepFacts) -> str:
    """Return the stem of the report's files."""
    return f"{facts.sweep}.{facts.dataset}"
