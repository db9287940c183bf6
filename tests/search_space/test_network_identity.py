"""Two architectures are one network if they compute the same, whatever their blocks are called."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import networkx as nx
import pytest
from hypothesis import given, settings

from search_space import Architecture, ArchitectureError, Graph, Stage, lower, reference, scale
from search_space.blocks import ClassifierOptions, MBConvOptions, SeparableOptions, SqueezeExcitation
from search_space.graph import Builder
from search_space.identity import network_hash, same_network, to_networkx
from search_space.operators import Add, Concat, Conv2d, Multiply
from search_space.zoo.preact_resnet import BASIC, preact_cifar, wide_resnet
from tests.search_space.architectures import architectures


def _with(stage: Stage) -> Architecture:
    return Architecture(16, Stage("stem", 1, 8, 2), (stage,), Stage("classifier", 1, 0), 5)


def _changed(**options: Any) -> Architecture:
    return _with(Stage("mbconv", 2, 8, 1, MBConvOptions(**options)))


def _split(network: Architecture, index: int) -> Architecture:
    """Returns the network with one stage written as stages of one block each."""
    if len(network.stages) <= index:
        return network
    stage = network.stages[index]
    apart = [
        replace(stage, repeats=1, stride=stage.stride if copy == 0 else 1) for copy in range(stage.repeats)
    ]
    return replace(network, stages=(*network.stages[:index], *apart, *network.stages[index + 1 :]))


def _scaled_head() -> Stage:
    return Stage("classifier", 1, 1280, options=ClassifierOptions())


def _isomorphic(first: Graph, second: Graph) -> bool:
    """Returns what networkx says; the sides of additions may change places."""
    graphs = [to_networkx(graph) for graph in (first, second)]
    for graph in graphs:
        for node, operator in graph.nodes(data="operator"):
            if isinstance(operator, Add | Multiply):
                for _, _, edge in graph.in_edges(node, data=True):
                    edge["argument"] = 0
    return nx.is_isomorphic(
        *graphs,
        node_match=lambda a, b: (a["operator"], a["shape"]) == (b["operator"], b["shape"]),
        edge_match=lambda a, b: a["argument"] == b["argument"],
    )


def test_a_wide_resnet_of_width_one_is_a_preactivation_resnet() -> None:
    assert same_network(wide_resnet(112, 1), reference("preresnet110_cifar10"))
    assert not same_network(wide_resnet(112, 2), reference("preresnet110_cifar10"))


def test_an_mbconv_without_expansion_is_a_separable_convolution_with_a_linear_end() -> None:
    # names of layers differ (project, pointwise), the network does not
    mbconv = _with(Stage("mbconv", 2, 8, 1, MBConvOptions(1)))
    separable = _with(Stage("separable", 2, 8, 1, SeparableOptions(output_activation=False, skip="identity")))
    assert mbconv.digest != separable.digest
    assert same_network(mbconv, separable)


def test_repeats_are_copies_whichever_way_they_are_written() -> None:
    together = _with(Stage("mbconv", 2, 8))
    apart = Architecture(16, together.stem, (Stage("mbconv", 1, 8), Stage("mbconv", 1, 8)), together.head, 5)
    assert together.digest != apart.digest and same_network(together, apart)


def test_another_activation_is_another_network() -> None:
    assert not same_network(
        _with(Stage("mbconv", 2, 8)), _with(Stage("mbconv", 2, 8, 1, MBConvOptions(activation="silu")))
    )


PAIRS = [
    # one network, described in two ways
    (wide_resnet(16, 1), preact_cifar(2, 16, BASIC), True),
    (reference("resnet34"), _split(reference("resnet34"), 2), True),
    (reference("efficientnet_b0"), _split(reference("efficientnet_b0"), 5), True),
    (reference("mnasnet_b1_1_0"), scale(reference("mnasnet_b1_1_0"), depth=0.9), True),
    (reference("mnasnet_b1_1_0"), replace(reference("mnasnet_b1_1_0"), head=_scaled_head()), True),
    # near misses
    (wide_resnet(16, 2), preact_cifar(2, 16, BASIC), False),
    (_changed(kernel=5), _changed(), False),
    (_changed(skip="none"), _changed(), False),
    (_changed(skip="pool"), _changed(), False),
    (_changed(squeeze=SqueezeExcitation(0.25)), _changed(squeeze=SqueezeExcitation(0.25, "expanded")), False),
    (
        _changed(squeeze=SqueezeExcitation(0.25)),
        _changed(squeeze=SqueezeExcitation(0.25, gate="hard_sigmoid")),
        False,
    ),
    (_with(Stage("mbconv", 2, 8, 2)), _with(Stage("mbconv", 2, 8, 1)), False),
    (_with(Stage("mbconv", 2, 8)), _with(Stage("mbconv", 3, 8)), False),
    (reference("resnet50"), reference("resnet50_v1_stride1x1"), False),
    (reference("resnet20_cifar10_optA"), replace(reference("resnet20_cifar10_optA"), num_classes=100), False),
]


@pytest.mark.parametrize(("first", "second", "same"), PAIRS)
def test_the_hash_and_networkx_agree_on_what_is_one_network(
    first: Architecture, second: Architecture, same: bool
) -> None:
    assert same_network(first, second) == same
    assert _isomorphic(lower(first), lower(second)) == same


@settings(max_examples=30)
@given(architectures(), architectures())
def test_the_hash_and_networkx_agree_on_random_networks(first: Architecture, second: Architecture) -> None:
    try:
        graphs = [lower(architecture) for architecture in (first, second, _split(first, 0))]
    except ArchitectureError:
        return
    for other in graphs:
        assert (network_hash(graphs[0]) == network_hash(other)) == _isomorphic(graphs[0], other)


def test_one_layer_used_twice_is_not_two_layers_used_once() -> None:
    def graph(*, shared: bool) -> Graph:
        b = Builder(((4, 5, 5),))
        x = b.carry()[0]
        one, two = (b.add(name, Conv2d(4, 1), x) for name in ("one", "two"))
        added = b.add("add", Add(), one, one if shared else two)
        multiplied = b.add("multiply", Multiply(), two, two if shared else one)
        return b.graph((b.add("concat", Concat(), added, multiplied),))

    assert network_hash(graph(shared=True)) != network_hash(graph(shared=False))
    assert not _isomorphic(graph(shared=True), graph(shared=False))


@settings(max_examples=20)
@given(architectures())
def test_the_networkx_graph_is_the_graph(architecture: Architecture) -> None:
    try:
        graph = lower(architecture)
    except ArchitectureError:
        return
    drawn = to_networkx(graph)
    assert nx.is_directed_acyclic_graph(drawn)
    assert drawn.number_of_nodes() == len(graph.nodes) + 1
    assert all(drawn.nodes[node.name]["shape"] == node.shape for node in graph.nodes)
    assert network_hash(graph) == network_hash(lower(architecture))
