"""Under the autocast of a GPU, here the CPU's, a loss is worked out in float32 and its gradient is near the exact one."""

from contextlib import nullcontext
from functools import partial

import pytest
import torch

from sslbench.pretext._nt_xent import nt_xent
from sslbench.pretext._precision import in_float32
from sslbench.pretext.barlow_twins import barlow_twins_loss
from sslbench.pretext.byol import byol_loss
from sslbench.pretext.moco import moco_loss
from sslbench.pretext.nnclr import nnclr_loss
from sslbench.pretext.vicreg import VICRegTerms, vicreg_terms

N_CELLS, N_DIMENSIONS = 64, 16
LOSSES = {
    "nt_xent": partial(nt_xent, temperature=0.1),
    "barlow_twins": partial(barlow_twins_loss, off_diagonal_weight=0.005),
    "vicreg": lambda first, second: sum(vicreg_terms(first, second)),
    "nnclr": partial(nnclr_loss, temperature=0.1),
    "byol": lambda first, second: byol_loss(first, target=second),
    "moco": lambda first, second: moco_loss(
        first,
        second,
        negatives=second.detach().roll(1, dims=0),
        excluded=torch.zeros(N_CELLS, N_CELLS, dtype=torch.bool),
        temperature=0.1,
    ),
}


def views():
    generator = torch.Generator().manual_seed(0)
    cells = torch.randn(N_CELLS, N_DIMENSIONS, generator=generator)
    return (cells + 0.3 * torch.randn(cells.shape, generator=generator) for _ in range(2))


def loss_and_gradient(name, *, precision):
    first, second = views()
    first.requires_grad_()
    with precision:
        loss = LOSSES[name](first, second)
    loss.backward()
    return loss.detach(), first.grad


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_and_its_gradient_are_those_of_float32(name):
    exact = loss_and_gradient(name, precision=nullcontext())
    mixed = loss_and_gradient(name, precision=torch.autocast("cpu", dtype=torch.bfloat16))
    assert all(torch.equal(a, b) for a, b in zip(exact, mixed))


@pytest.mark.parametrize("name", LOSSES)
def test_projections_in_bfloat16_are_widened_first(name):
    first, second = (view.bfloat16() for view in views())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert LOSSES[name](first, second).dtype == torch.float32


def test_what_is_no_bfloat16_stays_what_it_is():
    seen = in_float32(lambda z, *, other, word: (z, other, word))
    z, other = torch.ones(2, dtype=torch.float64), torch.ones(2, dtype=torch.bfloat16)
    first, second, word = seen(z, other=other, word="unchanged")
    assert (first.dtype, second.dtype, word) == (torch.float64, torch.float32, "unchanged")


def test_the_terms_keep_their_names():
    assert isinstance(vicreg_terms(*views()), VICRegTerms)
