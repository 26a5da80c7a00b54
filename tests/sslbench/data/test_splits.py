from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sslbench.data.catalogue import DatasetSpec, DonorSplits
from sslbench.data.splits import (
    SPLITS,
    assign_donors,
    fixed_label_set,
    split_by_cell,
    split_by_donor,
)
from sslbench.errors import DataError

SPEC = DatasetSpec.model_validate(
    {"title": "t", "file": Path("f"), "label_key": "l", "donor_key": "d", "residual": ["other"]}
)


def names(*parts: tuple[str, int]) -> np.ndarray:
    return np.concatenate([np.full(n, name, dtype=object) for name, n in parts])


@settings(max_examples=50, deadline=None)
@given(sizes=st.lists(st.integers(1, 60), min_size=3, max_size=25), seed=st.integers(0, 99))
def test_no_donor_is_ever_in_two_splits_and_no_split_is_empty(sizes: list[int], seed: int) -> None:
    donors = names(*[(f"donor{i}", n) for i, n in enumerate(sizes)])
    donors = np.random.default_rng(seed).permutation(donors)
    split = split_by_donor(donors, assign_donors(donors))
    assert set(split) == set(SPLITS)
    for donor in set(donors):
        assert len(set(split[donors == donor])) == 1


@settings(max_examples=50, deadline=None)
@given(sizes=st.lists(st.integers(1, 60), min_size=3, max_size=25), seed=st.integers(0, 99))
def test_the_assignment_does_not_depend_on_the_order_of_cells(sizes: list[int], seed: int) -> None:
    donors = names(*[(f"donor{i}", n) for i, n in enumerate(sizes)])
    shuffled = np.random.default_rng(seed).permutation(donors)
    assert assign_donors(donors) == assign_donors(shuffled)


def test_the_largest_donor_is_trained_on_and_shares_come_near_to_60_20_20() -> None:
    donors = names(*[(f"d{i:02d}", 50) for i in range(20)], ("large", 100))
    splits = assign_donors(donors)
    assert "large" in splits.train
    shares = {s: np.isin(donors, getattr(splits, s)).mean() for s in SPLITS}
    assert shares["train"] == pytest.approx(0.6, abs=0.06)
    assert shares["test"] == pytest.approx(0.2, abs=0.06)


@pytest.mark.parametrize("n", [1, 2])
def test_too_few_donors_are_refused_with_the_way_out(n: int) -> None:
    donors = names(*[(f"d{i}", 10) for i in range(n)])
    with pytest.raises(DataError) as error:
        assign_donors(donors)
    assert error.value.code == "D150"
    assert "donor_key: null" in str(error.value)


def test_a_donor_in_no_split_is_an_error_naming_it() -> None:
    splits = DonorSplits(train=("a",), val=("b",), test=("c",))
    with pytest.raises(DataError, match="belongs to a split") as error:
        split_by_donor(names(("a", 1), ("b", 1), ("c", 1), ("doublet", 1)), splits)
    assert "'doublet'" in str(error.value)


def test_a_split_that_names_a_donor_without_cells_is_an_error_with_the_nearest() -> None:
    splits = DonorSplits(train=("p1",), val=("p2",), test=("q33",))
    with pytest.raises(DataError, match="q33") as error:
        split_by_donor(names(("p1", 1), ("p2", 1), ("q3", 1)), splits)
    assert "did you mean 'q3'" in str(error.value)


def test_without_donors_each_label_is_cut_60_20_20() -> None:
    labels = names(("a", 100), ("b", 50), ("c", 10))
    split = split_by_cell(labels)
    for label, n in (("a", 100), ("b", 50), ("c", 10)):
        found = {s: int(((labels == label) & (split == s)).sum()) for s in SPLITS}
        assert found == {"train": 0.6 * n, "val": 0.2 * n, "test": 0.2 * n}


def test_the_split_of_cells_is_always_the_same_one() -> None:
    labels = names(("a", 30), ("b", 30))
    assert split_by_cell(labels).tolist() == split_by_cell(labels).tolist()


def test_rare_and_residual_labels_are_excluded_with_reason_and_counts() -> None:
    labels = names(("B", 30), ("NK", 30), ("rare", 9), ("other", 30), ("Unknown", 30))
    split = np.resize(np.array(["train", "train", "test"], dtype=object), len(labels))
    split[:3] = "val"
    found = fixed_label_set(labels, split, SPEC)
    assert found.names == ("B", "NK")
    assert set(found.excluded) == {"rare", "other"}
    assert found.excluded["rare"] == "fewer than 5 in test (train 6, val 0, test 3)"
    assert found.excluded["other"].startswith("residual class")
    codes = found.codes(labels)
    assert set(codes[labels == "NK"]) == {1}
    assert set(codes[np.isin(labels, ["rare", "other", "Unknown"])]) == {-1}


def test_validation_cells_without_a_scored_label_are_refused() -> None:
    labels = names(("B", 30), ("NK", 30), ("other", 30))
    split = np.where(labels == "other", "val", np.resize(["train", "test"], len(labels)))
    with pytest.raises(DataError) as error:
        fixed_label_set(labels, split.astype(object), SPEC)
    assert error.value.code == "D154"


def test_one_class_is_refused() -> None:
    labels = names(("B", 30), ("rare", 2))
    split = np.resize(np.array(["train", "test"], dtype=object), len(labels))
    with pytest.raises(DataError) as error:
        fixed_label_set(labels, split, SPEC)
    assert error.value.code == "D142"
