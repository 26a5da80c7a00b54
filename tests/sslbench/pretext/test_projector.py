import pytest
import torch
from torch import nn

from sslbench.pretext._options import PredictorOptions
from sslbench.pretext._projector import build_mlp, build_predictor, build_projector


def widths(network):
    return [(m.in_features, m.out_features) for m in network.modules() if isinstance(m, nn.Linear)]


def kinds(network):
    return [type(layer).__name__ for layer in network]


def some_options(**changed):
    return PredictorOptions(projector_width=5, projector_dim=3, predictor_width=7, **changed)


@pytest.mark.parametrize(
    ("depth", "expected"), [(0, [(4, 3)]), (1, [(4, 5), (5, 3)]), (2, [(4, 5), (5, 5), (5, 3)])]
)
def test_a_projector_has_as_many_hidden_layers_as_asked_for(depth, expected):
    projector = build_projector(some_options(projector_depth=depth), n_inputs=4)
    assert widths(projector) == expected
    assert projector(torch.randn(6, 4)).shape == (6, 3)


@pytest.mark.parametrize(
    ("depth", "expected"), [(1, [(3, 7), (7, 3)]), (2, [(3, 7), (7, 7), (7, 3)])]
)
def test_a_predictor_maps_a_projection_to_a_projection(depth, expected):
    assert widths(build_predictor(some_options(predictor_depth=depth))) == expected


def test_a_predictor_without_hidden_layers_is_left_out():
    predictor, z = build_predictor(some_options(predictor_depth=0)), torch.randn(6, 3)
    assert list(predictor.parameters()) == []
    assert predictor(z) is z


def test_hidden_layers_are_normalised_over_cells_and_the_output_is_linear():
    network = build_mlp(4, width=5, depth=2, n_outputs=3)
    assert kinds(network) == ["Linear", "BatchNorm1d", "ReLU"] * 2 + ["Linear"]
    hidden = network[:2](100 + 7 * torch.randn(50, 4))
    torch.testing.assert_close(hidden.mean(dim=0), torch.zeros(5), atol=1e-4, rtol=0)
    torch.testing.assert_close(hidden.std(dim=0, correction=0), torch.ones(5), atol=1e-3, rtol=0)
    assert network[-1].bias is not None
