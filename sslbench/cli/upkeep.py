"""`sslbench doctor` and `sslbench clean`: whether this machine can run sweeps, and what old ones have left on it."""

from __future__ import annotations

from typing import Annotated

import typer

from sslbench.cli.options import HomeOption
from sslbench.cli.places import TRACKING

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def doctor(home: HomeOption = TRACKING) -> None:
    """Say in one screen whether this machine can run sweeps, and what to mend."""
    from sslbench.cli.examination import examine
    from sslbench.cli.places import Home

    raise typer.Exit(examine(Home(home.absolute())))


@app.command()
def clean(
    yes: Annotated[bool, typer.Option("--yes", help="remove it, do not only show it")] = False,
    home: HomeOption = TRACKING,
) -> None:
    """Show what old runs have left that nothing needs, and what it holds; remove it with --yes."""
    from sslbench.cli.cleaning import clean as clean_up
    from sslbench.cli.places import Home

    clean_up(Home(home.absolute()), really=yes)
