import torch

from sslbench.pretext.masks.none import Options, no_mask


def test_nothing_is_hidden_and_everything_is_scored():
    mask = no_mask(
        torch.zeros(4, 6),
        options=Options(),
        programmes=None,
        tf_genes=None,
        generator=torch.Generator(),
    )
    assert not mask.hidden.any()
    assert mask.scored.all()
