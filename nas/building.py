"""A found network as a torch module, with the weights that the search gave it."""

from __future__ import annotations

from torch import nn

from nas.evaluation.optimisation import load_module
from nas.study import Candidate
from search_space import Architecture
from search_space.build import build as build_architecture


def build(network: Candidate | Architecture) -> nn.Module:
    """Returns a module in training mode: a candidate's with its trained weights, otherwise with fresh ones.

    Args:
        network: what `best` returned, or any architecture.

    Example:
        >>> build(best("digits")).eval()(images)
    """
    if isinstance(network, Architecture):
        return build_architecture(network)
    module = build_architecture(network.architecture)
    if network.weights is not None:
        load_module(module, network.weights)
    return module
