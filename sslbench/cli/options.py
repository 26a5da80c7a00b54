"""Options that several verbs share, each defined once; imports nothing heavy."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Format(StrEnum):
    """How a verb answers."""

    table = "table"
    json = "json"


class CountsSlot(StrEnum):
    """Where raw counts may lie in an AnnData."""

    layers = "layers/counts"
    raw = "raw"
    x = "X"


class Device(StrEnum):
    """Where a model is run."""

    cpu = "cpu"
    cuda = "cuda"


class SawDataset(StrEnum):
    """Whether what made an embedding was trained on these cells."""

    yes = "yes"
    no = "no"
    unknown = "unknown"


HomeOption = Annotated[Path, typer.Option("--home", help="folder of ledger, stores and reports")]
DeviceOption = Annotated[Device, typer.Option("--device", help="where the model is run")]
FormatOption = Annotated[Format, typer.Option("--format", help="for people, or for programs")]
SweepArgument = Annotated[str, typer.Argument(help="a sweep's name, or the path of its YAML")]
OverrideOption = Annotated[
    list[str] | None, typer.Option("-o", "--override", help="key.key=value put into the sweep file")
]
DataOption = Annotated[
    str | None,
    typer.Option(
        "--data", help="a data-set YAML, or an .h5ad, .zarr or .h5mu, instead of the sweep's own"
    ),
]
LabelKeyOption = Annotated[
    str | None, typer.Option("--label-key", help="obs column of cell types; none: no labels")
]
DonorKeyOption = Annotated[
    str | None, typer.Option("--donor-key", help="obs column of donors; none: split cells by label")
]
BatchKeyOption = Annotated[str | None, typer.Option("--batch-key", help="obs column of batches")]
CountsOption = Annotated[
    CountsSlot | None,
    typer.Option("--counts", help="slot of the raw counts; looked for if left out"),
]
CellsArgument = Annotated[
    Path, typer.Argument(help="an .h5ad, .zarr or .h5mu with raw counts; it is not changed")
]
ModelOption = Annotated[Path, typer.Option("--model", help="a pulled model folder")]
CopyOption = Annotated[Path, typer.Option("--out", help="the copy to write, of the same format")]
ForceCopyOption = Annotated[bool, typer.Option("--force", help="replace what is at --out")]
