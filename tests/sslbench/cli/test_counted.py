from pathlib import Path

import numpy as np

from sslbench.cli.counted import labels_left
from sslbench.data.catalogue import load_dataset
from sslbench.data.store import open_cells, prepare_store
from sslbench.search.spec import SweepSpec


def spec(**changes) -> SweepSpec:
    given = {
        "question": "q",
        "dataset": {"name": "pbmc_cite"},
        "evaluation": [{"name": "knn"}],
        "arms": {"pca": {"pretext": {"name": "pca"}, "encoder": {"name": "linear"}}},
    }
    return SweepSpec.model_validate(given | changes)


def test_labels_are_counted_at_the_sweeps_own_share_and_at_further_ones(tmp_path: Path) -> None:
    store = prepare_store(load_dataset("pbmc_cite"), n_top_genes=100, root=tmp_path)
    assert labels_left(spec(), store) == ()
    own, few = labels_left(spec(label_fractions=[0.02]), store)
    train = open_cells(store, "train")
    label = np.asarray(train.label)
    counts = np.bincount(label[label >= 0], minlength=len(train.label_names))
    assert (own.fraction, own.n_labels, own.lost) == (1.0, counts.sum(), ())
    assert few.n_labels == sum(round(0.02 * int(n)) for n in counts)
    lost = [n for n, c in zip(train.label_names, counts, strict=True) if round(0.02 * int(c)) < 1]
    assert few.lost == tuple(lost)
    assert few.lost
