from typing import Any

import numpy as np
from scipy.sparse import csr_matrix

from sslbench.data.leaks import leak_checks, profile_hashes


def clean() -> dict[str, Any]:
    return {
        "split": np.repeat(np.array(["train", "val", "test"], dtype=object), 4),
        "donor": np.repeat(np.array(["a", "b", "c"], dtype=object), 4),
        "cell": np.array([f"c{i}" for i in range(12)], dtype=object),
        "label": np.tile([0, 1, 0, 1], 3),
        "profile": np.arange(1, 13, dtype=np.uint64),
    }


def failing(**changed: Any) -> list[str]:
    return [check.name for check in leak_checks(**(clean() | changed)) if not check.ok]


def test_a_clean_split_passes_all_six() -> None:
    assert len(leak_checks(**clean())) == 6
    assert failing() == []


def test_a_donor_in_two_splits_is_seen() -> None:
    donor = clean()["donor"]
    donor[11] = "a"
    assert failing(donor=donor) == ["donors"]


def test_a_cell_name_in_two_splits_is_seen() -> None:
    cell = clean()["cell"]
    cell[11] = "c0"
    assert failing(cell=cell) == ["cell names"]


def test_a_row_without_a_split_is_seen() -> None:
    split = clean()["split"]
    split[5] = ""
    assert "rows" in failing(split=split)


def test_an_exact_copy_in_another_split_is_seen_and_one_in_the_same_split_is_not() -> None:
    profile = clean()["profile"]
    profile[1] = profile[0]
    assert failing(profile=profile) == []
    profile[11] = profile[0]
    assert failing(profile=profile) == ["duplicates"]


def test_profiles_too_sparse_to_compare_are_not_copies() -> None:
    assert failing(profile=np.zeros(12, dtype=np.uint64)) == []


def test_labels_that_are_the_donors_are_seen() -> None:
    label = np.repeat([0, 1, 2], 4)
    assert "labels" in failing(label=label)


def test_a_scored_label_missing_in_test_is_seen() -> None:
    label = clean()["label"]
    label[8:] = 0
    assert failing(label=label) == ["label set"]


def test_unlabelled_cells_count_as_no_label() -> None:
    label = clean()["label"]
    label[[0, 8]] = -1
    assert failing(label=label) == []


def test_equal_profiles_have_equal_hashes_and_sparse_ones_none() -> None:
    x = np.random.default_rng(0).poisson(2.0, (4, 100)).astype(np.float32)
    x[2] = x[0]
    x[3, 40:] = 0
    hashes = profile_hashes(csr_matrix(x))
    assert hashes[0] == hashes[2] != hashes[1]
    assert hashes[3] == 0
    assert hashes.tolist() == profile_hashes(csr_matrix(x.astype(np.float64))).tolist()
