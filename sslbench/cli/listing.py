"""`sslbench list`: every name that a sweep file may use, with a line each."""

from __future__ import annotations

from sslbench.cli.places import SWEEPS, sweep_names
from sslbench.cli.terminal import print_json, print_table
from sslbench.data.catalogue import dataset_names, dataset_summary
from sslbench.registry import REGISTRIES
from sslbench.strict_yaml import load_yaml


def known() -> list[tuple[str, str, str]]:
    """Return (kind, name, one line) of everything that has a name."""
    rows = [("sweep", name, _question(name)) for name in sweep_names()]
    rows += [("data set", name, dataset_summary(name)) for name in dataset_names()]
    for registry in REGISTRIES:
        rows += [(registry.noun, name, registry.summary(name)) for name in registry.names()]
    return rows


def show_known(output: str) -> None:
    """Print the names as a table or as JSON."""
    rows = known()
    if output == "json":
        print_json([{"kind": kind, "name": name, "summary": text} for kind, name, text in rows])
    else:
        print_table(["kind", "name", "what it is"], rows)


def _question(name: str) -> str:
    return str(load_yaml(SWEEPS / f"{name}.yaml").value.get("question", ""))
