from dataclasses import replace

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from sslbench.errors import ConfigError
from sslbench.pretext.augmentations import base
from sslbench.pretext.augmentations.base import build_augmentation, expression_blocks
from tests.factories import synthetic_cells


@pytest.mark.parametrize("n_values, sizes", [(1, [1] * 7), (180, [3, 3, 1]), (10_000, [7])])
def test_blocks_are_the_expression_of_all_cells_in_order(monkeypatch, n_values, sizes):
    monkeypatch.setattr(base, "BLOCK_VALUES", n_values)
    cells = replace(synthetic_cells(), row_ids=np.array([3, 200, 7, 0, 9, 100, 4]))
    blocks = list(expression_blocks(cells))
    assert [len(block) for block in blocks] == sizes
    assert torch.equal(torch.cat(blocks), cells.minibatch(np.arange(7)).x)


def test_an_augmentation_is_built_by_name_with_checked_options():
    assert build_augmentation("neighbour_mixing", {"neighbours": 4}).neighbours == 4
    with pytest.raises(ValidationError, match="neighbors"):
        build_augmentation("neighbour_mixing", {"neighbors": 4})
    with pytest.raises(ConfigError, match="unknown augmentation 'neighbor_mixing'"):
        build_augmentation("neighbor_mixing", {})
