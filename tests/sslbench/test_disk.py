"""What the disk does not allow is said with the path and the bytes, and nothing is left by trying."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from safetensors import SafetensorError

from sslbench import disk
from sslbench.disk import LEAST_FREE, as_setup_error, explained, is_full, refuse_unusable
from sslbench.errors import ConfigError, SetupError

NEVER = Path("/proc/sslbench/never")  # not even root makes a folder there


def with_free(monkeypatch: pytest.MonkeyPatch, n_bytes: int) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=n_bytes))


def test_a_folder_that_can_be_used_stays_as_it_was(tmp_path: Path) -> None:
    refuse_unusable(tmp_path / "not" / "there")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_named() -> None:
    with pytest.raises(SetupError) as caught:
        refuse_unusable(NEVER)
    assert (caught.value.code, caught.value.exit_code) == ("S050", 4)
    assert caught.value.where == str(NEVER)


@pytest.mark.skipif(os.getuid() == 0, reason="root writes into any folder")
def test_a_read_only_folder_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(SetupError) as caught:
        refuse_unusable(tmp_path)
    assert caught.value.code == "S050"


def test_a_file_where_a_folder_is_wanted_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SetupError) as caught:
        refuse_unusable(tmp_path / "file")
    assert caught.value.code == "S050"


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_a_file_system_without_locks_is_refused_with_the_reason(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with pytest.raises(SetupError, match="cannot be locked") as caught:
        refuse_unusable(tmp_path)
    assert caught.value.code == "S051"
    assert list(tmp_path.iterdir()) == []


def test_too_little_space_is_said_in_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_free(monkeypatch, 1_000)
    with pytest.raises(SetupError, match="disk is full") as caught:
        refuse_unusable(tmp_path, needed=5_000_000)
    assert caught.value.code == "S052"
    assert caught.value.found == "1,000 bytes are free, about 5,000,000 are needed"
    assert "complete records are safe" in str(caught.value)


@pytest.mark.parametrize(
    "number, code",
    [
        (errno.ENOSPC, "S052"),
        (errno.EDQUOT, "S052"),
        (errno.EROFS, "S050"),
        (errno.EACCES, "S050"),
        (errno.ENOLCK, "S051"),
        (errno.ESTALE, "S053"),
        (errno.EIO, "S053"),
    ],
)
def test_what_a_file_system_refuses_is_an_error_of_ours_that_names_the_file(
    number: int, code: str, tmp_path: Path
) -> None:
    file = str(tmp_path / "result.json")
    with pytest.raises(SetupError) as caught, explained(Path("/elsewhere")):
        raise OSError(number, os.strerror(number), file)
    assert (caught.value.code, caught.value.where) == (code, file)


def test_a_write_that_names_no_file_is_explained_by_the_folder(tmp_path: Path) -> None:
    with pytest.raises(SetupError) as caught, explained(tmp_path):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert caught.value.where == str(tmp_path)
    assert f"{LEAST_FREE:,} are needed" in (caught.value.found or "")


def in_place_of(refusal: OSError, *, got_over: bool) -> RuntimeError:
    """Return an error that was raised while another was answered, as Tune does with what its callbacks raise."""
    error = RuntimeError("a callback failed")
    error.__context__, error.__suppress_context__ = refusal, got_over
    return error


def test_a_refusal_that_another_error_has_taken_the_place_of_is_known(tmp_path: Path) -> None:
    refusal = OSError(errno.ESTALE, os.strerror(errno.ESTALE), str(tmp_path / "result.json"))
    found = as_setup_error(in_place_of(refusal, got_over=False), folder=tmp_path)
    assert found is not None
    assert (found.code, found.where) == ("S053", refusal.filename)


def test_a_refusal_that_was_got_over_explains_nothing(tmp_path: Path) -> None:
    refusal = PermissionError(errno.EACCES, "x")
    assert as_setup_error(in_place_of(refusal, got_over=True), folder=tmp_path) is None


@pytest.mark.parametrize("error", [FileNotFoundError(2, "x"), ValueError("x"), KeyError("x")])
def test_what_is_no_matter_of_the_disk_passes(error: Exception, tmp_path: Path) -> None:
    assert as_setup_error(error, folder=tmp_path) is None
    with pytest.raises(type(error)), explained(tmp_path):
        raise error


def test_our_own_errors_pass_as_they_are(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="mine"), explained(tmp_path):
        raise ConfigError("mine: No space left on device")


def test_a_full_disk_is_known_by_whatever_library_says_so() -> None:
    words = os.strerror(errno.ENOSPC)
    assert is_full(OSError(errno.ENOSPC, words))
    assert is_full(SafetensorError(f"Error while serializing: I/O error: {words} (os error 28)"))
    assert not is_full(SafetensorError("Error while deserializing header"))
    assert not is_full(OSError(errno.EACCES, "x"))


def test_free_bytes_are_those_of_the_nearest_folder_that_is_there(tmp_path: Path) -> None:
    assert disk.free_bytes(tmp_path / "a" / "b") == pytest.approx(
        shutil.disk_usage(tmp_path).free, rel=0.1
    )
