"""The `sslbench` command: one thin function per verb; what a verb needs is imported when it is called."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from sslbench.cli.data import app as data_verbs
from sslbench.cli.exit_codes import INTERRUPTED
from sslbench.cli.interruption import GOES_ON, as_ctrl_c, interruptible
from sslbench.cli.options import (
    BatchKeyOption,
    CellsArgument,
    CopyOption,
    CountsOption,
    DataOption,
    Device,
    DeviceOption,
    DonorKeyOption,
    ForceCopyOption,
    Format,
    FormatOption,
    HomeOption,
    LabelKeyOption,
    ModelOption,
    OverrideOption,
    SawDataset,
    SweepArgument,
)
from sslbench.cli.places import TRACKING
from sslbench.cli.upkeep import app as upkeep_verbs
from sslbench.disk import explained
from sslbench.errors import SslbenchError

app = typer.Typer(
    name="sslbench",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Does self-supervised pretraining help on my cells? Sweeps, tuned baselines and a leaderboard.",
)

app.add_typer(data_verbs, name="data")
app.add_typer(upkeep_verbs)  # without a name: its verbs stand beside the others


@app.command()
def sweep(
    name: SweepArgument,
    override: OverrideOption = None,
    data: DataOption = None,
    label_key: LabelKeyOption = None,
    donor_key: DonorKeyOption = None,
    batch_key: BatchKeyOption = None,
    counts: CountsOption = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="set earlier trials aside")] = False,
    home: HomeOption = TRACKING,
) -> None:
    """Search, confirm on fresh seeds, rank against tuned baselines; the same command resumes."""
    command = ""
    try:
        from sslbench.cli.places import Home
        from sslbench.cli.sweep import Asked, OwnCells, run_sweep
        from sslbench.search.leftovers import end_now

        slot = counts.value if counts else None
        cells = OwnCells(data, label_key, donor_key, batch_key, slot)
        asked = Asked(sweep=name, overrides=tuple(override or ()), cells=cells, fresh=fresh)
        where = Home(home.absolute())
        command = f": {asked.command(where)}"
        with interruptible(asked.command(where), at_once=end_now):
            code = run_sweep(asked, where)
    except KeyboardInterrupt:
        sys.stderr.write(f"interrupted; {GOES_ON}{command}\n")
        code = INTERRUPTED
    raise typer.Exit(code)


@app.command()
def check(
    name: SweepArgument,
    override: OverrideOption = None,
    data: DataOption = None,
    label_key: LabelKeyOption = None,
    donor_key: DonorKeyOption = None,
    batch_key: BatchKeyOption = None,
    counts: CountsOption = None,
    home: HomeOption = TRACKING,
) -> None:
    """Show what a sweep would do: its space, its trials, an estimate of time and disk."""
    from sslbench.cli.check import check_sweep
    from sslbench.cli.places import Home
    from sslbench.cli.sweep import Asked, OwnCells

    slot = counts.value if counts else None
    cells = OwnCells(data, label_key, donor_key, batch_key, slot)
    asked = Asked(sweep=name, overrides=tuple(override or ()), cells=cells)
    check_sweep(asked, Home(home.absolute()))


@app.command("list")
def list_known(output: FormatOption = Format.table) -> None:
    """Name every sweep, data set, pretext task, mask, head, encoder and evaluation task."""
    from sslbench.cli.listing import show_known

    show_known(output)


@app.command()
def status(
    sweep: Annotated[str | None, typer.Argument(help="only this sweep")] = None,
    output: FormatOption = Format.table,
    home: HomeOption = TRACKING,
) -> None:
    """Show how far every sweep in the ledger is."""
    from sslbench.cli.places import Home
    from sslbench.cli.results import show_status

    show_status(Home(home.absolute()), sweep, output)


@app.command()
def leaderboard(
    sweep: Annotated[
        str | None, typer.Argument(help="only this sweep; all of them if left out")
    ] = None,
    output: FormatOption = Format.table,
    home: HomeOption = TRACKING,
) -> None:
    """Rank again from the ledger and write the report again."""
    from sslbench.cli.places import Home
    from sslbench.cli.results import show_leaderboards

    show_leaderboards(Home(home.absolute()), sweep, output)


@app.command()
def rerun(
    run: Annotated[
        str, typer.Argument(help="a trial: its uid, the start of it, or its run in MLflow")
    ],
    home: HomeOption = TRACKING,
) -> None:
    """Repeat a finished trial beside the ledger, and say whether its scores come out again."""
    from sslbench.cli.places import Home
    from sslbench.cli.rerun import rerun as repeat

    raise typer.Exit(repeat(Home(home.absolute()), run))


@app.command()
def pull(
    to: Annotated[Path, typer.Option("--to", help="folder to make")],
    sweep: Annotated[
        str | None, typer.Option("--sweep", help="the newest sweep if left out")
    ] = None,
    registry: Annotated[
        str | None, typer.Option("--registry", help="a registered model, from the tracking server")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="replace an earlier pull")] = False,
    home: HomeOption = TRACKING,
) -> None:
    """Take the best model (by validation) away as a folder that explains itself."""
    from sslbench.cli.places import Home
    from sslbench.cli.pull import pull_best, pull_registered

    where = Home(home.absolute())
    if registry is None:
        pull_best(where, sweep=sweep, to=to, force=force)
    else:
        pull_registered(where, model=registry, to=to, force=force)


@app.command()
def embed(
    file: CellsArgument,
    model: ModelOption,
    out: CopyOption,
    counts: CountsOption = None,
    device: DeviceOption = Device.cpu,
    force: ForceCopyOption = False,
) -> None:
    """Write a copy of a file of cells with the model's embedding in obsm["X_sslbench"]."""
    from sslbench.cli.embed import embed_file

    slot = counts.value if counts else None
    embed_file(file, model=model, out=out, counts=slot, device=device.value, force=force)


@app.command()
def annotate(
    file: CellsArgument,
    model: ModelOption,
    out: CopyOption,
    counts: CountsOption = None,
    device: DeviceOption = Device.cpu,
    force: ForceCopyOption = False,
) -> None:
    """Write a copy of a file of cells with cell types in obs["sslbench_label"], by a model with a classifier."""
    from sslbench.cli.annotate import annotate_file

    slot = counts.value if counts else None
    annotate_file(file, model=model, out=out, counts=slot, device=device.value, force=force)


@app.command()
def score(
    file: CellsArgument,
    obsm: Annotated[str, typer.Option("--obsm", help="the embedding: a key of obsm")],
    name: Annotated[str, typer.Option("--name", help="what the row is called")],
    saw_dataset: Annotated[
        SawDataset,
        typer.Option("--saw-dataset", help="was what made it trained on these cells"),
    ] = SawDataset.unknown,
    sweep: Annotated[
        str | None, typer.Option("--sweep", help="the newest on these cells if left out")
    ] = None,
    data: DataOption = None,
    label_key: LabelKeyOption = None,
    donor_key: DonorKeyOption = None,
    batch_key: BatchKeyOption = None,
    counts: CountsOption = None,
    force: Annotated[bool, typer.Option("--force", help="replace a row of that name")] = False,
    home: HomeOption = TRACKING,
) -> None:
    """Score an embedding made elsewhere by a sweep's protocols, and show it beside the sweep's arms."""
    from sslbench.cli.places import Home
    from sslbench.cli.score import Scoring, score_file
    from sslbench.cli.sweep import OwnCells

    slot = counts.value if counts else None
    scoring = Scoring(
        file=file,
        obsm=obsm,
        name=name,
        saw_dataset=saw_dataset.value,
        sweep=sweep,
        cells=OwnCells(data, label_key, donor_key, batch_key, slot),
        force=force,
    )
    raise typer.Exit(score_file(scoring, Home(home.absolute())))


@app.command()
def sync(
    sweep: Annotated[str | None, typer.Argument(help="only this sweep")] = None,
    home: HomeOption = TRACKING,
) -> None:
    """Bring the MLflow store up to date with the ledger."""
    from sslbench.cli.mirror import sync_all
    from sslbench.cli.places import Home

    raise typer.Exit(sync_all(Home(home.absolute()), sweep))


@app.command()
def ui(
    port: Annotated[int, typer.Option("--port", min=1024, max=65535)] = 5000,
    home: HomeOption = TRACKING,
) -> None:
    """Open the MLflow UI on 127.0.0.1 only."""
    from sslbench.cli.mirror import serve_ui
    from sslbench.cli.places import Home

    raise typer.Exit(serve_ui(Home(home.absolute()), port))


def main() -> None:
    """Run the command; known problems are printed in at most eight lines, without a traceback."""
    # `kill` and Slurm send SIGTERM, and Slurm SIGUSR1 as a warning if asked to.
    for number in (signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, as_ctrl_c)
    try:
        with explained(Path.cwd()):
            app()
    except SslbenchError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(error.exit_code)
