"""annbatch: chunks of rows from its own shuffled collection on disk, kept sparse; needs Python 3.12 or newer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import zarr
from annbatch import DatasetCollection, Loader
from torch import Tensor

CHUNK_ROWS, CHUNKS = 32, 64  # its documented chunk; four minibatches of 512 are read at once
ONE_THREAD = {
    "codec_pipeline.path": "zarrs.ZarrsCodecPipeline",  # what annbatch asks for on a local disk
    "threading.max_workers": 1,
}


def minibatches(file: Path, *, size: int) -> Iterator[Tensor]:
    """Yield X (size, n_genes) of an .h5ad as sparse CSR tensors, epoch after epoch."""
    zarr.config.set(ONE_THREAD)
    collection = DatasetCollection(str(file.with_suffix(".zarr")))
    collection.add_adatas(adata_paths=[str(file)], shuffle=True)
    loader = Loader(
        batch_size=size,
        chunk_size=CHUNK_ROWS,
        preload_nchunks=CHUNKS,
        shuffle=True,
        drop_last=True,
        rng=np.random.default_rng(0),
        preload_to_gpu=False,
        to="torch",
    ).use_collection(collection)
    while True:
        for batch in loader:
            yield batch["X"]
