"""Batch normalisation folded into the convolutions before it: the same function with fewer operations.

In evaluation a normalisation is a scale and a shift per channel, which a convolution can do itself
(Jacob et al. 2018, section 3.2).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch

from search_space.graph import Graph, Node, Part
from search_space.operators import BatchNorm, Conv2d

Tensors = Mapping[str, torch.Tensor]


def folded(chain: Sequence[Part]) -> list[Part]:
    """Returns the parts without the normalisations that a convolution can take over.

    Names stay: the convolution `stem.conv` now has a bias, and `stem.conv_norm` is gone.
    """
    return [replace(part, graph=_folded_graph(part.graph)) for part in chain]


def folded_tensors(chain: Sequence[Part], tensors: Tensors) -> dict[str, torch.Tensor]:
    """Returns the weights of the folded network.

    Args:
        chain: the parts before they were folded.
        tensors: all their parameters and buffers by name.
    """
    result = dict(tensors)
    for part in chain:
        for norm, conv in _pairs(part.graph).items():
            _fold(result, f"{part.name}.{part.graph.nodes[conv].name}", part, part.graph.nodes[norm])
    return result


def _pairs(graph: Graph) -> dict[int, int]:
    """Returns the numbers of normalisation nodes that are the only reader of a convolution, with its number."""
    first = len(graph.inputs)
    readers: dict[int, int] = {}
    for value in [*graph.outputs, *(value for node in graph.nodes for value in node.inputs)]:
        readers[value] = readers.get(value, 0) + 1
    return {
        index: source - first
        for index, node in enumerate(graph.nodes)
        if isinstance(node.operator, BatchNorm) and (source := node.inputs[0]) >= first
        if readers[source] == 1 and isinstance(graph.nodes[source - first].operator, Conv2d)
    }


def _folded_graph(graph: Graph) -> Graph:
    first, pairs = len(graph.inputs), _pairs(graph)
    taken_over = set(pairs.values())
    numbers = list(range(first))  # the new number of each old value
    nodes: list[Node] = []
    for index, node in enumerate(graph.nodes):
        if index in pairs:
            numbers.append(numbers[node.inputs[0]])
            continue
        operator = node.operator
        if index in taken_over and isinstance(operator, Conv2d):
            operator = replace(operator, bias=True)
        numbers.append(first + len(nodes))
        nodes.append(
            node._replace(operator=operator, inputs=tuple([numbers[value] for value in node.inputs]))
        )
    return Graph(graph.inputs, tuple(nodes), tuple([numbers[value] for value in graph.outputs]))


def _fold(tensors: dict[str, torch.Tensor], conv: str, part: Part, norm: Node) -> None:
    """Moves one normalisation's tensors into its convolution's, computed in float64."""
    assert isinstance(norm.operator, BatchNorm)
    given = {
        name: tensors.pop(f"{part.name}.{norm.name}.{name}").double()
        for name in ("weight", "bias", "running_mean", "running_var")
    }
    tensors.pop(f"{part.name}.{norm.name}.num_batches_tracked", None)
    weight = tensors[f"{conv}.weight"]
    scale = given["weight"] / torch.sqrt(given["running_var"] + norm.operator.eps)
    before = tensors[f"{conv}.bias"].double() if f"{conv}.bias" in tensors else torch.zeros_like(scale)
    tensors[f"{conv}.weight"] = (weight.double() * scale[:, None, None, None]).to(weight.dtype)
    bias = given["bias"] + (before - given["running_mean"]) * scale
    tensors[f"{conv}.bias"] = bias.to(weight.dtype)
