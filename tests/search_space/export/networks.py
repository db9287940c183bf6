"""Small networks whose normalisation has statistics of a trained one."""

from __future__ import annotations

import torch
from hypothesis import strategies as st
from torch import fx, nn

from search_space import Architecture, ArchitectureError, Stage, cost
from search_space.blocks import MBConvOptions, SqueezeExcitation
from search_space.build import build
from tests.search_space.architectures import architectures

TINY = Architecture(
    16,
    Stage("stem", 1, 8, 2),
    (
        Stage("mbconv", 2, 16, 2, MBConvOptions(3, 5, squeeze=SqueezeExcitation())),
        Stage("mbconv", 1, 24, 2),
    ),
    Stage("classifier", 1, 32),
    num_classes=5,
)


def legal() -> st.SearchStrategy[Architecture]:
    """Architectures of every block whose blocks can take what enters them."""
    return architectures().filter(_is_legal)


def _is_legal(architecture: Architecture) -> bool:
    try:
        cost(architecture)
    except ArchitectureError:
        return False
    return True


def lively(architecture: Architecture, seed: int = 1) -> fx.GraphModule:
    """Returns a module in evaluation mode, no part of which computes zero or passes on what it gets."""
    module = build(architecture, seed=seed, zero_init_residual=False)
    generator = torch.Generator().manual_seed(seed)
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean.normal_(0, 0.1, generator=generator)
            layer.running_var.uniform_(0.5, 1.5, generator=generator)
            layer.weight.data.uniform_(0.5, 1.5, generator=generator)
            layer.bias.data.normal_(0, 0.1, generator=generator)
        if isinstance(layer, nn.Linear):
            layer.weight.data.normal_(0, layer.in_features**-0.5, generator=generator)
    module.eval()
    return module


def images(architecture: Architecture, count: int = 3, seed: int = 0) -> torch.Tensor:
    """Returns normalised images for a network."""
    side = architecture.resolution
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, architecture.input_channels, side, side, generator=generator)
