"""What a file keeps elsewhere is refused before it is read; sizes are in the input catalogue."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import pytest

from sslbench.data.opening import open_cells_file
from sslbench.errors import RefusedError
from tests.factories import synthetic_adata


def linked(file: h5py.File, elsewhere: Path) -> None:
    file["X"]["data"] = h5py.ExternalLink(str(elsewhere), "values")


def raw_bytes(file: h5py.File, elsewhere: Path) -> None:
    place = [(str(elsewhere), 0, h5py.h5f.UNLIMITED)]
    file["X"].create_dataset("data", shape=file["X/indices"].shape, dtype="f4", external=place)


def virtual(file: h5py.File, elsewhere: Path) -> None:
    layout = h5py.VirtualLayout(shape=file["X/indices"].shape, dtype="f4")
    layout[:] = h5py.VirtualSource(str(elsewhere), "values", shape=layout.shape)
    file["X"].create_virtual_dataset("data", layout)


@pytest.mark.parametrize("way", [linked, raw_bytes, virtual])
def test_values_that_lie_in_another_file_are_refused(
    way: Callable[[h5py.File, Path], None], tmp_path: Path
) -> None:
    path, elsewhere = tmp_path / "cells.h5ad", tmp_path / "elsewhere.h5"
    synthetic_adata().write_h5ad(path)
    with h5py.File(path, "r+") as file, h5py.File(elsewhere, "w") as other:
        other["values"] = file["X/data"][:]
        del file["X/data"]
        way(file, elsewhere)
    with pytest.raises(RefusedError, match="another file") as error, open_cells_file(path):
        pass
    assert error.value.code == "R013"
    assert "slot X" in str(error.value)
