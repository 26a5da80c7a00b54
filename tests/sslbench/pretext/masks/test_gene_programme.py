"""The vectorised draw against the documented procedure, written as a slow loop."""

import random
from itertools import combinations

import numpy as np
import pytest
import torch
from scipy.stats import chi2, chisquare

from sslbench.pretext.masks.gene_programme import Options, gene_programme_mask

# 7 genes: two overlapping programmes, one inside another, genes 5 and 6 in none.
OVERLAPPING = [{0, 1, 2}, {2, 3, 4}, {0, 1}]
N_GENES = 7


def matrix(programmes, n_genes):
    rows = [[gene in programme for gene in range(n_genes)] for programme in programmes]
    return torch.tensor(rows, dtype=torch.bool).reshape(len(programmes), n_genes)


def draw(programmes, *, rate, n_cells, n_genes, per="cell", seed=0):
    return gene_programme_mask(
        torch.zeros(n_cells, n_genes),
        options=Options(rate=rate, per=per),
        programmes=matrix(programmes, n_genes),
        tf_genes=None,
        generator=torch.Generator().manual_seed(seed),
    )


def hidden_by_the_loop(programmes, *, n_hidden, n_genes, rng):
    """The procedure as documented: draw whole programmes until the count is reached, trim the last."""
    in_some = set().union(*programmes)
    pool = [set(p) for p in programmes] + [{g} for g in range(n_genes) if g not in in_some]
    rng.shuffle(pool)
    hidden: set[int] = set()
    for programme in pool:
        new = sorted(programme - hidden)
        rng.shuffle(new)
        hidden |= set(new[: n_hidden - len(hidden)])
    return frozenset(hidden)


@pytest.mark.parametrize("rate", [0.3, 0.45, 0.6, 0.75])
def test_hidden_sets_are_as_frequent_as_in_the_documented_procedure(rate):
    n, n_hidden, rng = 20_000, round(rate * N_GENES), random.Random(0)
    sets = [frozenset(s) for s in combinations(range(N_GENES), n_hidden)]
    count = dict.fromkeys(sets, 0)
    for row in draw(OVERLAPPING, rate=rate, n_cells=n, n_genes=N_GENES).hidden.tolist():
        count[frozenset(g for g in range(N_GENES) if row[g])] += 1
    expected = dict.fromkeys(sets, 0)
    for _ in range(n):
        drawn = hidden_by_the_loop(OVERLAPPING, n_hidden=n_hidden, n_genes=N_GENES, rng=rng)
        expected[drawn] += 1
    assert all((count[s] > 0) == (expected[s] > 0) for s in sets if max(count[s], expected[s]) > 50)
    seen = [s for s in sets if expected[s] >= 20]
    a, b = np.array([count[s] for s in seen]), np.array([expected[s] for s in seen])
    # Two samples of equal size: their difference has variance a + b.
    statistic = ((a - b) ** 2 / (a + b)).sum()
    assert statistic < chi2.ppf(0.9999, len(seen) - 1)


@pytest.mark.parametrize("rate", [0.05, 0.31, 0.5, 0.95])
@pytest.mark.parametrize("per", ["cell", "minibatch"])
def test_number_of_hidden_genes_is_exact(rate, per):
    programmes = [set(range(i, i + 20)) for i in range(0, 90, 10)]
    hidden = draw(programmes, rate=rate, n_cells=50, n_genes=133, per=per).hidden
    assert hidden.sum(dim=1).tolist() == [round(rate * 133)] * 50


def test_at_least_one_gene_is_hidden_and_one_visible():
    for rate, expected in ((0.001, 1), (0.999, 6)):
        hidden = draw(OVERLAPPING, rate=rate, n_cells=5, n_genes=N_GENES).hidden
        assert hidden.sum(dim=1).tolist() == [expected] * 5


def test_all_programmes_but_the_last_are_hidden_whole():
    """Disjoint programmes of 10, 35 of 100 genes: three whole ones and half of a fourth."""
    programmes = [set(range(i, i + 10)) for i in range(0, 100, 10)]
    hidden = draw(programmes, rate=0.35, n_cells=200, n_genes=100).hidden
    per_programme = hidden.reshape(200, 10, 10).sum(dim=2).sort(dim=1, descending=True).values
    assert per_programme.tolist() == [[10, 10, 10, 5] + [0] * 6] * 200


def test_a_programme_of_one_gene_is_drawn_as_often_as_a_large_one():
    """Genes in no programme count as programmes: 1 large + 9 single, each first in a tenth of cells."""
    hidden = draw([set(range(91))], rate=0.01, n_cells=5000, n_genes=100).hidden
    first = [hidden[:, :91].any(dim=1).sum().item(), *hidden[:, 91:].sum(dim=0).tolist()]
    assert chisquare(first).pvalue > 1e-4


def test_the_trim_of_the_last_programme_is_random():
    hidden = draw([set(range(10))], rate=0.3, n_cells=5000, n_genes=10).hidden
    assert chisquare(hidden.sum(dim=0).numpy()).pvalue > 1e-4


def test_per_cell_draws_differ_between_cells_and_per_minibatch_draws_do_not():
    programmes = [set(range(i, i + 10)) for i in range(0, 100, 10)]
    per_cell = draw(programmes, rate=0.5, n_cells=30, n_genes=100, per="cell").hidden
    assert len(per_cell.unique(dim=0)) > 25
    per_minibatch = draw(programmes, rate=0.5, n_cells=30, n_genes=100, per="minibatch").hidden
    assert len(per_minibatch.unique(dim=0)) == 1
