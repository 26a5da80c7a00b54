"""Gene sets that a sweep file names: each is found, read and pinned to its content before any trial."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sslbench.data.gmt import pinned
from sslbench.errors import SslbenchError
from sslbench.plain_yaml import Location
from sslbench.strict_yaml import YamlDocument

if TYPE_CHECKING:
    from sslbench.search.spec import Arm, SweepSpec

WORD = "programmes"  # an option of this name, or ending in it, names gene sets


def pin_gene_sets(spec: SweepSpec, document: YamlDocument) -> SweepSpec:
    """Return the sweep with every file of gene sets pinned; a missing or damaged one is an error with its line.

    Relative paths start at the folder of the sweep file.
    """
    arms = {name: _pinned_arm(arm, document, at=("arms", name)) for name, arm in spec.arms.items()}
    return spec.model_copy(update={"arms": arms})


def _pinned_arm(arm: Arm, document: YamlDocument, *, at: Location) -> Arm:
    pretext = {
        option: _pinned(option, value, document, at=(*at, "pretext", option))
        for option, value in arm.pretext.items()
    }
    search = {
        address: parameter
        if parameter.choice is None
        else parameter.model_copy(
            update={
                "choice": tuple(
                    _pinned(address, value, document, at=(*at, "search", address))
                    for value in parameter.choice
                )
            }
        )
        for address, parameter in arm.search.items()
    }
    return arm.model_copy(update={"pretext": pretext, "search": search})


def _pinned(option: str, value: Any, document: YamlDocument, *, at: Location) -> Any:
    if not option.endswith(WORD) or not isinstance(value, str):
        return value
    try:
        return pinned(value, folder=document.path.parent)
    except SslbenchError as error:
        error.where = f"{document.where(at)}: {error.where}" if error.where else document.where(at)
        raise
