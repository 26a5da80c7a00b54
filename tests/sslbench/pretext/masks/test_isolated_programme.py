import torch
from scipy.stats import chisquare

from sslbench.pretext.masks.isolated_programme import Options, isolated_programme_mask

PROGRAMMES = torch.zeros(3, 20, dtype=torch.bool)
PROGRAMMES[0, :6] = True
PROGRAMMES[1, 6:13] = True
PROGRAMMES[2, 11:] = True


def draw(n_cells, programmes=PROGRAMMES):
    return isolated_programme_mask(
        torch.zeros(n_cells, programmes.shape[1]),
        options=Options(),
        programmes=programmes,
        tf_genes=None,
        generator=torch.Generator().manual_seed(0),
    )


def programme_of(shown_or_scored):
    return [torch.equal(shown_or_scored, programme) for programme in PROGRAMMES].index(True)


def test_visible_and_scored_are_the_two_halves_of_one_programme():
    mask = draw(300)
    for hidden, scored in zip(mask.hidden, mask.scored):
        programme = PROGRAMMES[programme_of(~hidden | scored)]
        assert not (~hidden & scored).any()
        assert (~hidden).sum() == programme.sum() // 2
        assert scored.sum() == programme.sum() - programme.sum() // 2


def test_every_programme_is_drawn_equally_often():
    mask = draw(6000)
    drawn = [programme_of(row) for row in ~mask.hidden | mask.scored]
    assert chisquare([drawn.count(p) for p in range(3)]).pvalue > 1e-4


def test_every_gene_of_a_programme_is_scored_equally_often():
    everything = torch.ones(1, 8, dtype=torch.bool)
    scored = draw(4000, everything).scored
    assert scored.sum(dim=1).unique().tolist() == [4]
    assert chisquare(scored.sum(dim=0).numpy()).pvalue > 1e-4


def test_a_programme_of_one_gene_shows_nothing_and_scores_it():
    mask = draw(2, torch.tensor([[False, True, False, False]]))
    assert mask.hidden.all()
    assert mask.scored.tolist() == [[False, True, False, False]] * 2
