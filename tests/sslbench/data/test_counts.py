from collections.abc import Callable
from pathlib import Path

import anndata
import numpy as np
import pytest
from scipy.sparse import csr_matrix

from sslbench.data.catalogue import Slot
from sslbench.data.counts import check_block, choose_slot, offence_in
from sslbench.data.opening import open_cells_file
from sslbench.errors import DataError
from tests.factories import synthetic_adata


def counts() -> np.ndarray:
    return synthetic_adata(depth=500).X.toarray()


def with_value(value: float) -> np.ndarray:
    x = counts()
    x[3, 4] = value
    return x


def log_normalised(x: np.ndarray) -> np.ndarray:
    return np.log1p(x / x.sum(axis=1, keepdims=True) * 1e4)


def scaled(x: np.ndarray) -> np.ndarray:
    return (x - x.mean(axis=0)) / x.std(axis=0)


def tpm(x: np.ndarray) -> np.ndarray:
    return x / np.linspace(0.5, 3, x.shape[1]) / (x / np.linspace(0.5, 3, x.shape[1])).sum(
        axis=1, keepdims=True
    ) * 1e6  # fmt: skip


def read(path: Path, asked: Slot | None) -> None:
    with open_cells_file(path) as file:
        chosen = choose_slot(file, asked)
        for first_row, rows in file.blocks(chosen.slot):
            check_block(file, chosen.slot, first_row=first_row, rows=rows)


def refused(path: Path, asked: Slot | None = None) -> DataError:
    with pytest.raises(DataError) as error:
        read(path, asked)
    return error.value


WRONG: dict[str, Callable[[], np.ndarray]] = {
    "D101": lambda: with_value(-2),
    "D102": lambda: with_value(np.nan),
    "D103": lambda: with_value(np.inf),
    "D104": lambda: log_normalised(counts()),
    "D105": lambda: scaled(counts()),
    "D106": lambda: counts() * 0.5,
    "D107": lambda: tpm(counts()),
    "D108": lambda: with_value(2**24 + 2),
}


@pytest.mark.parametrize("code", WRONG)
def test_values_that_are_no_counts_are_told_by_kind_with_evidence(
    tmp_path: Path, code: str
) -> None:
    adata = synthetic_adata(depth=500)
    adata.X = csr_matrix(WRONG[code]())
    path = tmp_path / "cells.h5ad"
    adata.write_h5ad(path)
    error = refused(path)
    assert error.code == code
    assert "slot X (csr_matrix" in str(error)
    assert "e.g. cell cell" in str(error)
    if code in ("D101", "D102", "D103", "D108"):
        assert "cell cell3, gene G00004" in str(error)


def test_one_fraction_in_the_last_cell_is_found(tmp_path: Path) -> None:
    x = counts()
    x[-1, -1] = 1.25
    offence = offence_in(csr_matrix(x))
    assert offence is not None
    assert (offence.row, offence.column) == (x.shape[0] - 1, x.shape[1] - 1)
    assert offence.n_offending == 1


def test_log_normalised_values_are_shown_to_sum_to_ten_thousand() -> None:
    offence = offence_in(csr_matrix(log_normalised(counts())))
    assert offence is not None
    assert "10,000 after expm1" in offence.hint


def test_whole_numbers_of_any_type_are_counts() -> None:
    for dtype in (np.float32, np.float64, np.int64, np.uint8):
        assert offence_in(csr_matrix(np.array([[0, 3], [1, 200]], dtype=dtype))) is None


def three_slots(*, layer: bool, raw: bool) -> anndata.AnnData:
    """Counts of 1 in the layer and in raw, of 3 in X; a slot that is False holds fractions."""
    adata = synthetic_adata()
    ones = csr_matrix(np.ones(adata.shape, dtype=np.float32))
    adata.X = ones * (1 if raw else 1.5)
    adata.raw = adata.copy()
    adata.layers["counts"] = ones * (1 if layer else 2.5)
    adata.X = ones * 3
    return adata


@pytest.mark.parametrize(
    ("layer", "raw", "slot"),
    [(True, True, "layers/counts"), (False, True, "raw"), (False, False, "X")],
)
def test_the_first_slot_that_holds_whole_numbers_is_read_and_says_why(
    tmp_path: Path, layer: bool, raw: bool, slot: str
) -> None:
    path = tmp_path / "cells.h5ad"
    three_slots(layer=layer, raw=raw).write_h5ad(path)
    with open_cells_file(path) as file:
        chosen = choose_slot(file)
    assert chosen.slot == slot
    passed_over = [s for s, whole in (("layers/counts", layer), ("raw", raw)) if not whole]
    if slot != "layers/counts":
        assert passed_over[0] in chosen.reason


def test_a_slot_that_is_asked_for_and_wrong_points_to_one_that_is_right(tmp_path: Path) -> None:
    path = tmp_path / "cells.h5ad"
    three_slots(layer=False, raw=True).write_h5ad(path)
    assert "set `counts: raw`" in str(refused(path, "layers/counts"))


def test_a_slot_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "cells.h5ad"
    synthetic_adata().write_h5ad(path)
    with open_cells_file(path) as file, pytest.raises(DataError, match="raw") as error:
        choose_slot(file, "raw")
    assert error.value.code == "D100"


def two_slots_of_counts() -> anndata.AnnData:
    adata = synthetic_adata()
    adata.raw = adata[:, ::-1].copy()
    adata.layers["counts"] = adata.X.copy()
    return adata


def test_counts_of_two_slots_that_agree_gene_by_gene_may_be_in_another_order(
    tmp_path: Path,
) -> None:
    path = tmp_path / "cells.h5ad"
    two_slots_of_counts().write_h5ad(path)
    with open_cells_file(path) as file:
        assert choose_slot(file).slot == "layers/counts"


def test_counts_of_two_slots_that_differ_are_refused_unless_one_is_asked_for(
    tmp_path: Path,
) -> None:
    adata = two_slots_of_counts()
    adata.layers["counts"][3, 4] += 7
    path = tmp_path / "cells.h5ad"
    adata.write_h5ad(path)
    with (
        open_cells_file(path) as file,
        pytest.raises(DataError, match="cell cell3, gene G00004") as e,
    ):
        choose_slot(file)
    assert e.value.code == "D160"
    with open_cells_file(path) as file:
        assert choose_slot(file, "raw").slot == "raw"


@pytest.mark.parametrize(
    ("dtype", "value"), [("uint16", 65_535), ("int16", 32_767), ("float16", 2_050)]
)
def test_a_value_at_the_end_of_what_a_narrow_type_holds_exactly_is_refused(
    dtype: str, value: int
) -> None:
    rows = csr_matrix(np.array([[value, 1.0]]))
    assert offence_in(rows) is None
    offence = offence_in(rows, stored_as=np.dtype(dtype))
    assert offence is not None
    assert offence.code == "D108"
