"""Donors are the units where there are several; otherwise resampled cells, the same for everyone."""

import numpy as np

from sslbench.metrics.units import N_RESAMPLES, unit_kind, unit_weights


def test_each_of_several_donors_is_a_unit_of_its_own_cells():
    weights = unit_weights(np.array(["b", "a", "b", "c"]))
    np.testing.assert_array_equal(weights, [[0, 1, 0, 0], [1, 0, 1, 0], [0, 0, 0, 1]])


def test_what_the_units_are_follows_from_the_number_of_donors():
    assert unit_kind(np.array(["b", "a", "b"])) == "donors"
    assert unit_kind(np.array(["a", "a"])) == unit_kind(np.array(["", ""])) == "cells"


def test_cells_of_one_donor_are_resampled_with_replacement_the_same_way_each_time():
    weights = unit_weights(np.full(30, "p4"))
    assert weights.shape == (N_RESAMPLES, 30)
    assert (weights.sum(axis=1) == 30).all()
    assert abs((weights == 0).mean() - (1 - 1 / 30) ** 30) < 0.02
    np.testing.assert_array_equal(weights, unit_weights(np.full(30, "p4")))


def test_one_unnamed_donor_is_resampled_like_a_named_one():
    np.testing.assert_array_equal(unit_weights(np.full(9, "")), unit_weights(np.full(9, "p1")))
