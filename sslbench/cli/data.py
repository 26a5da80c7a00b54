"""`sslbench data`: which data sets there are and where, how to get one, and whether one's own cells can be used."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sslbench.cli.options import BatchKeyOption, CountsOption, Format, FormatOption

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="Data sets: list and fetch those of the catalogue, check your own.",
)


@app.command()
def fetch(name: Annotated[str, typer.Argument(help="for example kang18")]) -> None:
    """Get a public data set that is too large for the package; it is kept, and needs the internet once."""
    from sslbench.cli.data_catalogue import fetch_data_set

    fetch_data_set(name)


@app.command("list")
def list_data_sets(output: FormatOption = Format.table) -> None:
    """Name the data sets of the catalogue, and say where each is or how to get it."""
    from sslbench.cli.data_catalogue import show_data_sets

    show_data_sets(output)


@app.command()
def check(
    files: Annotated[
        list[Path],
        typer.Argument(
            help="an .h5ad, .zarr or .h5mu with raw counts, or several as one data set; not changed"
        ),
    ],
    label_key: Annotated[str, typer.Option("--label-key", help="obs column of cell types")],
    donor_key: Annotated[
        str, typer.Option("--donor-key", help="obs column of donors; none: split cells by label")
    ],
    batch_key: BatchKeyOption = None,
    counts: CountsOption = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="the data-set YAML; beside the file if left out")
    ] = None,
    output: FormatOption = Format.table,
) -> None:
    """Say whether a sweep can use these cells, what they cannot answer, and write their data-set YAML."""
    from sslbench.cli.data_check import check_cells_files
    from sslbench.data.catalogue import spec_of_file

    spec = spec_of_file(
        files[0],
        label_key=label_key,
        donor_key=None if donor_key == "none" else donor_key,
        batch_key=batch_key,
        counts=counts.value if counts else None,
    )
    spec = spec.model_copy(update={"files": tuple(file.absolute() for file in files)})
    check_cells_files(spec, out=out or files[0].with_suffix(".yaml"), output=output)
