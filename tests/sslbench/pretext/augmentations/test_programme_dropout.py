from dataclasses import replace
from itertools import chain

import numpy as np
import pytest
import torch

from sslbench.data.gene_programmes import bundled, gene_programmes
from sslbench.errors import DataError
from sslbench.pretext.augmentations.programme_dropout import Options, ProgrammeDropout
from tests.factories import synthetic_cells

N_GENES = 60


def ten_programmes(folder):
    """A GMT file that puts the 60 synthetic genes into 10 programmes of 6."""
    genes = synthetic_cells().genes
    lines = [f"P{p}\tnote\t" + "\t".join(genes[6 * p : 6 * p + 6]) for p in range(10)]
    path = folder / "ten.gmt"
    path.write_text("\n".join(lines))
    return str(path)


def hidden(programmes, *, strength, seed=0, n_cells=100):
    cells = synthetic_cells()
    augmentation = ProgrammeDropout(Options(programmes=programmes))
    augmentation.prepare(cells)
    minibatch = cells.minibatch(np.arange(n_cells))
    everything_expressed = replace(minibatch, view=torch.ones(n_cells, N_GENES))
    generator = torch.Generator().manual_seed(seed)
    return augmentation(everything_expressed, strength=strength, generator=generator) == 0


@pytest.mark.parametrize(
    "strength, n_hidden", [(0.1, 6), (0.3, 18), (0.31, 19), (0.001, 1), (0.99, 59), (1.0, 59)]
)
def test_the_number_of_genes_set_to_zero_is_exact(tmp_path, strength, n_hidden):
    gone = hidden(ten_programmes(tmp_path), strength=strength)
    assert gone.sum(dim=1).tolist() == [n_hidden] * 100


def test_programmes_are_hidden_whole_but_for_the_last(tmp_path):
    """20 of 60 genes: three programmes of 6, and two genes of a fourth."""
    gone = hidden(ten_programmes(tmp_path), strength=1 / 3)
    of_programme = gone.reshape(100, 10, 6).sum(dim=2).sort(dim=1, descending=True).values
    assert of_programme.tolist() == [[6, 6, 6, 2, 0, 0, 0, 0, 0, 0]] * 100


def test_cells_lose_different_programmes(tmp_path):
    assert len(hidden(ten_programmes(tmp_path), strength=0.3).unique(dim=0)) > 50


def test_what_is_not_hidden_keeps_its_value():
    cells = synthetic_cells()
    augmentation = ProgrammeDropout(Options(programmes="coexpression"))
    augmentation.prepare(cells)
    x = cells.minibatch(np.arange(100)).x
    view = augmentation(
        cells.minibatch(np.arange(100)), strength=0.5, generator=torch.Generator().manual_seed(0)
    )
    assert ((view == 0) | (view == x)).all()


def test_coexpressed_programmes_are_those_of_training_cells():
    cells = synthetic_cells()
    train = replace(cells, row_ids=cells.row_ids[:80])
    augmentation = ProgrammeDropout(Options(programmes="coexpression"))
    augmentation.prepare(train)
    expected = gene_programmes("coexpression", train=train).matrix
    assert np.array_equal(augmentation.programmes.numpy(), expected)


def test_bundled_programmes_are_those_of_immune_cells():
    of_immune_cells = sorted(set(chain(*bundled("immune").values())))[:N_GENES]
    cells = replace(synthetic_cells(), genes=tuple(of_immune_cells))
    augmentation = ProgrammeDropout(Options())
    augmentation.prepare(cells)
    expected = gene_programmes("immune", train=cells).matrix
    assert np.array_equal(augmentation.programmes.numpy(), expected)


def test_a_panel_that_no_bundled_programme_covers_is_an_error_with_the_remedy():
    with pytest.raises(DataError) as caught:
        ProgrammeDropout(Options()).prepare(synthetic_cells())
    assert caught.value.code == "G003"
    assert "coexpression" in caught.value.fix
