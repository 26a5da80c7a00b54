"""`sslbench check`: what a sweep would do, and what it would cost, from a short calibration."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from sslbench.cli import terminal
from sslbench.cli.cells import Prepared, prepared
from sslbench.cli.places import Home
from sslbench.cli.preflight import RECORD_BYTES, refuse_machine, show_limits
from sslbench.cli.show import show_header
from sslbench.cli.sweep import Asked, resolve
from sslbench.config import TrialConfig
from sslbench.disk import free_bytes, refuse_full
from sslbench.errors import CollapsedError, DivergedError
from sslbench.results import CurvePoint
from sslbench.search.cluster import available_cpus
from sslbench.search.space import first_params
from sslbench.search.spec import SweepSpec, describe_fixed, describe_space, plan_line

STARTING_SECONDS = 12.0  # Ray and its workers, the store, the report


def check_sweep(asked: Asked, home: Home) -> None:
    """Print the resolved sweep, its space and its plan; train a few updates per arm to estimate the rest."""
    spec, dataset = resolve(asked)
    refuse_machine(spec, home)
    from sslbench.search.rehearsal import rehearse  # torch comes with it

    show_header()
    show_limits(spec)
    terminal.say("asks", spec.question)
    spec, cells = prepared(dataset, spec, home)
    terminal.print_table(["arm", "parameter", "values"], describe_space(spec))
    terminal.print_table(["arm", "the same in every trial"], describe_fixed(spec))
    terminal.say("plan", plan_line(spec))
    rehearse(spec, cells.store, cells.corpus)
    seconds, size = estimate(spec, cells)
    terminal.say(
        "time", f"at most about {terminal.duration(seconds)} (weak trials are stopped earlier)"
    )
    free = free_bytes(home.folder)
    terminal.say("disk", f"about {size / 1e6:.1f} MB of {free / 1e6:,.0f} MB that are free")
    refuse_full(home.folder, needed=size)


def estimate(spec: SweepSpec, cells: Prepared) -> tuple[float, float]:
    """Return seconds and bytes of the whole sweep if no trial were stopped early, but for arms that fail at once."""
    slots = _slots(spec)
    seconds, size = 0.0, 0.0
    for name, arm in spec.arms.items():
        config = spec.config(name, first_params(arm.search), seed=spec.seed)
        try:
            one, weights = calibrate(config, cells)
        except (CollapsedError, DivergedError) as error:
            what = str(error).partition("\n")[0]
            terminal.say("note", f"{name} fails with the first values of its space: {what}")
            continue
        n_search, n_confirm = arm.n_trials(spec.budget), spec.budget.confirm_seeds
        seconds += one * (n_search + n_confirm) / slots
        size += RECORD_BYTES * n_search + (RECORD_BYTES + weights) * n_confirm
    return STARTING_SECONDS + seconds, size


def _slots(spec: SweepSpec) -> int:
    """Return how many trials run at a time on this machine's CPUs."""
    fit = max(1, available_cpus() // spec.resources.cpus_per_trial)
    asked = spec.resources.max_concurrent
    return fit if asked == "auto" else min(fit, asked)


def calibrate(config: TrialConfig, cells: Prepared) -> tuple[float, float]:
    """Return the seconds of a whole trial and the bytes of its weights, from its first two reports."""
    import torch

    from sslbench.trial import run_trial

    torch.set_num_threads(1)
    training = config.training
    two_reports = min(2 * training.evaluate_every, training.max_updates)
    short = config.model_copy(
        update={"training": training.model_copy(update={"max_updates": two_reports})}
    )
    points: list[CurvePoint] = []
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as workdir:
        result = run_trial(
            short,
            store=cells.store,
            corpus=cells.corpus if config.corpus else None,
            workdir=Path(workdir),
            report=points.append,
        )
    seconds = time.monotonic() - started
    if len(points) > 1:  # from one report to the next: what all later ones cost too
        left = (training.max_updates - two_reports) / training.evaluate_every
        seconds += left * (points[-1].seconds - points[-2].seconds)
    return seconds, 4.0 * result.n_parameters
