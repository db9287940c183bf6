"""Folded networks compute the same with fewer modules, and their Python file takes the folded weights."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from torch import nn

from search_space import Architecture, reference
from search_space.export import python_source
from search_space.export.folding import folded, folded_tensors
from search_space.graph import chained
from search_space.lowering import parts
from search_space.operators import BatchNorm
from tests.search_space.export.networks import TINY, images, legal, lively


def _network(architecture: Architecture) -> nn.Module:
    """Returns the network that the folded Python file defines."""
    names: dict[str, type[nn.Module]] = {}
    exec(compile(python_source(architecture, fold=True), "network", "exec"), names)
    return names["Network"]().eval()


@settings(max_examples=8)
@given(legal())
def test_the_folded_file_gives_the_modules_scores(architecture: Architecture) -> None:
    module, given_images = lively(architecture), images(architecture)
    network = _network(architecture)
    network.load_state_dict(folded_tensors(list(parts(architecture)), module.state_dict()), strict=True)
    with torch.no_grad():
        scores, expected = network(given_images), module(given_images)
    scale = max(1.0, float(expected.abs().max()))
    np.testing.assert_allclose(scores / scale, expected / scale, atol=2e-5)


def test_every_normalisation_after_a_convolution_is_gone() -> None:
    graph = chained(folded(list(parts(TINY))))
    assert not [node.name for node in graph.nodes if isinstance(node.operator, BatchNorm)]
    assert graph.outputs[0] == len(graph.inputs) + len(graph.nodes) - 1


def test_a_normalisation_before_its_convolution_stays() -> None:
    preactivated = reference("preresnet110_cifar10")
    left = [
        node
        for node in chained(folded(list(parts(preactivated)))).nodes
        if isinstance(node.operator, BatchNorm)
    ]
    assert left
