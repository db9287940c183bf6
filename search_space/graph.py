"""Operators wired together: the values `Node` and `Graph`, and the `Builder` with which blocks write them.

A graph has several inputs and outputs, so that one block is a graph, and a network is its blocks' graphs one
after another. What passes between blocks is the carry: `carry[0]` is the current map; a block may carry more
(the previous cell's output in NASNet, the dense path in DPN).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal, NamedTuple

from search_space.operators import Activation, ActivationKind, BatchNorm, Conv2d, Operator, Padding, Shape
from search_space.schema import Range, check


class Tensor(NamedTuple):
    """What a builder hands out: the number of the value (inputs first, then nodes) and its shape."""

    value: int
    shape: Shape


Carry = tuple[Tensor, ...]


class Node(NamedTuple):
    """One use of an operator; `inputs` are value numbers: first the graph's inputs, then the nodes."""

    name: str
    operator: Operator
    inputs: tuple[int, ...]
    shape: Shape


@dataclass(frozen=True, slots=True)
class Graph:
    """Operators in the order of their computation, each with the shape of its output."""

    inputs: tuple[Shape, ...]
    nodes: tuple[Node, ...]
    outputs: tuple[int, ...]

    def shape(self, index: int) -> Shape:
        """Returns the shape of value number `index`."""
        first = len(self.inputs)
        return self.inputs[index] if index < first else self.nodes[index - first].shape

    def input_shapes(self, node: Node) -> tuple[Shape, ...]:
        """Returns the shapes of a node's inputs."""
        return tuple(self.shape(index) for index in node.inputs)


@dataclass(frozen=True, slots=True)
class Conventions:
    """What holds in the whole network: how windows are padded, and the epsilon of batch normalisation.

    `symmetric` pads (kernel - 1) // 2 on both sides; `same` is TensorFlow's, with the odd pixel at the end.
    They give the same sizes, parameters and MACs for odd kernels, but see different pixels at stride 2.
    """

    padding: Literal["symmetric", "same"] = "symmetric"
    norm_eps: Annotated[float, Range(1e-12, 1.0)] = 1e-5

    def __post_init__(self) -> None:
        check(self)


@dataclass(slots=True)
class Builder:
    """Writes one block's graph. Names are identifiers, unique within the block; modules get them."""

    inputs: tuple[Shape, ...]
    conventions: Conventions = Conventions()
    num_classes: int = 0  # what a head must give
    nodes: list[Node] = field(default_factory=list)

    def carry(self) -> Carry:
        """Returns the inputs as tensors."""
        return tuple(Tensor(index, shape) for index, shape in enumerate(self.inputs))

    def graph(self, outputs: Carry) -> Graph:
        """Returns what was written, as a value."""
        return Graph(self.inputs, tuple(self.nodes), tuple(tensor.value for tensor in outputs))

    def add(self, name: str, operator: Operator, *inputs: Tensor) -> Tensor:
        """Adds one operator; returns its output."""
        shape = operator.shape(*[tensor.shape for tensor in inputs])
        self.nodes.append(Node(name, operator, tuple([tensor.value for tensor in inputs]), shape))
        return Tensor(len(self.inputs) + len(self.nodes) - 1, shape)

    def padding(self, kernel: int) -> Padding:
        """Returns the network's own padding for a window of `kernel` pixels."""
        return "same" if self.conventions.padding == "same" else (kernel - 1) // 2

    def norm(self, x: Tensor, name: str, *, closes_branch: bool = False) -> Tensor:
        """Adds a batch normalisation."""
        return self.add(name, BatchNorm(self.conventions.norm_eps, closes_branch), x)

    def activate(self, x: Tensor, name: str, kind: ActivationKind) -> Tensor:
        """Adds an activation, or nothing for `none`."""
        return x if kind == "none" else self.add(name, Activation(kind), x)

    def conv(
        self, x: Tensor, name: str, channels: int, kernel: int = 1, *, stride: int = 1, groups: int = 1
    ) -> Tensor:
        """Adds a bare convolution without bias, padded by the network's convention."""
        return self.add(name, Conv2d(channels, kernel, stride, self.padding(kernel), groups), x)

    def conv_norm(
        self,
        x: Tensor,
        name: str,
        conv: Conv2d,
        activation: ActivationKind = "none",
        *,
        closes_branch: bool = False,
    ) -> Tensor:
        """Adds convolution, normalisation and activation: `name`, `name`_norm, `name`_activation."""
        y = self.norm(self.add(name, conv, x), f"{name}_norm", closes_branch=closes_branch)
        return self.activate(y, f"{name}_activation", activation)


@dataclass(frozen=True, slots=True)
class Part:
    """A named graph of a chain. An auxiliary one reads the carry and leaves it; its outputs come last."""

    name: str
    graph: Graph
    auxiliary: bool = False


def chained(parts: Sequence[Part]) -> Graph:
    """Returns graphs one after another, each fed by the one before, node names under their part's name."""
    inputs = parts[0].graph.inputs
    carry: tuple[int, ...] = tuple(range(len(inputs)))
    auxiliary: tuple[int, ...] = ()
    nodes: list[Node] = []
    for part in parts:
        offset = len(inputs) + len(nodes)
        values = (*carry, *range(offset, offset + len(part.graph.nodes)))
        for node in part.graph.nodes:
            wired = tuple([values[index] for index in node.inputs])
            nodes.append(Node(f"{part.name}.{node.name}", node.operator, wired, node.shape))
        outputs = tuple([values[index] for index in part.graph.outputs])
        carry, auxiliary = (carry, auxiliary + outputs) if part.auxiliary else (outputs, auxiliary)
    return Graph(inputs, tuple(nodes), carry + auxiliary)
