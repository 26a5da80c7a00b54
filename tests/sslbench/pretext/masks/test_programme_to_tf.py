import torch
from scipy.stats import chisquare

from sslbench.pretext.masks.programme_to_tf import Options, programme_to_tf_mask

TARGETS = torch.tensor(
    [
        [True, True, False, False, False, False],  # factor 5, not among its targets
        [False, True, True, True, False, False],  # factor 1, among its own targets
    ]
)
TF_GENES = torch.tensor([5, 1])


def draw(n_cells):
    return programme_to_tf_mask(
        torch.zeros(n_cells, 6),
        options=Options(),
        programmes=TARGETS,
        tf_genes=TF_GENES,
        generator=torch.Generator().manual_seed(0),
    )


def test_targets_are_visible_and_only_the_factor_is_scored():
    seen = set()
    for hidden, scored in zip(*draw(50)):
        visible = (~hidden).nonzero().flatten().tolist()
        seen.add((tuple(visible), tuple(scored.nonzero().flatten().tolist())))
    assert seen == {((0, 1), (5,)), ((2, 3), (1,))}


def test_every_factor_is_drawn_equally_often():
    assert chisquare(draw(4000).scored.sum(dim=0)[TF_GENES].numpy()).pvalue > 1e-4
