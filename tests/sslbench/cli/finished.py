"""A small sweep that has come to its end: trained for real, without Ray."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from sslbench.cli.cells import built
from sslbench.cli.places import Home
from sslbench.cli.question import write_question
from sslbench.cli.sweep import question_now
from sslbench.data.catalogue import DatasetSpec
from sslbench.ledger import Job, Ledger
from sslbench.machine import machine
from sslbench.provenance import provenance
from sslbench.results import CurvePoint, Stage
from sslbench.search.run import open_execution_folder
from sslbench.search.spec import SweepSpec
from sslbench.trial import run_trial
from tests.factories import synthetic_spec

TOY: dict[str, Any] = {
    "question": "Does anything work?",
    "dataset": {"name": "synthetic"},
    "evaluation": [{"name": "knn"}, {"name": "linear_probe"}, {"name": "head"}],
    "training": {"max_updates": 20, "evaluate_every": 10, "minibatch_size": 32},
    "budget": {"trials": 1, "confirm_seeds": 2},
    "arms": {
        "pca": {"pretext": {"name": "pca"}, "encoder": {"name": "linear", "embedding_dim": 8}},
        "supervised": {
            "pretext": {"name": "supervised"},
            "encoder": {"name": "linear", "embedding_dim": 8},
        },
    },
}


def finished_sweep(folder: Path, *, dataset: DatasetSpec | None = None, **changes: Any) -> Home:
    """The home of a sweep `toy`: two arms, one search trial and two confirm trials each."""
    dataset = dataset or synthetic_spec(folder, n_donors=4)
    chosen = {"dataset": {"name": dataset.name}}
    home, spec = Home(folder / "home"), SweepSpec.model_validate(TOY | chosen | changes)
    cells = built(dataset, spec, home)
    place = open_execution_folder(home.ledgers, "toy", spec, cells.fingerprint)
    question = question_now(place, "toy", spec, cells, dataset, "sslbench sweep toy")
    write_question(Ledger(place), question)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    stages: list[tuple[Stage, int]] = [("search", 0), ("confirm", 1), ("confirm", 2)]
    for arm in spec.arms:
        for stage, seed in stages:
            config = spec.config(arm, {}, seed=seed)
            fingerprint = cells.fingerprint
            job = Job(arm=arm, stage=stage, params={}, config=config, data_fingerprint=fingerprint)
            run(Ledger(place), job, store=cells.store)
    torch.set_num_threads(threads)
    return home


def run(ledger: Ledger, job: Job, *, store: Path) -> None:
    ledger.plan(job)
    attempt = ledger.new_attempt(job.uid)
    made_with = {**provenance(), **machine("cpu", threads=1)}
    result = run_trial(
        job.config,
        store=store,
        workdir=attempt.folder,
        report=_unheard,
        score_test=job.stage == "confirm",
        provenance=made_with,
    )
    record = job.ended(attempt, "finished", result=result, provenance=made_with, started_unix_ms=1)
    attempt.finish(record)


def _unheard(_: CurvePoint) -> None:
    """Nobody listens."""


def ledger_of(home: Home) -> Ledger:
    """The ledger of the only sweep."""
    (folder,) = home.ledgers.iterdir()
    return Ledger(folder)
