"""What an architecture is: description, graph, cost, module, spaces, scaling and the reference networks.

What needs torch is imported from its own module: `search_space.build` (`build`), `search_space.export`
(`python_source`), `search_space.weights` (`save_weights`, `read_weights`, `load_weights`),
`search_space.condensing` (`converted`). Blocks' options are in `search_space.blocks`, other libraries' networks in
`search_space.weight_sources` (`counterpart`).
"""

from search_space.architecture import Architecture, Auxiliary, Stage, schema
from search_space.cost import Cost, Layer, Memory, cost, layers, memory, stage_cost
from search_space.drawing import DrawingError, draw
from search_space.graph import Conventions, Graph, Node
from search_space.lowering import lower
from search_space.scale import scale
from search_space.schema import ArchitectureError
from search_space.spaces import (
    Choice,
    Costs,
    SearchSpace,
    Section,
    SpaceError,
    StagedSpace,
    difference,
    open_space,
    space_names,
)
from search_space.zoo import (
    Agreement,
    Published,
    UnknownNetwork,
    agreement,
    family,
    published,
    reference,
    reference_names,
)

__all__ = [
    "Agreement",
    "Architecture",
    "ArchitectureError",
    "Auxiliary",
    "Choice",
    "Conventions",
    "Cost",
    "Costs",
    "DrawingError",
    "Graph",
    "Layer",
    "Memory",
    "Node",
    "Published",
    "SearchSpace",
    "Section",
    "SpaceError",
    "Stage",
    "StagedSpace",
    "UnknownNetwork",
    "agreement",
    "cost",
    "difference",
    "draw",
    "family",
    "layers",
    "lower",
    "memory",
    "open_space",
    "published",
    "reference",
    "reference_names",
    "scale",
    "schema",
    "space_names",
    "stage_cost",
]
