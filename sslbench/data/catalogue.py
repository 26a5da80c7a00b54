"""What data sets there are: one YAML each, or a user's own .h5ad. Imports neither torch nor anndata."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import AliasChoices, Field, field_validator, model_validator

from sslbench.config import Frozen
from sslbench.data.source_files import is_url
from sslbench.errors import ConfigError, nearest
from sslbench.strict_yaml import load_yaml, validate

CATALOGUE = Path(__file__).parent / "catalogue"
BUNDLED = Path(__file__).parent / "bundled"
UNLABELLED_VALUES = ("Unknown", "unknown", "NA", "")

PLACES = ("bundled:", "folder:", "fetched:")  # before the name of a file; see `places.located`

Slot = Literal["layers/counts", "raw", "X"]


class DonorSplits(Frozen):
    """Which donors, whole, are trained on, chosen on and tested on."""

    train: tuple[str, ...] = Field(min_length=1)
    val: tuple[str, ...] = Field(min_length=1)
    test: tuple[str, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _no_donor_twice(self) -> Self:
        named = [*self.train, *self.val, *self.test]
        twice = sorted({donor for donor in named if named.count(donor) > 1})
        if twice:
            raise ValueError(f"a donor belongs to one split, named twice: {', '.join(twice)}")
        return self


class ModalityChoice(Frozen):
    """A second measurement of the same cells: an entry of obsm, or a modality of an .h5mu."""

    kind: Literal["protein", "peaks"] = Field(description="what was measured beside the RNA")
    key: str = Field(description="name of the obsm entry, or of the modality of an .h5mu")
    names: str | None = Field(
        default=None, description="uns entry with the names of the features; numbered if not given"
    )


class DatasetSpec(Frozen):
    """Where the cells are and what their columns mean; everything that shapes a cell store but `n_top_genes`."""

    name: str = Field(
        default="",
        pattern=r"^([A-Za-z0-9][A-Za-z0-9_.-]{0,63})?$",
        description="the YAML file's name if not given",
    )
    title: str = Field(description="one line for `sslbench list`")
    files: tuple[Path, ...] = Field(
        description="an .h5ad, .zarr or .h5mu, or several, relative to the YAML; `bundled:` for our own, "
        "`folder:` for those in the folder that SSLBENCH_DATA names, `fetched:` for those that "
        "`sslbench data fetch` gets",
        validation_alias=AliasChoices("file", "files"),
        min_length=1,
    )
    label_key: str | None = Field(
        description="obs column of cell types; null where nothing is labelled",
        validation_alias=AliasChoices("label_key", "labels_key"),
    )
    donor_key: str | None = Field(
        description="obs column whose values are held out whole; null splits cells instead"
    )
    batch_key: str | None = Field(default=None, description="obs column of experimental batches")
    modality: ModalityChoice | None = Field(
        default=None, description="what else was measured on the same cells"
    )
    studies: tuple[str, ...] = Field(
        default=(),
        description="accessions or names of the studies whose cells these are, to find shared cells",
    )
    splits: DonorSplits | None = Field(
        default=None, description="donors by split; if not given, assigned by number of cells"
    )
    exclude_donors: tuple[str, ...] = Field(
        default=(), description="values of donor_key that are no donors"
    )
    unlabelled: tuple[str, ...] = Field(
        default=UNLABELLED_VALUES, description="labels that mean none"
    )
    nan_is_unlabelled: bool = Field(
        default=False, description="accept cells whose label is missing"
    )
    residual: tuple[str, ...] = Field(default=(), description="rest classes, treated as unlabelled")
    counts: Slot | None = Field(
        default=None, description="slot of the raw counts; null looks for it"
    )
    min_cells_per_label: int = Field(
        default=5, ge=1, description="in train and in test, to be scored"
    )
    source: str = Field(default="", description="where the cells come from")
    licence: str = Field(default="", description="under which they may be used")
    citation: str = Field(default="", description="whom to cite")

    @field_validator("title")
    @classmethod
    def _one_line(cls, title: str) -> str:
        if "\n" in title or not title.strip():
            raise ValueError("a title is one line")
        return title

    @field_validator("files", mode="before")
    @classmethod
    def _one_or_several(cls, given: Any) -> Any:
        return (given,) if isinstance(given, str | Path) else given

    @field_validator("files")
    @classmethod
    def _in_their_place(cls, files: tuple[Path, ...]) -> tuple[Path, ...]:
        for file in files:
            name = Path(str(file).partition(":")[2])
            if str(file).startswith(PLACES) and (name.is_absolute() or ".." in name.parts):
                raise ValueError(f"{file} leads out of its folder; give the path alone")
        return files

    @property
    def file(self) -> Path:
        """The file, or the first of several: what an error points at."""
        return self.files[0]

    @model_validator(mode="after")
    def _splits_need_donors(self) -> Self:
        if self.donor_key is None and (self.splits is not None or self.exclude_donors):
            raise ValueError("splits and exclude_donors name donors, but donor_key is null")
        return self

    def identity(self) -> dict[str, Any]:
        """Return what shapes the store, without the words for people and the file's place."""
        words = {"title", "files", "source", "licence", "citation"}
        return self.model_dump(mode="json", exclude=words)


def dataset_names() -> list[str]:
    """Return the data sets of the catalogue, sorted."""
    return sorted(file.stem for file in CATALOGUE.glob("*.yaml"))


def dataset_summary(name: str) -> str:
    """Return the one-line title of a data set of the catalogue."""
    return load_dataset(name).title


def load_dataset(name_or_path: str | Path) -> DatasetSpec:
    """Return the data set called so in the catalogue, or described by the YAML file at that path.

    Raises
    ------
    ConfigError
        If there is none of that name, or the file has unknown, duplicate, missing or wrong keys.
    """
    path = Path(name_or_path)
    if path.suffix not in (".yaml", ".yml"):
        if str(name_or_path) not in dataset_names():
            raise ConfigError(
                f"unknown data set {str(name_or_path)!r}",
                code="C011",
                fix=nearest(str(name_or_path), dataset_names()) + "; or the path of a .yaml",
            )
        path = CATALOGUE / f"{name_or_path}.yaml"
    spec = validate(DatasetSpec, load_yaml(path), code="C012")
    files = tuple(_resolved(file, path.parent) for file in spec.files)
    named = {"name": spec.name or _name_of(path), "files": files}
    return spec.model_copy(update=named)


def spec_of_file(
    path: str | Path,
    *,
    label_key: str | None,
    donor_key: str | None,
    batch_key: str | None = None,
    counts: Slot | None = None,
) -> DatasetSpec:
    """Return the description of a user's own file of cells; its donors are assigned to splits when it is read."""
    path = Path(path)
    return DatasetSpec(
        name=_name_of(path),
        title=f"your cells in {path.name}",
        files=(path.absolute(),),
        label_key=label_key,
        donor_key=donor_key,
        batch_key=batch_key,
        counts=counts,
    )


def _name_of(path: Path) -> str:
    """Return the file's name as a data set's: letters, digits, `_`, `-` and `.`, at most 64."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", path.stem).strip("_.-")[:64] or "cells"


def _resolved(file: Path, folder: Path) -> Path:
    text = str(file)
    if text.startswith("bundled:"):
        return BUNDLED / text.removeprefix("bundled:")
    return file if is_url(file) or text.startswith(PLACES) else (folder / file).absolute()
