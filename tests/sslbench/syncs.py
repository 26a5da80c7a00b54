"""What a piece of work renamed and what it brought to the disk, in order."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

RENAMES = ("replace", "rename")


def noted(work: Callable[[], object]) -> list[int | str]:
    """Return the inode of each file and folder that was synced, and the target of each rename, in order."""
    events: list[int | str] = []
    sync = os.fsync

    def fsync(descriptor: int) -> None:
        sync(descriptor)
        events.append(os.fstat(descriptor).st_ino)

    def renaming(rename: Callable[..., None]) -> Callable[..., None]:
        def renamed(old: Any, new: Any, **named: Any) -> None:
            rename(old, new, **named)
            events.append(str(new))

        return renamed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        for name in RENAMES:
            patch.setattr(os, name, renaming(getattr(os, name)))
        work()
    return events
