"""Held-out types are told by doubt: perfectly where they lie between the others, not at all where nothing differs."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from sslbench.errors import DataError
from sslbench.evaluation.base import Embedded, Evaluation
from sslbench.evaluation.linear_probe import Options as LinearProbeOptions
from sslbench.evaluation.open_set import C, OpenSet, Options, rarest_third
from tests.factories import synthetic_cells

NAMES = ("a", "b", "c")


def cells(seed: int, *, between: float = 0.0, n_cells: int = 120) -> Embedded:
    """Types a and b at -10 and 10; the rare type c lies `between` them, where a probe of a and b must doubt."""
    random = np.random.default_rng(seed)
    label = random.choice(3, size=n_cells, p=[0.45, 0.4, 0.15])
    z = np.array([-10.0, 10.0, between])[label] + 0.1 * random.normal(size=n_cells)
    return Embedded(z=z[:, None].astype(np.float32), label=label, label_names=NAMES)


def with_donors(embedded: Embedded, donor: np.ndarray) -> Embedded:
    everyone = synthetic_cells(n_cells=len(donor))
    return replace(embedded, cells=replace(everyone, donor=donor, label=embedded.label))


def scored(test: Embedded, *, train: Embedded | None = None, **options: object) -> Evaluation:
    task = OpenSet(Options.model_validate(options))
    train = cells(0) if train is None else train
    return task.fit(train=train, val=cells(1), generator=np.random.default_rng(0))(test)


def test_a_type_between_the_others_is_told_perfectly():
    found = scored(cells(2))
    assert found.scores == {"auroc": 1.0, "macro_f1_known": 1.0}


def test_a_type_that_looks_like_a_known_one_is_not_told():
    alike = cells(2, between=10.0)
    assert scored(alike).scores["auroc"] < 0.75
    assert scored(replace(alike, z=np.zeros_like(alike.z))).scores["auroc"] == 0.5


def test_it_is_the_area_of_scikit_learn_for_one_minus_the_largest_probability():
    random = np.random.default_rng(5)
    noisy = cells(2)
    noisy = replace(noisy, z=(noisy.z + 8 * random.normal(size=noisy.z.shape)).astype(np.float32))
    found = scored(noisy).scores["auroc"]
    distance = -np.abs(noisy.z[:, 0] - cells(0).z[cells(0).label < 2].mean())
    assert found == pytest.approx(roc_auc_score(noisy.label == 2, distance), abs=0.02)


def test_the_probe_never_sees_labels_of_held_out_types():
    train = cells(0)
    moved = replace(train, z=np.where(train.label[:, None] == 2, 99.0, train.z).astype(np.float32))
    assert scored(cells(2), train=moved).scores == scored(cells(2), train=train).scores


def test_the_types_named_are_held_out_in_place_of_the_rarest():
    middle = cells(2, between=0.0)
    swapped = replace(middle, label=np.array([0, 2, 1])[middle.label])  # now b lies between
    found = scored(
        swapped, train=replace(cells(0), label=np.array([0, 2, 1])[cells(0).label]), held_out=("b",)
    )
    assert found.scores["auroc"] == 1.0


def test_the_rarest_third_counts_training_cells_of_types_with_enough_other_cells():
    label = np.repeat([0, 1, 2, 3, 4, 5, -1], [50, 9, 8, 20, 7, 30, 99])
    common = np.array([True, True, True, True, False, True])
    assert rarest_third(label, common=common).tolist() == [1, 2]
    assert rarest_third(np.array([0, 0, 1]), common=np.array([True, True])).tolist() == [1]


def test_one_donor_is_resampled_and_several_are_units_of_their_own():
    test = cells(2)
    one = scored(with_donors(test, np.full(120, "d"))).per_unit
    assert one is not None
    assert one.shape == (400,)
    donor = np.where(np.arange(120) % 2 == 0, "p", "q")
    of_donors = scored(with_donors(test, donor)).per_unit
    assert of_donors is not None
    assert of_donors.tolist() == [1.0, 1.0]


def test_a_donor_without_cells_of_a_held_out_type_has_no_score_and_the_others_keep_theirs():
    test = cells(2)
    donor = np.where(test.label == 2, "p", np.where(np.arange(120) % 2 == 0, "p", "q"))
    found = scored(with_donors(test, donor)).per_unit
    np.testing.assert_array_equal(found, [1.0, np.nan])


def test_a_held_out_type_of_few_scored_cells_counts_neither_as_unknown_nor_as_known():
    test = cells(2)
    few = np.flatnonzero((test.label != 2) | (np.cumsum(test.label == 2) <= 4))
    with pytest.raises(DataError) as refused:
        scored(test.at(few))
    assert refused.value.code == "D318"
    assert "c: 4 cells" in (refused.value.found or "")


@pytest.mark.parametrize(
    "held_out, code", [(("typo",), "D315"), (("a", "b"), "D316"), (("a", "b", "c"), "D316")]
)
def test_types_that_cannot_be_held_out_are_refused(held_out: tuple[str, ...], code: str):
    with pytest.raises(DataError) as refused:
        scored(cells(2), held_out=held_out)
    assert refused.value.code == code


def test_no_type_with_enough_validation_cells_is_refused():
    task = OpenSet(Options())
    with pytest.raises(DataError) as refused:
        task.fit(train=cells(0), val=cells(1, n_cells=3), generator=np.random.default_rng(0))
    assert refused.value.code == "D317"


def test_its_probe_is_that_of_the_protocol_linear_probe():
    assert LinearProbeOptions().c == C
