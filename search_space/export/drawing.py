"""A network as a drawing program's file: GraphML, and Graphviz's DOT."""

from __future__ import annotations

import networkx as nx

from search_space.architecture import Architecture
from search_space.identity import to_networkx
from search_space.lowering import lower


def graphml(architecture: Architecture) -> str:
    """Returns the network's operators as GraphML: nodes with `operator` and `shape`, edges with `argument`."""
    return "\n".join(nx.generate_graphml(_plain(architecture))) + "\n"


def dot(architecture: Architecture) -> str:
    """Returns the network's operators as a Graphviz digraph: `dot -Tsvg network.dot`."""
    graph = _plain(architecture)
    nodes = [
        f"  {_quoted(name)} [label={_quoted('|'.join([name, data['operator'], data['shape']]), bars=True)}];"
        for name, data in graph.nodes(data=True)
    ]
    edges = [f"  {_quoted(source)} -> {_quoted(target)};" for source, target in graph.edges()]
    start = ["digraph network {", "  node [shape=record];", f"  label={_quoted(architecture.digest)};"]
    return "\n".join([*start, *nodes, *edges, "}"]) + "\n"


def _plain(architecture: Architecture) -> nx.DiGraph[str]:
    """Returns the network's graph with texts as attributes."""
    graph = to_networkx(lower(architecture))
    for _, data in graph.nodes(data=True):
        data["operator"] = repr(data["operator"]) if data["operator"] else "input"
        data["shape"] = " x ".join(map(str, data["shape"]))
    return graph


def _quoted(text: str, *, bars: bool = False) -> str:
    """Returns a text as DOT's quoted string; in a record, `bars` between fields stay what they are."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    if bars:
        escaped = "".join(f"\\{c}" if c in "<>{}" else c for c in escaped)
    return f'"{escaped}"'
