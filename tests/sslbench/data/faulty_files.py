"""Everything that can be wrong with a file of cells; each fault changes a whole .h5ad on disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np


def half(path: Path) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])


def flipped(path: Path) -> None:
    with h5py.File(path) as file:
        chunk = file["X/data"].id.get_chunk_info(0)
    content = bytearray(path.read_bytes())
    content[chunk.byte_offset : chunk.byte_offset + chunk.size] = b"\xff" * chunk.size
    path.write_bytes(bytes(content))


def changed(change: Callable[[h5py.File], object]) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        with h5py.File(path, "a") as file:
            change(file)

    return damage


def set_item(place: str, index: Any, value: Any) -> Callable[[Path], None]:
    return changed(lambda file: file[place].__setitem__(index, value))


def shortened(place: str, n: int) -> Callable[[Path], None]:
    def shorten(file: h5py.File) -> None:
        values = file[place][:n]
        del file[place]
        file[place] = values

    return changed(shorten)


def of_another_kind(**groups: str) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        with h5py.File(path, "w") as file:
            for name, member in groups.items():
                file.create_group(name)[member] = np.zeros(3)

    return write


def shape_of_a_terabyte(file: h5py.File) -> None:
    del file["X"]
    file.create_dataset("X", shape=(300_000, 300_000), dtype=np.float32, chunks=(1_000, 1_000))


def obs_of_a_terabyte(file: h5py.File) -> None:
    file["obs"].create_dataset("big", shape=(2**40,), dtype=np.int8, chunks=(2**20,))


DAMAGE: dict[str, tuple[str, Callable[[Path], object]]] = {
    "half of the file is missing": ("D001", half),
    "flipped bytes in a compressed part": ("D002", flipped),
    "flipped bits in the indices": ("D002", set_item("X/indices", 7, 2**30)),
    "flipped bits in the row ends": ("D002", set_item("X/indptr", 7, -5)),
    "more values than 32 bits can count": ("D002", set_item("X/indptr", slice(50, None), -(2**31))),
    "fewer row ends than cells": ("D002", shortened("X/indptr", 50)),
    "fewer columns than values": ("D002", shortened("X/indices", 50)),
    "a column of obs is gone": ("D002", changed(lambda file: file["obs"].pop("donor"))),
    "more cells in X than in obs": (
        "D002",
        changed(lambda file: file["X"].attrs.__setitem__("shape", np.array([10**12, 60]))),
    ),
    "an empty file": ("D003", lambda path: path.write_bytes(b"")),
    "a table of text": ("D003", lambda path: path.write_text("gene,cell1\nLYZ,3\n")),
    "an R object": ("D003", lambda path: path.write_bytes(b"\x1f\x8b\x08" + bytes(9))),
    "an R object, not compressed": ("D003", lambda path: path.write_bytes(b"RDX3\nX\n" + bytes(9))),
    "a zip archive": ("D003", lambda path: path.write_bytes(b"PK\x03\x04" + bytes(30))),
    "a Loom file": ("D003", of_another_kind(matrix="x", row_attrs="Gene", col_attrs="CellID")),
    "a matrix of 10x": ("D003", of_another_kind(matrix="barcodes")),
    "an encoding of a newer anndata": (
        "D004",
        changed(lambda file: file["obs"].attrs.__setitem__("encoding-version", "9.9.0")),
    ),
    "no file": ("D005", Path.unlink),
    "a folder": ("D006", lambda path: (path.unlink(), path.mkdir())),
    "HDF5 of something else": ("D008", of_another_kind(results="p_value")),
    "images and tables of space": ("D008", of_another_kind(images="one", tables="two")),
    "a slot that states a terabyte": ("D170", changed(shape_of_a_terabyte)),
    "a column that states a terabyte": ("D170", changed(obs_of_a_terabyte)),
}
