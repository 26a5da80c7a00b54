"""Cells on disk, their description, and what a store makes of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anndata
import pytest

from sslbench.data.catalogue import DatasetSpec
from sslbench.data.store import prepare_store, read_manifest
from sslbench.errors import DataError


def spec(*files: Path) -> DatasetSpec:
    keys: dict[str, Any] = {"label_key": "cell_type", "donor_key": "donor", "batch_key": "batch"}
    return DatasetSpec(name="case", title="a case", files=files, **keys)


def written(adata: anndata.AnnData, folder: Path, **options: Any) -> Path:
    path = folder / "cells.h5ad"
    adata.write_h5ad(path, **options)
    return path


def refusal(folder: Path, *files: Path) -> DataError:
    """The one error of a data set; nothing of a store may be there afterwards."""
    with pytest.raises(DataError) as error:
        prepare_store(spec(*files), n_top_genes=None, root=folder / "stores")
    assert list((folder / "stores").rglob("*")) == []
    return error.value


def prepared(folder: Path, *files: Path) -> str:
    """The fingerprint of the store: over counts, genes, labels and splits."""
    return read_manifest(prepare_store(spec(*files), n_top_genes=None, root=folder)).fingerprint
