import pytest
import torch
from pydantic import ValidationError
from torch import nn

from sslbench.encoders.base import build_encoder
from sslbench.encoders.mlp import MLP, Options, hidden_widths


def linear_layers(encoder):
    return [layer for layer in encoder.modules() if isinstance(layer, nn.Linear)]


def test_width_and_depth_give_equal_hidden_layers():
    assert hidden_widths(Options(width=32, depth=3)) == (32, 32, 32)


def test_hidden_replaces_width_and_depth():
    assert hidden_widths(Options(width=32, depth=3, hidden="16-8")) == (16, 8)


def test_hidden_as_a_list_is_the_same_option_and_logged_as_a_scalar():
    as_list = Options.model_validate({"hidden": [512, 256]})
    assert as_list == Options(hidden="512-256")
    assert Options.model_validate({"hidden": 512}).hidden == "512"
    assert as_list.model_dump(mode="json")["hidden"] == "512-256"


def test_depth_zero_is_a_linear_map():
    encoder = build_encoder("mlp", {"depth": 0, "embedding_dim": 3}, n_genes=7).eval()
    a, b = torch.randn(2, 4, 7)
    torch.testing.assert_close(encoder(a) + encoder(b), encoder(a + b) + encoder(torch.zeros(4, 7)))


def test_the_published_encoder_is_one_setting():
    published = {
        "hidden": [512, 512, 256, 256],
        "embedding_dim": 64,
        "activation": "selu",
        "norm": "none",
        "dropout": 0.1,
    }
    encoder = build_encoder("mlp", published, n_genes=100)
    shapes = [(layer.in_features, layer.out_features) for layer in linear_layers(encoder)]
    assert shapes == [(100, 512), (512, 512), (512, 256), (256, 256), (256, 64)]
    assert sum(isinstance(layer, nn.SELU) for layer in encoder.modules()) == 4


def test_selu_layers_start_lecun_normal_and_keep_mean_and_variance():
    torch.manual_seed(0)
    options = Options(width=512, depth=6, activation="selu", norm="none", dropout=0)
    encoder = MLP(options, n_genes=512).eval()
    layer = linear_layers(encoder)[1]
    assert layer.weight.std().item() == pytest.approx(512**-0.5, rel=0.02)
    assert layer.bias.abs().max() == 0
    z = encoder(torch.randn(256, 512))
    assert abs(z.mean().item()) < 0.1
    assert z.var().item() == pytest.approx(1, abs=0.25)


def test_other_activations_keep_torch_initialisation():
    torch.manual_seed(0)
    encoder = MLP(Options(width=64, depth=1), n_genes=400)
    assert linear_layers(encoder)[0].weight.abs().max() <= 400**-0.5


def test_dropout_acts_in_train_mode_only():
    encoder = MLP(Options(dropout=0.5), n_genes=20)
    x = torch.rand(5, 20)
    assert not torch.equal(encoder(x), encoder(x))
    encoder.eval()
    assert torch.equal(encoder(x), encoder(x))


@pytest.mark.parametrize(
    "wrong",
    [
        {"dropout": 1.0},
        {"norm": "group"},
        {"width": 0},
        {"hidden": [0]},
        {"hidden": []},
        {"hidden": "16x8"},
        {"deep": 2},
    ],
)
def test_options_out_of_range_are_refused(wrong):
    with pytest.raises(ValidationError):
        Options.model_validate(wrong)
