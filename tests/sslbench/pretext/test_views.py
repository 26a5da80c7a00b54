"""How augmentations are composed into two views, seen with the registered ones."""

import numpy as np
import pytest
import torch
from scipy.stats import binom

from sslbench.pretext._options import ViewOptions
from sslbench.pretext._views import Views
from sslbench.pretext.augmentations.base import ORDER
from tests.factories import synthetic_cells

ALL_STAGES = {
    "count_thinning": 0.2,
    "crossover": 0.1,
    "gaussian_noise": 0.3,
    "negative_binomial_noise": 0.1,
    "gene_dropout": 0.4,
}


def some_views(**options):
    views = Views(ViewOptions(**options))
    views.prepare(synthetic_cells())
    return views


def minibatch(n_cells=240):
    return synthetic_cells(n_cells=n_cells).minibatch(np.arange(n_cells))


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def two(cells, *, seed=0, **options):
    return some_views(**options).two(cells, generator(seed))


def test_augmentations_are_applied_by_what_they_act_on_and_not_as_written():
    for options in (ALL_STAGES, dict(reversed(ALL_STAGES.items()))):
        stages = [ORDER.index(a.acts_on) for a in some_views(**options).augmentations]
        assert stages == [0, 1, 2, 2, 3]


def test_nothing_fills_hidden_genes_again():
    view = two(minibatch(), gene_dropout=1.0, gaussian_noise=1.0).first
    assert not view.any()


def test_counts_are_thinned_before_cells_are_mixed():
    """Thinning starts from the counts of the cell itself: later, it would undo the mixing."""
    cells = minibatch()
    view = two(cells, count_thinning=0.0, crossover=1.0).first
    own = (view == cells.x).all(dim=1)
    of_some_cell = (view.unsqueeze(1) == cells.x).all(dim=2).any(dim=1)
    assert not own.any()
    assert of_some_cell.all()


@pytest.mark.parametrize("probability", [0.1, 0.5, 0.9])
def test_a_declared_share_of_cells_is_changed_and_each_of_them_wholly(probability):
    cells = minibatch(2000)
    view = two(cells, gene_dropout=1.0, gene_dropout_probability=probability).first
    emptied = ~view.any(dim=1)
    assert torch.equal(view[~emptied], cells.x[~emptied])
    low, high = binom.interval(0.999, 2000, probability)
    assert low <= emptied.sum().item() <= high


def test_each_augmentation_draws_its_own_cells():
    """Two halves of the cells, drawn independently, share a quarter."""
    cells = minibatch(2000)
    view = two(
        cells,
        count_thinning=1.0,
        count_thinning_probability=0.5,
        gaussian_noise=5.0,
        gaussian_noise_probability=0.5,
    ).first
    # Emptied and then filled with noise: of noise alone, about half of the genes stay at 0.
    unchanged = (view == cells.x).all(dim=1).sum().item()
    low, high = binom.interval(0.999, 2000, 0.25)
    assert low <= unchanged <= high


def test_probability_zero_changes_no_cell():
    cells = minibatch()
    first, second, logs = two(cells, gene_dropout=1.0, gene_dropout_probability=0.0)
    assert torch.equal(first, cells.x)
    assert torch.equal(second, cells.x)
    assert logs == {"change_gene_dropout": 0}


def test_the_two_views_are_drawn_independently():
    """Each hides half of the genes; both hide a quarter."""
    cells = minibatch()
    expressed = cells.x > 0
    first, second, _ = two(cells, gene_dropout=0.5)
    gone = [(view == 0) & expressed for view in (first, second)]
    low, high = binom.interval(0.999, int(expressed.sum()), 0.25)
    assert low <= (gone[0] & gone[1]).sum().item() <= high


def test_views_follow_the_generator():
    cells = minibatch()
    again = [two(cells, seed=seed, **ALL_STAGES).first for seed in (1, 1, 2)]
    assert torch.equal(again[0], again[1])
    assert not torch.equal(again[0], again[2])


def test_the_log_is_the_mean_change_of_both_views_relative_to_the_expression():
    cells = minibatch()
    first, second, logs = two(cells, gaussian_noise=0.4)
    changes = [(view - cells.x).abs().sum() / cells.x.sum() for view in (first, second)]
    torch.testing.assert_close(logs["change_gaussian_noise"], sum(changes) / 2)


def test_each_augmentation_logs_its_own_change():
    """Hiding everything is a change of 1 relative to whatever came before."""
    logs = two(minibatch(), gene_dropout=1.0, gaussian_noise=0.5, gene_swap=0.0).logs
    assert logs["change_gene_dropout"] == 1
    assert logs["change_gene_swap"] == 0
    assert 0 < logs["change_gaussian_noise"] < 1
    assert len(logs) == 3


def test_the_logged_change_of_cells_without_expression_is_finite():
    cells = synthetic_cells(depth=1e-9).minibatch(np.arange(5))
    assert not cells.x.any()
    assert two(cells, gene_dropout=0.5).logs["change_gene_dropout"] == 0


def test_the_minibatch_stays_as_it_is():
    cells, kept = minibatch(), minibatch()
    first, second, _ = two(cells, **ALL_STAGES)
    first.add_(1)
    second.add_(1)
    for part in ("x", "counts", "library_size", "row_ids"):
        assert torch.equal(getattr(cells, part), getattr(kept, part))


def test_options_of_an_augmentation_reach_it():
    views = some_views(neighbour_mixing=0.5, neighbour_mixing_neighbours=3)
    assert [a.neighbours for a in views.augmentations] == [3]


def test_views_have_nothing_to_train_and_nothing_to_save():
    views = some_views(neighbour_mixing=0.5, **ALL_STAGES)
    assert list(views.parameters()) == []
    assert views.state_dict() == {}
