"""The cells that a trial of an earlier sweep ran on, found again and known to be the same."""

from __future__ import annotations

from sslbench.cli.cells import Prepared, built
from sslbench.cli.finding import FoundTrial
from sslbench.cli.places import Home
from sslbench.cli.question import Question
from sslbench.data.catalogue import DatasetSpec, dataset_names, load_dataset
from sslbench.data.store import found_here
from sslbench.errors import DataError, SetupError


def same_cells(found: FoundTrial, home: Home) -> Prepared:
    """Return the stores of the trial's data set and corpus; they are built again if they are gone.

    Raises
    ------
    SetupError
        If the data set is not here any more.
    DataError
        D065 if the cells are not those of the trial.
    """
    dataset = dataset_of(found.question)
    _, source = found_here(dataset)
    recorded = str(found.question.data["source_sha256"])
    if source != recorded:
        raise _changed(f"SHA-256 {source[:16]}…, then {recorded[:16]}…", dataset)
    cells = built(dataset, found.question.sweep_spec, home)
    if cells.fingerprint != found.record.data_fingerprint:
        then = found.record.data_fingerprint
        raise _changed(f"fingerprint {cells.fingerprint}, then {then}", dataset)
    return cells


def dataset_of(question: Question) -> DatasetSpec:
    """Return the description of the data set that a question was asked of, with its files where they are now."""
    name = str(question.data["dataset"])
    known = load_dataset(name) if name in dataset_names() else None
    if question.described is None:
        if known is None:
            raise SetupError(
                "this sweep is from before data sets were noted, and its cells cannot be found again",
                code="S023",
                where=name,
                fix=f"run the same `sslbench sweep {question.sweep}` once more: it notes them",
            )
        return known
    described = DatasetSpec.model_validate(question.described)
    # A data set of the catalogue may lie elsewhere by now: with the package, or in another cache.
    return known if known is not None and known.identity() == described.identity() else described


def _changed(evidence: str, dataset: DatasetSpec) -> DataError:
    return DataError(
        "the data set is not the one that this trial ran on",
        code="D065",
        where=str(dataset.file),
        found=evidence,
        fix="put the file and its description back as they were; on new data run the sweep again",
    )
