"""From an architecture to its graph: blocks are written as operators once per setting, then chained."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from search_space.architecture import Architecture, Stage
from search_space.blocks import BLOCKS, Options
from search_space.graph import Builder, Conventions, Graph, Part, chained
from search_space.operators import Shape, ShapeError
from search_space.schema import ArchitectureError

Shapes = tuple[Shape, ...]
Setting = tuple[str, Options, int, int]  # block, options, channels, stride


def lower(architecture: Architecture, input_shape: Shape | None = None) -> Graph:
    """Returns the network as primitive operators with shapes, named like `stages.2.blocks.0.depthwise`.

    Args:
        architecture: what to lower.
        input_shape: (channels, height, width) in pixels; the architecture's own square input when left out.

    Raises:
        ArchitectureError: a block cannot take what enters it; the message has the path to its stage.

    Example:
        >>> from search_space.zoo import reference
        >>> lower(reference("mobilenet_v2_1_0_224")).nodes[0].name
        'stem.conv'
    """
    return chained(tuple(parts(architecture, input_shape)))


def parts(architecture: Architecture, input_shape: Shape | None = None) -> Iterator[Part]:
    """Yields the graphs that make up a network, in order: stem, every block, auxiliary classifiers, head."""
    side = architecture.resolution
    carry: Shapes = (input_shape or (architecture.input_channels, side, side),)
    conventions, classes = architecture.conventions, architecture.num_classes
    for graph in stage_graphs(architecture.stem, carry, conventions, path="stem"):
        yield Part("stem", graph)
        carry = outputs(graph)
    for index, stage in enumerate(architecture.stages):
        for copy, graph in enumerate(stage_graphs(stage, carry, conventions, path=f"stages[{index}]")):
            yield Part(f"stages.{index}.blocks.{copy}", graph)
            carry = outputs(graph)
        for number, auxiliary in enumerate(architecture.auxiliary):
            if auxiliary.after == index:
                path = f"auxiliary[{number}].head"
                for graph in stage_graphs(auxiliary.head, carry, conventions, classes, path=path):
                    yield Part(f"auxiliary.{number}", graph, auxiliary=True)
    for graph in stage_graphs(architecture.head, carry, conventions, classes, path="head"):
        yield Part("head", graph)


def stage_graphs(
    stage: Stage, carry: Shapes, conventions: Conventions, num_classes: int = 0, *, path: str = ""
) -> Iterator[Graph]:
    """Yields the graph of each copy of a stage's block: the first with the stride, the others without.

    Raises:
        ArchitectureError: a copy cannot take what enters it.
    """
    for copy in range(stage.repeats):
        stride = stage.stride if copy == 0 else 1
        try:
            graph = block_graph(
                (stage.block, stage.options, stage.channels, stride), carry, conventions, num_classes
            )
        except ShapeError as error:
            raise ArchitectureError(path, f"(copy {copy}, given {carry}): {error}") from None
        yield graph
        carry = outputs(graph)


@lru_cache(maxsize=4096)
def block_graph(setting: Setting, inputs: Shapes, conventions: Conventions, num_classes: int) -> Graph:
    """Returns one copy of a block as operators."""
    block, options, channels, stride = setting
    builder = Builder(inputs, conventions, num_classes)
    return builder.graph(BLOCKS[block].lower(builder, builder.carry(), channels, stride, options))


def outputs(graph: Graph) -> Shapes:
    """Returns the shapes that leave a graph."""
    return tuple([graph.shape(value) for value in graph.outputs])
