"""What HDF5, zarr and anndata raise on damaged or foreign files, turned into our errors."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from anndata._io.specs.registry import IORegistryError

from sslbench.errors import DataError

# Which of these a flipped byte raises depends on where it is: in a chunk, an attribute, a link, a shape.
DAMAGE = (
    AttributeError,
    IndexError,
    KeyError,
    OSError,
    OverflowError,
    RuntimeError,
    TypeError,
    ValueError,
    zlib.error,
)


@contextmanager
def readable(path: Path, place: str) -> Iterator[None]:
    """Raise DataError D004 or D002, naming file and `place`, where the body meets what it cannot read."""
    try:
        yield
    except IORegistryError as error:
        raise DataError(
            "this file was written by a newer anndata",
            code="D004",
            where=f"{path}, slot {place}",
            found=_first_line(error),
            fix=f"upgrade anndata (here {version('anndata')}), or write the file with this one",
        ) from error
    except DAMAGE as error:
        raise damaged(path, place, _first_line(error)) from error


def damaged(path: Path, place: str, found: str) -> DataError:
    """Return the error D002 for a part of a file that does not hold what it should."""
    return DataError(
        "a part of the file cannot be read: it is damaged",
        code="D002",
        where=f"{path}, slot {place}",
        found=found,
        fix="copy or download the file again",
    )


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0] or type(error).__name__
