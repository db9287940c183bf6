"""Two architectures are one network if they compute the same, whatever their blocks are called."""

from __future__ import annotations

import networkx as nx
from hypothesis import given, settings

from search_space import Architecture, ArchitectureError, Stage, lower, reference
from search_space.blocks import MBConvOptions, SeparableOptions
from search_space.identity import network_hash, same_network, to_networkx
from search_space.zoo.preact_resnet import wide_resnet
from tests.search_space.architectures import architectures


def _with(stage: Stage) -> Architecture:
    return Architecture(16, Stage("stem", 1, 8, 2), (stage,), Stage("classifier", 1, 0), 5)


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
