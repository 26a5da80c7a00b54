import numpy as np
import pandas as pd
import pytest

from sslbench.data.catalogue import DatasetSpec
from sslbench.data.obs import CellTable, read_cell_table
from sslbench.errors import DataError

KEYS = {"title": "t", "file": "f.h5ad", "label_key": "cell_type", "donor_key": "donor"}


def table(n: int = 60) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "cell_type": np.resize(["B", "NK"], n),
            "donor": np.repeat(["a", "b", "c"], n // 3),
            "plate": np.resize(["x", "y"], n),
        },
        index=[f"cell{i}" for i in range(n)],
    )


def read(obs: pd.DataFrame, has_counts: np.ndarray | None = None, **keys: object) -> CellTable:
    spec = DatasetSpec.model_validate(KEYS | keys)
    every = np.ones(len(obs), dtype=bool)
    return read_cell_table(spec, obs, has_counts=every if has_counts is None else has_counts)


def refused(obs: pd.DataFrame, has_counts: np.ndarray | None = None, **keys: object) -> DataError:
    with pytest.raises(DataError) as error:
        read(obs, has_counts, **keys)
    assert "f.h5ad" in str(error.value)
    return error.value


def test_a_missing_column_gives_the_nearest_and_all_columns() -> None:
    error = refused(table(), label_key="celltype")
    assert error.code == "D140"
    assert "did you mean 'cell_type'? known: cell_type, donor, plate" in str(error)


@pytest.mark.parametrize("key", ["donor_key", "batch_key"])
def test_every_key_of_the_description_must_be_a_column(key: str) -> None:
    assert refused(table(), **{key: "nothing"}).code == "D140"


def test_missing_labels_are_refused_with_their_donors_unless_asked_for() -> None:
    obs = table()
    obs.loc[obs.index[:3], "cell_type"] = None
    error = refused(obs)
    assert error.code == "D141"
    assert "a: 3" in str(error)
    kept = read(obs, nan_is_unlabelled=True)
    assert kept.label[:4].tolist() == [-1, -1, -1, 1]


def test_two_cells_of_one_name_are_refused() -> None:
    obs = table()
    obs.index = ["cell0", "cell0", *obs.index[2:]]
    assert refused(obs).code == "D121"


def test_a_few_empty_cells_are_dropped_and_counted() -> None:
    has_counts = np.ones(60, dtype=bool)
    has_counts[7] = False
    kept = read(table(), has_counts)
    assert kept.n_empty == 1
    assert kept.rows.tolist() == [i for i in range(60) if i != 7]
    assert "cell7" not in kept.cell


def test_many_empty_cells_are_refused() -> None:
    has_counts = np.arange(60) >= 4
    error = refused(table(), has_counts)
    assert error.code == "D109"
    assert "4 of 60" in str(error)


def test_excluded_donors_are_left_out_and_counted() -> None:
    obs = table(90)
    obs.loc[obs.index[-10:], "donor"] = "doublet"
    kept = read(obs, exclude_donors=("doublet",))
    assert "doublet" not in kept.donor
    assert kept.n_excluded == 10


def test_cells_without_a_donor_are_refused() -> None:
    obs = table()
    obs.loc[obs.index[0], "donor"] = None
    error = refused(obs)
    assert error.code == "D152"
    assert "exclude_donors" in str(error)


def test_numbers_as_labels_and_unused_categories_are_plain_words() -> None:
    obs = table()
    codes = obs["cell_type"].map({"B": 1, "NK": 2}).astype("category")
    obs["cell_type"] = codes.cat.add_categories([3])
    assert read(obs).labels.names == ("1", "2")


def test_batch_and_donor_are_empty_where_there_are_none() -> None:
    kept = read(table(), donor_key=None)
    assert set(kept.donor) == set(kept.batch) == {""}
    assert "no donors" in kept.split_rule
