"""`sslbench rerun`: repeat one finished trial as it was recorded, and say whether its scores come out again."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

from pydantic import ValidationError

from sslbench.cli import terminal
from sslbench.cli.exit_codes import NOT_REPRODUCED, OK
from sslbench.cli.finding import FoundTrial, find_trial
from sslbench.cli.places import Home
from sslbench.cli.reproduction import (
    TOLERANCE,
    Difference,
    Reproduction,
    compared,
    other_circumstances,
)
from sslbench.config import TrialConfig
from sslbench.errors import ConfigError
from sslbench.metric_versions import metric_versions
from sslbench.results import CurvePoint, TrialRecord, TrialResult

MOST_SHOWN = 20


def rerun(home: Home, run: str) -> int:
    """Repeat the trial `run` beside the ledger, which is only read; return the exit code."""
    found = find_trial(home, run)
    config = _config(found.record)
    recorded = _finished(found.record)
    threads = found.record.provenance.get("threads") or _threads_of(found)
    # As Ray does for its workers, and before numpy is loaded: sums are rounded by how they are divided.
    os.environ.setdefault("OMP_NUM_THREADS", threads)
    _announce(found)
    return _repeat(found, config, recorded, home, threads=int(threads))


def _repeat(
    found: FoundTrial, config: TrialConfig, recorded: TrialResult, home: Home, *, threads: int
) -> int:
    import torch

    from sslbench.cli.same_cells import same_cells
    from sslbench.errors import CollapsedError, DivergedError
    from sslbench.machine import machine
    from sslbench.provenance import provenance
    from sslbench.trial import run_trial

    cells = same_cells(found, home)
    device = _device(found.record, has_gpu=torch.cuda.is_available())
    torch.set_num_threads(threads)
    names = (task.name for task in config.evaluation)
    versions = metric_versions(names, confirm=found.record.stage == "confirm")
    now = {
        **provenance(),
        **machine(device, threads=threads),
        **{f"task {name}": version for name, version in versions.items()},
    }
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="sslbench-rerun-") as folder:
        try:
            repeated = run_trial(
                config,
                store=cells.store,
                corpus=cells.corpus if config.corpus else None,
                workdir=Path(folder),
                report=_unheard,
                device=device,
                score_test=found.record.stage == "confirm",
                provenance=now,
            )
        except (DivergedError, CollapsedError) as error:
            _show_circumstances(other_circumstances(found.record, now))
            return _say_failed(error)
    terminal.say(
        "run",
        f"{terminal.duration(time.monotonic() - started)}, {now['device']}, threads {threads}",
    )
    return _verdict(compared(recorded, repeated), other_circumstances(found.record, now))


def _unheard(_: CurvePoint) -> None:
    """Take a report: nobody schedules a repetition."""


def _config(record: TrialRecord) -> TrialConfig:
    try:
        return TrialConfig.model_validate(record.config)
    except ValidationError as error:
        raise ConfigError(
            "the present code cannot run this trial's configuration",
            code="C045",
            where=f"trial {record.uid}",
            found=str(error.errors()[0]["msg"]),
            fix=f"check out the commit that ran it: {record.provenance.get('commit') or 'not recorded'}",
        ) from error


def _finished(record: TrialRecord) -> TrialResult:
    if record.outcome == "finished" and record.result is not None:
        return record.result
    why = f"{record.failure.kind}: {record.failure.message}" if record.failure else record.outcome
    raise ConfigError(
        "only a trial that ran to its end has scores that can come out again",
        code="C044",
        where=f"trial {record.uid} ({record.arm}, {record.stage})",
        found=" ".join(why.split())[:200],
        fix="name a finished one",
    )


def _threads_of(found: FoundTrial) -> str:
    """Return the threads of a trial as its sweep says; for records of before they were noted."""
    return str(found.question.sweep_spec.resources.cpus_per_trial)


def _device(record: TrialRecord, *, has_gpu: bool) -> str:
    ran_on_gpu = record.provenance.get("device", "cpu").startswith("cuda")
    return "cuda" if ran_on_gpu and has_gpu else "cpu"


def _announce(found: FoundTrial) -> None:
    record, question = found.record, found.question
    what = f"{record.arm}, {record.stage}, seed {record.config['seed']} ({question.sweep} on {record.dataset})"
    terminal.say("trial", f"{record.uid}: {what}")
    if record.stage == "confirm":
        terminal.say(
            "note", "the same recipe and seed on the same test cells: nothing new of test is opened"
        )


def _verdict(found: Reproduction, others: tuple[Difference, ...]) -> int:
    if found.outcome == "bit-equal":
        terminal.out.print(
            f"[bold]verdict[/bold]  reproduced: all {found.n_scores} scores are bit-equal"
        )
        return OK
    shown = found.differences[:MOST_SHOWN]
    rows = [(d.name, _shown(d.then), _shown(d.now), f"{d.size:.2g}") for d in shown]
    terminal.print_table(("score", "recorded", "now", "apart"), rows)
    _show_circumstances(others)
    if found.same_weights is not None:
        same = "the same" if found.same_weights else "other"
        terminal.say("weights", f"the scored encoders have {same} weights as recorded")
    n, largest = len(found.differences), found.differences[0]
    text = f"{n} of {found.n_scores} scores differ, the most {largest.name} by {largest.size:.2g}"
    if found.outcome == "within tolerance":
        terminal.out.print(f"[bold]verdict[/bold]  reproduced within {TOLERANCE:g}: {text}")
        return OK
    terminal.out.print(f"[bold]verdict[/bold]  not reproduced: {text}")
    return NOT_REPRODUCED


def _show_circumstances(others: tuple[Difference, ...]) -> None:
    if not others:
        terminal.say(
            "differs", "nothing that is recorded: versions, commit, tasks, threads, machine"
        )
        return
    terminal.print_table(
        ("circumstance", "recorded", "now"), [(d.name, str(d.then), str(d.now)) for d in others]
    )


def _say_failed(error: ArithmeticError) -> int:
    terminal.out.print(
        f"[bold]verdict[/bold]  not reproduced: the trial fails now ({type(error).__name__}: {error})"
    )
    return NOT_REPRODUCED


def _shown(value: str | float | None) -> str:
    return "none" if value is None else f"{value:.6f}" if isinstance(value, float) else value
