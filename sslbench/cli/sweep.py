"""`sslbench sweep`: from a sweep file to a leaderboard; the same command resumes."""

from __future__ import annotations

import shlex
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, cast

from sslbench.cli import terminal
from sslbench.cli.board import Answer, answer
from sslbench.cli.cells import Prepared, prepared
from sslbench.cli.changed import changed_code, changed_data
from sslbench.cli.counted import labels_left, modality_measured
from sslbench.cli.earlier import refuse_other_versions
from sslbench.cli.exit_codes import FAILED_TRIALS, INTERRUPTED, NOT_SYNCED, OK
from sslbench.cli.interruption import GOES_ON
from sslbench.cli.places import TRACKING, Home, sweep_file
from sslbench.cli.preflight import refuse_machine, show_limits
from sslbench.cli.question import FILE, Question, new_execution, read_question, write_question
from sslbench.cli.report_seal import current_report
from sslbench.cli.show import (
    say_damaged,
    show_answer,
    show_header,
    show_next_steps,
    show_not_synced,
)
from sslbench.data.catalogue import DatasetSpec, Slot, load_dataset, spec_of_file
from sslbench.data.source_files import CELLS_SUFFIXES
from sslbench.discretion import without_password
from sslbench.disk import explained, free_bytes, out_of_space, refuse_full
from sslbench.errors import ConfigError
from sslbench.heap import give_back_freed_memory
from sslbench.ledger import Ledger
from sslbench.provenance import provenance
from sslbench.results import TrialRecord
from sslbench.search.agenda import Agenda
from sslbench.search.run import Execution, open_execution_folder, owned, run_execution
from sslbench.search.spec import SweepSpec, load_sweep, plan_line


class OwnCells(NamedTuple):
    """What the command line says of the user's cells: a data-set YAML, or a file of cells and its keys."""

    data: str | None = None
    label_key: str | None = None
    donor_key: str | None = None
    batch_key: str | None = None
    counts: str | None = None


CELL_OPTIONS = ("--data", "--label-key", "--donor-key", "--batch-key", "--counts")  # of OwnCells
TRIALS_TO_TIDY_AFTER = 50
SWEEPS_OWN = OwnCells()  # the data set that the sweep file names


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What the command line says."""

    sweep: str
    overrides: tuple[str, ...] = ()
    cells: OwnCells = SWEEPS_OWN
    fresh: bool = False

    def command(self, home: Home) -> str:
        """Return the words that ask the same again, `--fresh` left out."""
        keys = zip(CELL_OPTIONS, self.cells, strict=True)
        words = ["sslbench", "sweep", self.sweep]
        words += [word for override in self.overrides for word in ("-o", override)]
        words += [word for option, value in keys if value is not None for word in (option, value)]
        words += [] if home.folder == TRACKING.absolute() else ["--home", str(home.folder)]
        return shlex.join(words)


def resolve(asked: Asked) -> tuple[SweepSpec, DatasetSpec]:
    """Return the checked sweep and the description of the cells it is run on."""
    spec = load_sweep(sweep_file(asked.sweep), overrides=asked.overrides)
    dataset = chosen_dataset(asked.cells, spec)
    chosen = spec.dataset.model_copy(update={"name": dataset.name})
    return spec.model_copy(update={"dataset": chosen}), dataset


def chosen_dataset(cells: OwnCells, spec: SweepSpec | None) -> DatasetSpec:
    """Return the sweep's own data set, or the user's: a data-set YAML or a file of cells with its keys."""
    data, *keys = cells
    own = spec.dataset.name if spec is not None else ""
    if data is None or not data.rstrip("/").endswith(CELLS_SUFFIXES):
        if any(keys):
            raise ConfigError(
                "keys and slots are given beside a file of cells; a data-set YAML holds its own",
                code="C051",
                where=data or own,
                fix="--data my.h5ad, or write them into the YAML",
            )
        return load_dataset(data or own)
    if cells.label_key is None or cells.donor_key is None:
        raise ConfigError(
            "a file of cells needs its keys",
            code="C050",
            where=data,
            fix="--label-key cell_type --donor-key donor (--donor-key none: cells are split; --label-key none: no labels)",
        )
    return spec_of_file(
        data,
        label_key=None if cells.label_key == "none" else cells.label_key,
        donor_key=None if cells.donor_key == "none" else cells.donor_key,
        batch_key=cells.batch_key,
        counts=cast("Slot | None", cells.counts),
    )


def run_sweep(asked: Asked, home: Home) -> int:
    """Search, confirm, rank and report; return the exit code."""
    spec, dataset = resolve(asked)
    refuse_machine(spec, home)
    show_header()
    show_limits(spec)
    with explained(home.folder):
        return _prepare_and_run(asked, spec, dataset, home)


def _prepare_and_run(asked: Asked, spec: SweepSpec, dataset: DatasetSpec, home: Home) -> int:
    spec, cells = prepared(dataset, spec, home)
    name = Path(asked.sweep).stem
    folder = open_execution_folder(home.ledgers, name, spec, cells.fingerprint)
    with owned(folder):
        if asked.fresh:
            _set_aside(folder)
        command = asked.command(home)
        question = question_now(folder, name, spec, cells, dataset, command)
        for line in changed_data(folder, question):
            terminal.say("note", line)
        return _run(question, Ledger(folder), home)


def _set_aside(folder: Path) -> None:
    """Move the trials of earlier runs away; nothing that was computed is deleted."""
    # First: new trials under the execution of the old ones would be taken for these, and MLflow kept as it is.
    (folder / FILE).unlink(missing_ok=True)
    trials = folder / "trials"
    if trials.exists():
        old = folder / f"before-{time.strftime('%Y%m%d-%H%M%S')}"
        shutil.move(trials, old)
        terminal.say("fresh", f"earlier trials were moved to {old}")


def question_now(
    folder: Path, name: str, spec: SweepSpec, cells: Prepared, dataset: DatasetSpec, command: str
) -> Question:
    """Return what is asked; the execution goes on if the folder has one."""
    before = read_question(folder)
    return Question(
        sweep=name,
        execution=before.execution if before else new_execution(),
        asked_unix_ms=time.time_ns() // 1_000_000,
        spec=spec.model_dump(mode="json", by_alias=True),
        data=cells.manifest.model_dump(mode="json"),
        store=str(cells.store),
        corpus=str(cells.corpus) if cells.corpus else None,
        corpus_data=cells.corpus_manifest.model_dump(mode="json")
        if cells.corpus_manifest
        else None,
        data_fingerprint=cells.fingerprint,
        labels_left=labels_left(spec, cells.store),
        modality_measured=modality_measured(cells.store),
        left_out=cells.left_out,
        described=dataset.model_dump(mode="json"),
        command=command,
    )


def _run(question: Question, ledger: Ledger, home: Home) -> int:
    from sslbench.cli.mirror import browse_link, ending, live_mirror

    execution = Execution(
        spec=question.sweep_spec,
        ledger=ledger,
        store=Path(question.store).absolute(),
        corpus=Path(question.corpus).absolute() if question.corpus else None,
        data_fingerprint=question.data_fingerprint,
        provenance=provenance(),
    )
    # refuses what a newer sslbench wrote, before anything is written here
    agenda = execution.agenda()
    if not agenda.is_done():
        refuse_other_versions(agenda.records(), question)
    write_question(ledger, question)
    for line in changed_code(agenda.records(), execution.provenance):
        terminal.say("note", line)
    _show_plan(execution.spec, agenda)
    say_damaged(ledger.damaged({r.uid for r in agenda.records()}), state="they run again")
    with live_mirror(ledger, question, home) as mirror:
        finished = _search_and_confirm(execution, agenda)
        if finished:
            found = answer(ledger.folder, question)
            show_answer(found)
            files = current_report(
                home, found
            )  # maps take seconds: the answer is there before them
            mirror.finish(ending(found, files))
    if not finished:  # also where Ctrl-C came after the last trial: its answer is not drawn up yet
        return _say_interrupted(ledger, agenda, question.command)
    show_next_steps(files[0], link=browse_link(mirror, question), uri=without_password(mirror.uri))
    if not mirror.synced:
        show_not_synced(mirror.last_error)
        return NOT_SYNCED
    return FAILED_TRIALS if any_failed(found) else OK


def _show_plan(spec: SweepSpec, agenda: Agenda) -> None:
    n_ended = len(agenda.records())
    again = f"{n_ended} of {agenda.n_planned()} trials are in the ledger" if n_ended else ""
    terminal.say("plan", plan_line(spec))
    terminal.say("resume", again or "interrupt at any time: the same command goes on")


def _search_and_confirm(execution: Execution, agenda: Agenda) -> bool:
    """Run the agenda to its end; False if it was interrupted."""
    progress = terminal.Progress(n_planned=agenda.n_planned(), n_ended=len(agenda.records()))

    def on_ended(_: TrialRecord) -> None:
        progress.ended(best=best_so_far(agenda.records()))
        if progress.n_ended % TRIALS_TO_TIDY_AFTER == 0:
            give_back_freed_memory()

    try:
        run_execution(execution, agenda, on_ended=on_ended)
    except KeyboardInterrupt:
        return False
    finally:
        progress.close()
    if agenda.no_space:
        place = Path(agenda.no_space)
        found = f"{free_bytes(place):,} bytes are free; a quota may allow fewer"
        raise out_of_space(place, found)
    if not agenda.is_done():
        refuse_full(execution.ledger.folder)
    return agenda.is_done()


def best_so_far(records: list[TrialRecord]) -> str:
    """Return each arm's best objective: arms may have different ones, so they are not compared."""
    best: dict[str, float] = {}
    for record in records:
        if record.stage == "search" and record.score is not None:
            best[record.arm] = max(best.get(record.arm, record.score), record.score)
    shown = [f"{arm} {value:.3f}" for arm, value in best.items()]
    return "best on validation: " + ", ".join(shown) if shown else ""


def _say_interrupted(ledger: Ledger, agenda: Agenda, command: str) -> int:
    done, planned = len(ledger.records()), agenda.n_planned()
    terminal.say("stopped", f"{done} of {planned} trials are safe; {GOES_ON}: {command}")
    return INTERRUPTED


def any_failed(found: Answer) -> bool:
    """Say whether a trial failed; a collapse is what the search found out about a recipe, not a fault."""
    return any(r.outcome == "failed" and not r.collapsed for r in found.records)
