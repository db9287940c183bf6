"""Whether two architectures are one network, whatever they are called, and a network as a networkx graph."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import networkx as nx

from search_space.architecture import Architecture
from search_space.graph import Graph
from search_space.lowering import lower
from search_space.operators import Add, Multiply, Operator

COMMUTATIVE: tuple[type[Operator], ...] = (Add, Multiply)


def to_networkx(graph: Graph) -> nx.DiGraph[str]:
    """Returns the graph with its operators as nodes (attributes `operator` and `shape`), its values as edges.

    An edge's `argument` is the place among the inputs; inputs are nodes named `input0`, ... without an operator.
    """
    names = [f"input{index}" for index in range(len(graph.inputs))] + [node.name for node in graph.nodes]
    result: nx.DiGraph[str] = nx.DiGraph()
    for name, shape in zip(names, graph.inputs, strict=False):
        result.add_node(name, operator=None, shape=shape)
    for node in graph.nodes:
        result.add_node(node.name, operator=node.operator, shape=node.shape)
        for argument, value in enumerate(node.inputs):
            result.add_edge(names[value], node.name, argument=argument)
    return result


def network_hash(graph: Graph) -> str:
    """Returns a sha256 that two graphs share if they compute the same with equally many, equally wired operators.

    Names do not enter, nor the order of what may be computed in any order, nor the sides of additions. Each value is
    known by its operator and what it is computed from, then also by all that it is used for, so that one layer used
    twice is told from two equal layers used once each.
    """
    sources = [_hash("input", [str(shape)]) for shape in graph.inputs]
    for node in graph.nodes:
        inputs = [sources[value] for value in node.inputs]
        ordered = sorted(inputs) if isinstance(node.operator, COMMUTATIVE) else inputs
        sources.append(_hash(repr(node.operator), ordered))
    uses: list[list[str]] = [[] for _ in sources]
    for place, value in enumerate(graph.outputs):
        uses[value].append(f"output {place}")
    whole = list(sources)
    first = len(graph.inputs)
    for value in reversed(range(len(sources))):
        whole[value] = _hash(sources[value], sorted(uses[value]))
        if value >= first:
            node = graph.nodes[value - first]
            for place, source in enumerate(node.inputs):
                side = "" if isinstance(node.operator, COMMUTATIVE) else str(place)
                uses[source].append(f"{whole[value]} {side}")
    return _hash("graph", sorted(whole))


def same_network(first: Architecture, second: Architecture) -> bool:
    """Returns whether two architectures are the same network: one function of the same parameters.

    Example:
        >>> from search_space.zoo import reference
        >>> same_network(reference("resnet152"), reference("stochastic_depth_resnet152_imagenet"))
        True
    """
    return network_hash(lower(first)) == network_hash(lower(second))


def _hash(kind: str, parts: Sequence[str]) -> str:
    return hashlib.sha256("\n".join([kind, *parts]).encode()).hexdigest()
