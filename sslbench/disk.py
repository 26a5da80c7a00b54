"""Can a folder hold what a sweep writes: may it be written, do its locks hold, is there space; and why a write failed."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sslbench.errors import SetupError, SslbenchError

LEAST_FREE = (
    64 * 2**20
)  # what the trials that run at one time may still write when no more are started
FULL = {errno.ENOSPC, errno.EDQUOT}
_UNLOCKABLE = {errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS}
_FAULTY = {errno.EIO, errno.ESTALE, errno.ENAMETOOLONG, errno.EMFILE, errno.ENFILE}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}


def is_full(error: BaseException) -> bool:
    """Say whether something could not be written for want of space: no fault of who wrote it."""
    # safetensors, HDF5 and Arrow have errors of their own, and pass the system's words on
    named = isinstance(error, OSError) and error.errno in FULL
    return named or any(os.strerror(number) in str(error) for number in FULL)


def free_bytes(folder: Path) -> int:
    """Return what may still be written into a folder that is there or will be."""
    return shutil.disk_usage(_standing(folder)).free


def refuse_unusable(folder: Path, *, needed: float = LEAST_FREE) -> None:
    """Try on the folder, or on what of its path is there, what a sweep will do; leaves nothing behind.

    Raises
    ------
    SetupError
        S050 if no file can be made in it, S051 if a file cannot be locked, S052 if fewer than `needed` bytes are free.
    """
    standing = _standing(folder)
    try:
        with tempfile.TemporaryFile(dir=standing) as probe:
            fcntl.flock(probe, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise as_setup_error(error, folder=folder) or _unwritable(error, folder) from error
    refuse_full(folder, needed=needed)


def refuse_full(folder: Path, *, needed: float = LEAST_FREE) -> None:
    """Raise SetupError S052, naming the bytes, if fewer than `needed` are free where `folder` lies."""
    free = free_bytes(folder)
    if free < needed:
        raise out_of_space(folder, f"{free:,} bytes are free, about {needed:,.0f} are needed")


@contextmanager
def explained(folder: Path) -> Iterator[None]:
    """Turn what the disk or its file system refuses into a SetupError that names the file, or else `folder`.

    Raises
    ------
    SetupError
        S050 for want of rights, S051 of locks, S052 of space, S053 if the file system failed.
    """
    try:
        yield
    except SslbenchError:
        raise
    except Exception as error:
        known = as_setup_error(error, folder=folder)
        if known is None:
            raise
        raise known from error


def as_setup_error(error: Exception, *, folder: Path) -> SetupError | None:
    """Return what the machine does not allow, or None if the error says nothing about the machine.

    `folder` is named where the error names no file: a write to an open file does not. What an error came from is looked
    at too: Tune puts its own in the place of those that its callbacks raise.
    """
    found = (_as_setup_error(one, folder=folder) for one in _with_its_causes(error))
    return next((known for known in found if known is not None), None)


def _with_its_causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _as_setup_error(error: BaseException, *, folder: Path) -> SetupError | None:
    named = getattr(error, "filename", None)
    place = Path(str(named)) if named else folder
    if is_full(error):
        return out_of_space(
            place, f"{free_bytes(place):,} bytes are free, about {LEAST_FREE:,} are needed"
        )
    if not isinstance(error, OSError):
        return None
    if error.errno in _UNLOCKABLE:
        return SetupError(
            "files cannot be locked here, and without locks two sweeps could write the same trial",
            code="S051", where=str(place), found=error.strerror,
            fix="--home on a local disk, or a network file system mounted with locks",
        )  # fmt: skip
    if error.errno in _FORBIDDEN:
        return _unwritable(error, place)
    if error.errno in _FAULTY:
        return SetupError(
            "the file system did not do what it was asked",
            code="S053",
            where=str(place),
            found=error.strerror,
            fix="check the disk or the network file system; then the same command again",
            state="complete records are safe",
        )
    return None


def _standing(folder: Path) -> Path:
    """Return the folder, or the nearest one above it that is there."""
    return next(place for place in (folder, *folder.absolute().parents) if place.exists())


def _unwritable(error: OSError, place: Path) -> SetupError:
    return SetupError(
        "the system does not allow this file or folder to be used",
        code="S050",
        where=str(place),
        found=error.strerror,
        fix="choose another folder (--home for results, TMPDIR for scratch), or be given the right to it",
    )


def out_of_space(place: Path, found: str) -> SetupError:
    """Return the error S052 of a place that takes no more."""
    return SetupError(
        "the disk is full",
        code="S052",
        where=str(place),
        found=found,
        fix="free space (sslbench clean shows what can go), or --home on a larger disk; then the same command",
        state="complete records are safe",
    )
