"""Kendall's tau against SciPy's, with and without ties."""

import math

import numpy as np
import pytest
from scipy import stats

from sslbench.leaderboard.kendall import tau_b


@pytest.mark.parametrize("n_values", [2, 5, 1000])
def test_it_is_that_of_scipy(n_values: int) -> None:
    random = np.random.default_rng(n_values)
    for _ in range(20):
        one, other = random.integers(0, n_values, size=(2, 9)).astype(float)
        assert tau_b(one, other) == pytest.approx(
            stats.kendalltau(one, other).statistic, nan_ok=True
        )


def test_without_any_order_there_is_none() -> None:
    assert math.isnan(tau_b(np.zeros(4), np.arange(4.0)))
