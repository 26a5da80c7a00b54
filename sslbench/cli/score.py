"""`sslbench score`: any embedding of a data set's cells, under the same protocols, beside a sweep's arms."""

from __future__ import annotations

import shlex
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from sslbench.cli import terminal
from sslbench.cli.exit_codes import OK
from sslbench.cli.external import (
    ExternalRecord,
    SawDataset,
    refuse_name,
    refuse_replacing,
    write_external,
)
from sslbench.cli.places import TRACKING, Home, sweep_file
from sslbench.cli.question import Question, asked
from sslbench.cli.same_cells import dataset_of
from sslbench.cli.sweep import CELL_OPTIONS, SWEEPS_OWN, OwnCells, chosen_dataset
from sslbench.data.catalogue import DatasetSpec
from sslbench.errors import ConfigError, DataError
from sslbench.metric_versions import metric_versions
from sslbench.provenance import provenance
from sslbench.search.spec import load_sweep

if TYPE_CHECKING:
    from sslbench.cli.matching import Matched
    from sslbench.evaluation.base import EvaluationTask
    from sslbench.external_scores import ExternalScores


@dataclass(frozen=True, kw_only=True)
class Scoring:
    """What the command line says."""

    file: Path
    obsm: str
    name: str
    saw_dataset: SawDataset = "unknown"
    sweep: str | None = None  # the newest on these cells, if left out
    cells: OwnCells = SWEEPS_OWN
    force: bool = False

    def command(self, home: Home) -> str:
        """Return the words that score it again."""
        words = ["sslbench", "score", str(self.file), "--obsm", self.obsm, "--name", self.name]
        words += ["--saw-dataset", self.saw_dataset]
        words += ["--sweep", self.sweep] if self.sweep else []
        keys = zip(CELL_OPTIONS, self.cells, strict=True)
        words += [word for option, value in keys if value is not None for word in (option, value)]
        words += [] if home.folder == TRACKING.absolute() else ["--home", str(home.folder)]
        return shlex.join(words)


def score_file(scoring: Scoring, home: Home) -> int:
    """Check, score, show, and add the row to the sweep; nothing is written before all checks have passed."""
    from sslbench.cli.matching import Embedding, matched
    from sslbench.external_scores import tasks_of_embeddings

    refuse_name(scoring.name, arms=())
    dataset = _described(scoring, home)
    if dataset.label_key is None:
        raise ConfigError(
            "an embedding is scored by how well labels can be told from it, and these cells have none",
            code="C047",
            where=dataset.name,
            fix="--label-key COLUMN",
        )
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="sslbench-score-") as scratch:
        with terminal.working("reading the cells"):
            asked_for = Embedding(file=scoring.file, obsm=scoring.obsm)
            found = matched(asked_for, dataset, home, sweep=scoring.sweep, root=Path(scratch))
        rivals = found.rivals
        refuse_name(scoring.name, arms=tuple(rivals.spec.arms))
        if rivals.folder is not None:
            refuse_replacing(rivals.folder, scoring.name, force=scoring.force)
        tasks = tasks_of_embeddings(rivals.spec.config_evaluation())
        if not tasks:
            raise ConfigError(
                "no evaluation task of this sweep can be scored from an embedding and labels alone",
                code="C047",
                found=", ".join(given["name"] for given in rivals.spec.evaluation),
                fix="name a sweep that has knn or linear_probe: --sweep",
            )
        with terminal.working("scoring"):
            scores = _scored(scoring, found, tasks)
    _show(scoring, scores, n_dimensions=found.z.shape[1])
    if rivals.folder is None or rivals.question is None:
        terminal.say(
            "note",
            "no sweep on these cells is in the ledger: the row stands alone, nothing was written",
        )
        return OK
    record = ExternalRecord(
        name=scoring.name,
        obsm=scoring.obsm,
        n_dimensions=found.z.shape[1],
        saw_dataset=scoring.saw_dataset,
        dataset=str(rivals.question.data["dataset"]),
        data_fingerprint=rivals.question.cells_fingerprint,
        objective=rivals.spec.objective.metric,
        scores=scores.scores,
        seconds=time.monotonic() - started,
        provenance=provenance(),
        metric_versions=metric_versions(tasks, confirm=True),
        ended_unix_ms=time.time_ns() // 1_000_000,
        command=replace(scoring, file=scoring.file.absolute()).command(home),
        files={},
    )
    write_external(rivals.folder, record, predictions=scores.predictions, units=scores.units)
    _show_beside(rivals.folder, rivals.question, home)
    return OK


def _scored(scoring: Scoring, found: Matched, tasks: dict[str, EvaluationTask]) -> ExternalScores:
    from sslbench.errors import DivergedError
    from sslbench.external_scores import score_embedding

    spec = found.rivals.spec
    try:
        return score_embedding(
            found.z, found.store, tasks, label_fraction=spec.label_fraction, seed=spec.seed
        )
    except DivergedError as error:
        raise DataError(
            "this embedding has no finite scores",
            code="D336",
            where=f"{scoring.file}, slot obsm/{scoring.obsm}",
            found=str(error),
            fix="scale it: single precision has to hold its distances",
        ) from error


def _described(scoring: Scoring, home: Home) -> DatasetSpec:
    """Return the description of the data set: that of --data, of the file with its keys, or the sweep's own."""
    cells = scoring.cells
    if cells.data is None and any(cells):
        cells = cells._replace(data=str(scoring.file))
    if cells.data is not None:
        return chosen_dataset(cells, None)
    questions = asked(home, Path(scoring.sweep).stem if scoring.sweep else None)
    if questions:
        return dataset_of(questions[0][1])
    if scoring.sweep is None:
        raise ConfigError(
            "nothing says which cells these are",
            code="C048",
            fix="--sweep NAME (its own data set), --data NAME or my.yaml, or --label-key and --donor-key",
        )
    return chosen_dataset(cells, load_sweep(sweep_file(scoring.sweep)))


def _show(scoring: Scoring, scores: ExternalScores, *, n_dimensions: int) -> None:
    terminal.say("scored", f"{scoring.name}: obsm[{scoring.obsm!r}], {n_dimensions} dimensions")
    tasks = sorted({key.split("/")[1] for key in scores.scores})
    rows = []
    for task in tasks:
        metrics = sorted({key.split("/")[2] for key in scores.scores if f"/{task}/" in key})
        rows += [
            (
                task,
                metric,
                *(f"{scores.scores[f'{split}/{task}/{metric}']:.3f}" for split in ("val", "test")),
            )
            for metric in metrics
        ]
    terminal.print_table(("task", "metric", "validation", "test"), rows)


def _show_beside(folder: Path, question: Question, home: Home) -> None:
    from sslbench.cli.board import answer, write_report
    from sslbench.cli.show import show_answer

    found = answer(folder, question)
    terminal.say("sweep", f"{question.sweep} on {question.data['dataset']}: {found.facts.question}")
    show_answer(found)
    terminal.say("report", str(write_report(home, found)[0]))
