import copy

import pytest
import torch

from sslbench.encoders.base import build_encoder
from sslbench.pretext.base import build_pretext


def test_the_encoder_is_left_as_it_is():
    encoder = build_encoder("mlp", {}, n_genes=8)
    before = copy.deepcopy(encoder.state_dict())
    pretext = build_pretext(
        "random_init", {}, encoder=encoder, genes=tuple("abcdefgh"), label_names=()
    )
    after = pretext.encoder.state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before)


def test_asking_for_a_loss_is_an_error():
    encoder = build_encoder("linear", {}, n_genes=2)
    pretext = build_pretext("random_init", {}, encoder=encoder, genes=("a", "b"), label_names=())
    with pytest.raises(RuntimeError, match="gradient_free"):
        pretext.loss(None, torch.Generator())
