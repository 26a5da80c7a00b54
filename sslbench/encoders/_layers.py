"""The layers that fully connected encoders are made of, by the words of their options."""

from __future__ import annotations

from torch import nn

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "elu": nn.ELU,
    "selu": nn.SELU,
    "tanh": nn.Tanh,
}
NORMS: dict[str, type[nn.Module]] = {
    "none": nn.Identity,
    "layer": nn.LayerNorm,
    "batch": nn.BatchNorm1d,
}


def lecun_normal(network: nn.Module) -> None:
    """Draw every linear layer's weights from N(0, 1 / n_inputs) and set its biases to 0.

    SELU keeps mean and variance from layer to layer under this initialisation only (Klambauer et al.,
    "Self-normalizing neural networks", 2017, arXiv 1706.02515).
    """
    for layer in network.modules():
        if isinstance(layer, nn.Linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="linear")
            nn.init.zeros_(layer.bias)
