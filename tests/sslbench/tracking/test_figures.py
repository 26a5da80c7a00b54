from __future__ import annotations

import gc
import shutil
from pathlib import Path

import numpy as np
import pytest
from matplotlib import image
from matplotlib.backends.backend_agg import RendererAgg
from sklearn.metrics import confusion_matrix as reference

from sslbench.tracking import figures
from sslbench.tracking.figures import confusion, confusion_matrix, learning_curve, write_figures
from tests.sslbench.tracking.fake_ledger import begin, end, job_of, ledger_at


def test_confusion_counts_agree_with_sklearn_and_leave_unlabelled_cells_out() -> None:
    generator = np.random.default_rng(0)
    label, predicted = generator.integers(-1, 5, 300), generator.integers(0, 7, 300)
    counts, codes = confusion(label=label, predicted=predicted)
    known = label >= 0
    assert counts.sum() == known.sum()
    np.testing.assert_array_equal(codes, np.arange(7))
    np.testing.assert_array_equal(counts, reference(label[known], predicted[known]))


def test_confusion_of_no_cells_is_empty() -> None:
    counts, codes = confusion(label=np.array([-1, -1]), predicted=np.array([0, 1]))
    assert counts.shape == (0, 0)
    assert codes.shape == (0,)


def test_a_confirm_trial_gets_one_picture_per_protocol_and_one_of_its_curve(tmp_path: Path) -> None:
    ledger, job = ledger_at(tmp_path), job_of(stage="confirm", seed=101)
    attempt = begin(ledger, job)
    record = end(job, attempt)
    write_figures(
        record, attempt=attempt.folder, label_names=("B", "NK", "T"), to=tmp_path / "figures"
    )
    names = {f.name for f in (tmp_path / "figures").iterdir()}
    assert names == {"learning_curve.png", "confusion_knn.png"}
    for name in names:
        picture = image.imread(tmp_path / "figures" / name)
        assert picture.std() > 0.05, f"{name} is blank"


def test_a_confusion_names_the_cell_types_and_shows_what_has_no_name_as_a_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also of an arm that leaves no model folder, where the names stand too."""
    job = job_of(stage="confirm", seed=101)
    attempt = begin(ledger_at(tmp_path), job)
    record = end(job, attempt)
    shutil.rmtree(attempt.folder / "checkpoint")
    drawn: list[list[str]] = []
    monkeypatch.setattr(figures, "confusion_matrix", lambda _, *, names, **__: drawn.append(names))
    write_figures(record, attempt=attempt.folder, label_names=("B", "NK"), to=tmp_path / "f")
    assert drawn == [["B", "NK", "2"]]


def test_a_name_with_dollar_signs_is_no_mathematics(tmp_path: Path) -> None:
    name, file = r"T $\foo$", tmp_path / "matrix.png"  # as mathematics it would be an error
    confusion_matrix(np.eye(2, dtype=int), names=[name, "B"], title=name, file=file)
    job = job_of(stage="confirm", seed=101)
    record = end(job, begin(ledger_at(tmp_path), job))
    learning_curve(record.model_copy(update={"arm": name}), file=tmp_path / "curve.png")


def test_the_pixels_of_a_drawn_figure_do_not_wait_for_the_garbage_collector(tmp_path: Path) -> None:
    """A driver draws many, and its collector comes seldom: a tall one is 15 MB."""
    job = job_of(stage="confirm", seed=101)
    record = end(job, begin(ledger_at(tmp_path), job))
    gc.collect()
    gc.disable()
    try:
        before = len(pixels_held())
        learning_curve(record, file=tmp_path / "curve.png")
        confusion_matrix(np.eye(9, dtype=int), names="ABCDEFGHI", title="", file=tmp_path / "m.png")
        assert len(pixels_held()) == before
    finally:
        gc.enable()


def pixels_held() -> list[object]:
    return [known for known in gc.get_objects() if type(known) is RendererAgg]
