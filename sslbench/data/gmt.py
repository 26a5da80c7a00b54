"""Gene sets in files: the names that stand for bundled ones, GMT files, and paths pinned to a file's content.

Imports no torch: a sweep file that names a missing or damaged file fails before anything starts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from sslbench.errors import ConfigError, DataError, nearest

BUNDLED_SETS = {"immune": "immune_programmes.gmt", "tf_targets": "tf_targets.gmt"}
COEXPRESSION = "coexpression"
DEFAULT = "bundled"  # the sets that suit the mask or augmentation
MAX_SETS = 50_000
_PIN = "#sha256="

GeneSets = Mapping[str, tuple[str, ...]]


def is_gmt(source: str) -> bool:
    """Say whether gene sets are named by the path of a file."""
    return source.partition(_PIN)[0].endswith(".gmt")


def unknown_source(source: str) -> ConfigError:
    """Return the error for gene sets that are neither a known name nor a file."""
    known = [DEFAULT, *BUNDLED_SETS, COEXPRESSION]
    return ConfigError(
        f"unknown gene programmes {source!r}",
        code="C013",
        fix=nearest(source, known) + "; or the path of a .gmt file",
    )


def pinned(source: str, *, folder: Path) -> str:
    """Return gene sets as a trial's configuration names them: a file by its absolute path and content.

    A relative path starts at `folder`. Two files with different content are different configurations, so
    a file that is edited never continues the trials of what it held before.

    Raises
    ------
    ConfigError
        If `source` is neither a known name nor the path of a .gmt file.
    DataError
        G001-G006 if the file is not well formed, as `read_gmt` says.
    """
    if source in (DEFAULT, *BUNDLED_SETS, COEXPRESSION):
        return source
    if not is_gmt(source):
        raise unknown_source(source)
    path = (folder / source.partition(_PIN)[0]).absolute()
    read_gmt(path)
    return f"{path}{_PIN}{_digest(path)}"


def unpinned(source: str) -> Path:
    """Return the path of a file of gene sets; raise DataError G007 if its content is not the pinned one."""
    text, _, digest = source.partition(_PIN)
    path = Path(text)
    if digest and path.is_file() and _digest(path) != digest:
        raise DataError(
            "this file of gene sets was changed after the sweep had been asked",
            code="G007",
            where=str(path),
            fix="the same command asks the new question; put the old file back to go on",
        )
    return path


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def read_gmt(path: Path) -> GeneSets:
    """Return the sets of a GMT file, in order: a line is a name, a note and the genes, tabs between.

    Raises
    ------
    DataError
        With file and line: G001 empty set, G002 name twice, G004 no tabs, G005 no such file or no text,
        G006 no or too many sets.
    """
    sets: dict[str, tuple[str, ...]] = {}
    for number, line in enumerate(_lines(path), start=1):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        name, *rest = line.split("\t")
        if not rest:
            raise DataError(
                "a line is a name, a note and genes, with tabs between",
                code="G004",
                where=where,
                found=f"no tab in {line[:60]!r}",
                fix="save it as tab-separated text, one set a line",
            )
        genes = tuple(gene.strip() for gene in rest[1:] if gene.strip())
        if not genes:
            raise DataError(
                f"the set {name!r} has no genes", code="G001", where=where,
                found=f"{len(rest)} field after the name: the first is a note, genes follow it",
                fix="add its genes, or take the line out",
            )  # fmt: skip
        if name in sets:
            raise DataError(
                f"the set {name!r} stands twice", code="G002", where=where,
                fix="rename one of the two, or take it out",
            )  # fmt: skip
        sets[name] = genes
    if not 0 < len(sets) <= MAX_SETS:
        raise DataError(
            f"between 1 and {MAX_SETS:,} sets are read", code="G006", where=str(path),
            found=f"{len(sets):,} sets", fix="keep the sets that matter for these cells",
        )  # fmt: skip
    return sets


def _lines(path: Path) -> list[str]:
    if not path.is_file():
        raise DataError("no such file", code="G005", where=str(path.absolute()))
    try:
        # Not splitlines, which also parts at characters that no editor counts as a line's end.
        return path.read_text(encoding="utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise DataError("this file is not UTF-8 text", code="G005", where=str(path)) from error
