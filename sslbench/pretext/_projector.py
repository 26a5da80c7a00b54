"""Networks behind the encoder in which views are compared; all of them are thrown away after training."""

from __future__ import annotations

from torch import nn

from sslbench.pretext._options import PredictorOptions, ProjectorOptions


def build_projector(
    options: ProjectorOptions, *, n_inputs: int, norm: type[nn.Module] = nn.BatchNorm1d
) -> nn.Sequential:
    """Return `projector_depth` hidden layers and a linear output (n_cells, projector_dim)."""
    return build_mlp(
        n_inputs,
        width=options.projector_width,
        depth=options.projector_depth,
        n_outputs=options.projector_dim,
        norm=norm,
    )


def build_predictor(options: PredictorOptions) -> nn.Module:
    """Return what predicts one projection from another, (n_cells, projector_dim) to the same.

    Without hidden layers it is left out: the projection is its own prediction.
    """
    if options.predictor_depth == 0:
        return nn.Identity()
    return build_mlp(
        options.projector_dim,
        width=options.predictor_width,
        depth=options.predictor_depth,
        n_outputs=options.projector_dim,
    )


def build_mlp(
    n_inputs: int,
    *,
    width: int,
    depth: int,
    n_outputs: int,
    norm: type[nn.Module] = nn.BatchNorm1d,
) -> nn.Sequential:
    """Return hidden layers (linear, norm, ReLU) and a linear output.

    Batch normalisation is what the projectors of BYOL, Barlow Twins, VICReg and SimSiam have; its own bias
    makes that of the linear layer before it redundant. `norm` is built of the number of units.
    """
    layers: list[nn.Module] = []
    for _ in range(depth):
        bias = norm is not nn.BatchNorm1d
        layers += [nn.Linear(n_inputs, width, bias=bias), norm(width), nn.ReLU()]
        n_inputs = width
    return nn.Sequential(*layers, nn.Linear(n_inputs, n_outputs))
