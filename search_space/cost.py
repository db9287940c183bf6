"""What a network costs, by arithmetic: MACs, parameters, activations and peak memory, in total and per layer.

MACs (the papers' "FLOPs") are the multiply-adds of convolutions and linear layers for one image. `params` are
trainable values. `activations` are the elements of all convolutions' outputs (Radosavovic et al. 2020,
section 3). `peak_memory_bytes` is the largest sum of live maps in float32, for one image at inference,
operator after operator in the graph's order; normalisation, activation, gates and additions overwrite their
input when nothing else needs it. Weights (4 bytes a parameter) are not in it: it is what MCUNet calls SRAM.

All four separate by stage, given the shapes that enter it: the first three add, the peak is a maximum.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from search_space.architecture import Architecture, Stage
from search_space.graph import Conventions, Graph, Node
from search_space.lowering import Setting, Shapes, block_graph, lower, outputs
from search_space.operators import Conv2d, LearnedGroupConv, Shape, ShapeError
from search_space.schema import ArchitectureError

BYTES_PER_VALUE = 4  # float32
CONVOLUTIONS = (Conv2d, LearnedGroupConv)
DEFAULT_CONVENTIONS = Conventions()


@dataclass(frozen=True, slots=True)
class Cost:
    """The costs of a network or of a part of it; `+` puts parts one after another."""

    macs: int = 0
    params: int = 0
    activations: int = 0  # elements of convolutions' outputs
    peak_memory_bytes: int = 0  # live maps in float32, one image; weights not included

    def __add__(self, other: Cost) -> Cost:
        peak = max(self.peak_memory_bytes, other.peak_memory_bytes)
        activations = self.activations + other.activations
        return Cost(self.macs + other.macs, self.params + other.params, activations, peak)

    def times(self, repeats: int) -> Cost:
        """Returns the cost of `repeats` equal parts one after another."""
        return Cost(
            self.macs * repeats, self.params * repeats, self.activations * repeats, self.peak_memory_bytes
        )


@dataclass(frozen=True, slots=True)
class Layer:
    """One operator of a network with its own costs; over all layers, the first three sum to the network's."""

    name: str
    operator: str
    output: Shape
    macs: int
    params: int
    activations: int
    output_bytes: int  # float32, one image
    stored_in: (
        str  # the layer in whose memory the output lies: this one, or the one whose output it overwrites
    )

    @property
    def memory_bytes(self) -> int:
        """What the layer adds to the memory of all maps: nothing where it overwrites another's output."""
        return self.output_bytes if self.stored_in == self.name else 0


@dataclass(frozen=True, slots=True)
class Memory:
    """What one image takes while a network is trained on it, in float32."""

    image_bytes: int
    maps_bytes: int  # all layers' outputs, kept for the backward pass
    weights_bytes: int  # once for all images

    @property
    def forward_bytes(self) -> int:
        """The image and every map."""
        return self.image_bytes + self.maps_bytes

    @property
    def forward_backward_bytes(self) -> int:
        """Twice as much: each map has a gradient of its own size."""
        return 2 * self.forward_bytes


def cost(architecture: Architecture, input_shape: Shape | None = None) -> Cost:
    """Returns a network's costs for one image, without building it.

    Args:
        architecture: what to count; auxiliary classifiers are counted with it.
        input_shape: (channels, height, width) in pixels; the architecture's own square input when left out.

    Raises:
        ArchitectureError: a block cannot take what enters it; the message has the path to its stage.

    Example:
        >>> from search_space.zoo import reference
        >>> cost(reference("efficientnet_b0")).macs
        385814752
    """
    side = architecture.resolution
    carry: Shapes = (input_shape or (architecture.input_channels, side, side),)
    conventions, classes = architecture.conventions, architecture.num_classes
    total, carry = _stage_cost("stem", architecture.stem, carry, conventions)
    held = 0  # bytes of auxiliary scores, which wait for the end
    for index, stage in enumerate(architecture.stages):
        part, carry = _stage_cost(f"stages[{index}]", stage, carry, conventions)
        total += _holding(part, held)
        for number, auxiliary in enumerate(architecture.auxiliary):
            if auxiliary.after == index:
                path = f"auxiliary[{number}].head"
                part, scores = _stage_cost(path, auxiliary.head, carry, conventions, classes)
                total += _holding(part, held + BYTES_PER_VALUE * sum(map(math.prod, carry)))
                held += BYTES_PER_VALUE * sum(map(math.prod, scores))
    part, _ = _stage_cost("head", architecture.head, carry, conventions, classes)
    return total + _holding(part, held)


def stage_cost(
    stage: Stage, carry: Shapes, conventions: Conventions = DEFAULT_CONVENTIONS, num_classes: int = 0
) -> tuple[Cost, Shapes]:
    """Returns a stage's costs and the shapes that leave it, given the shapes that enter it.

    The cost of a network is the sum of its stages' (stem and head included): the peak is a maximum, the rest
    add.

    Args:
        stage: what to count.
        carry: the shapes that enter, the current map first; for a stem, the image's.
        conventions: the network's padding; only `same` changes a size, for even kernels.
        num_classes: scores to give, for a head.

    Raises:
        ArchitectureError: the block cannot take what enters it.
    """
    return _stage_cost("", stage, carry, conventions, num_classes)


def layers(architecture: Architecture, input_shape: Shape | None = None) -> Iterator[Layer]:
    """Yields every operator of a network in order, with its output's shape and its own costs.

    Normalisation, activation, dropout, gates and additions overwrite their first input where nothing else needs
    it, as for `peak_memory_bytes`.
    """
    graph = lower(architecture, input_shape)
    owners = _owners(graph)
    first = len(graph.inputs)
    for step, node in enumerate(graph.nodes, first):
        inputs = graph.input_shapes(node)
        yield Layer(
            name=node.name,
            operator=type(node.operator).__name__,
            output=node.shape,
            macs=node.operator.macs(*inputs),
            params=node.operator.params(*inputs),
            activations=_activations(node),
            output_bytes=BYTES_PER_VALUE * math.prod(node.shape),
            stored_in=graph.nodes[owners[step] - first].name,
        )


def memory(architecture: Architecture, input_shape: Shape | None = None) -> Memory:
    """Returns what one image takes in training, by the convention of lectures on these networks.

    Every layer's output is kept for the backward pass, but for those that overwrite their input (see `layers`),
    and the backward pass doubles it. A framework that keeps a normalisation's input needs more, one that
    computes maps again needs less. The weights' gradients and the optimiser's state, once for all images, come
    on top.

    Source: Stanford CS231n, course notes on convolutional networks, "VGGNet in detail" ("only forward! ~*2 for
    bwd"), which like this counts the image, and no activation function of its own.

    Example:
        >>> from search_space.zoo import reference
        >>> round(memory(reference("vgg16")).forward_bytes / 2**20, 1)
        58.2
    """
    side = architecture.resolution
    image = input_shape or (architecture.input_channels, side, side)
    rows = list(layers(architecture, image))
    weights = sum([row.params for row in rows])
    maps_bytes = sum([row.memory_bytes for row in rows])
    return Memory(BYTES_PER_VALUE * math.prod(image), maps_bytes, BYTES_PER_VALUE * weights)


def graph_cost(graph: Graph) -> Cost:
    """Returns the costs of a graph, its inputs live at its start and its outputs at its end."""
    shapes = [*graph.inputs, *[node.shape for node in graph.nodes]]
    macs = params = activations = 0
    for node in graph.nodes:
        inputs = [shapes[value] for value in node.inputs]
        macs += node.operator.macs(*inputs)
        params += node.operator.params(*inputs)
        activations += _activations(node)
    peak = _peak_elements(graph, [math.prod(shape) for shape in shapes])
    return Cost(macs, params, activations, BYTES_PER_VALUE * peak)


def _stage_cost(
    path: str, stage: Stage, carry: Shapes, conventions: Conventions, num_classes: int = 0
) -> tuple[Cost, Shapes]:
    total = Cost()
    copy = 0
    while copy < stage.repeats:
        setting = (stage.block, stage.options, stage.channels, stage.stride if copy == 0 else 1)
        try:
            part, leaving = _block_cost(setting, carry, conventions, num_classes)
        except ShapeError as error:
            raise ArchitectureError(path, f"(copy {copy}, given {carry}): {error}") from None
        alike = stage.repeats - copy if leaving == carry and (copy or stage.stride == 1) else 1
        total += part.times(alike)
        carry = leaving
        copy += alike
    return total, carry


@lru_cache(maxsize=65_536)
def _block_cost(
    setting: Setting, carry: Shapes, conventions: Conventions, num_classes: int
) -> tuple[Cost, Shapes]:
    graph = block_graph(setting, carry, conventions, num_classes)
    return graph_cost(graph), outputs(graph)


def _activations(node: Node) -> int:
    return math.prod(node.shape) if isinstance(node.operator, CONVOLUTIONS) else 0


def _peak_elements(graph: Graph, sizes: list[int]) -> int:
    """Returns the most elements that are live at once while the graph is computed."""
    first = len(graph.inputs)
    last_use = _last_uses(graph)
    live = peak = sum([sizes[value] for value in range(first) if value in last_use])
    for step, node in enumerate(graph.nodes, first):
        size = sizes[step]
        reused = _overwrites(step, node, last_use) and sizes[node.inputs[0]] == size
        peak = max(peak, live if reused else live + size)
        live += size - sum([sizes[value] for value in {*node.inputs} if last_use[value] == step])
    return peak


def _last_uses(graph: Graph) -> dict[int, int]:
    """Returns the last step that needs each value; the graph's outputs are needed after its end."""
    first, end = len(graph.inputs), len(graph.inputs) + len(graph.nodes)
    last_use = dict.fromkeys(graph.outputs, end)
    for step in range(end - 1, first - 1, -1):
        for value in graph.nodes[step - first].inputs:
            last_use.setdefault(value, step)
    return last_use


def _overwrites(step: int, node: Node, last_use: dict[int, int]) -> bool:
    """Returns whether a node may write over its first input, which nothing needs afterwards."""
    return node.operator.in_place and last_use[node.inputs[0]] == step


def _owners(graph: Graph) -> list[int]:
    """Returns, for every value, the value in whose memory it lies: its own, or the one it overwrites."""
    first, last_use = len(graph.inputs), _last_uses(graph)
    owners = list(range(first))
    for step, node in enumerate(graph.nodes, first):
        source = node.inputs[0]
        size = math.prod(graph.shape(source))
        reused = source >= first and size == math.prod(node.shape) and _overwrites(step, node, last_use)
        owners.append(owners[source] if reused else step)
    return owners


def _holding(part: Cost, held_bytes: int) -> Cost:
    """Returns the cost of a part during which `held_bytes` more are live."""
    return Cost(part.macs, part.params, part.activations, part.peak_memory_bytes + held_bytes)
