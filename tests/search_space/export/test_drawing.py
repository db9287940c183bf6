"""Drawings hold every operator and every value that passes between two of them."""

from __future__ import annotations

import io

import networkx as nx

from search_space import lower, reference
from search_space.export.drawing import dot, graphml
from tests.search_space.export.networks import TINY


def test_graphml_is_read_back_as_the_same_graph() -> None:
    graph = lower(TINY)
    read = nx.read_graphml(io.StringIO(graphml(TINY)))
    assert set(read.nodes) == {"input0", *(node.name for node in graph.nodes)}
    assert read.nodes["stages.0.blocks.1.depthwise"]["shape"] == "48 x 4 x 4"
    assert read.nodes["input0"]["operator"] == "input"
    assert read.number_of_edges() == len(
        {(value, node.name) for node in graph.nodes for value in node.inputs}
    )


def test_dot_has_a_line_for_every_node_and_edge_and_closed_quotes() -> None:
    network = reference("dpn68")
    text = dot(network)
    assert text.startswith("digraph") and text.rstrip().endswith("}")
    assert text.count(" -> ") == nx.read_graphml(io.StringIO(graphml(network))).number_of_edges()
    assert all(line.count('"') % 2 == 0 for line in text.splitlines())
