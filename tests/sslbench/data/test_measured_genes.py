"""Which genes a study measured is kept beside a store, if any lacks one."""

from pathlib import Path

import numpy as np

from sslbench.data.measured_genes import read_measured, write_measured

OF_STUDY = np.array([[True, True, False], [True, False, True]])


def test_what_is_read_is_what_was_written(tmp_path: Path) -> None:
    files = write_measured(tmp_path, OF_STUDY, study=np.array([0, 0, 1]))
    assert sorted(files) == sorted(path.name for path in tmp_path.iterdir())
    measured = read_measured(tmp_path)
    assert measured is not None
    np.testing.assert_array_equal(measured.of(np.array([2, 0])), OF_STUDY[[1, 0]])


def test_where_all_is_measured_nothing_is_written(tmp_path: Path) -> None:
    assert write_measured(tmp_path, np.ones((2, 3), bool), study=np.array([0, 1])) == ()
    assert read_measured(tmp_path) is None
    assert list(tmp_path.iterdir()) == []


def test_studies_of_many_rows_stay_on_disk(tmp_path: Path) -> None:
    write_measured(tmp_path, OF_STUDY, study=np.zeros(1_000, int))
    measured = read_measured(tmp_path)
    assert measured is not None
    assert isinstance(measured.study, np.memmap)
