"""The primitive operators: output shape, parameters and multiply-adds of each, without torch.

Shapes have no batch: `(channels, height, width)` of a map, `(features,)` of a vector. `macs` counts
convolutions and linear layers only (the papers' "FLOPs"); bias, normalisation, activation, pooling and
elementwise work are not counted. `modules.py` is the torch twin: the same names in the same order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from search_space.schema import Aliases

Shape = tuple[int, ...]
Padding = (
    int | Literal["same"]
)  # pixels on each side, or TensorFlow's SAME: out = ceil(in / stride), odd pixel at the end
ActivationKind = Annotated[
    Literal["relu", "relu6", "silu", "hard_swish", "sigmoid", "hard_sigmoid", "elu", "gelu", "none"],
    Aliases((("swish", "silu"), ("hswish", "hard_swish"), ("hsigmoid", "hard_sigmoid"))),
]


class ShapeError(ValueError):
    """An operator cannot take inputs of these shapes."""


@dataclass(frozen=True, slots=True)
class Operator:
    """One step of a graph. `in_place`: it may overwrite its first input when nothing else needs that."""

    in_place: ClassVar[bool] = False

    def shape(self, *inputs: Shape) -> Shape:
        """Returns the output's shape."""
        return inputs[0]

    def params(self, *inputs: Shape) -> int:
        """Returns the number of trainable values."""
        return 0

    def macs(self, *inputs: Shape) -> int:
        """Returns the number of multiply-adds for one image."""
        return 0


@dataclass(frozen=True, slots=True)
class Conv2d(Operator):
    """A square convolution; depthwise when `groups` equals the channels on both sides."""

    out_channels: int
    kernel: int
    stride: int = 1
    padding: Padding = 0
    groups: int = 1
    bias: bool = False

    def shape(self, *inputs: Shape) -> Shape:
        channels, height, width = inputs[0]
        if channels % self.groups or self.out_channels % self.groups:
            raise ShapeError(
                f"groups must divide the channels on both sides, got {self.groups} groups for {channels} -> "
                f"{self.out_channels}; choose a common divisor"
            )
        rows = _length(height, self.kernel, self.stride, self.padding)
        columns = rows if width == height else _length(width, self.kernel, self.stride, self.padding)
        return (self.out_channels, rows, columns)

    def params(self, *inputs: Shape) -> int:
        weights = self.out_channels * (inputs[0][0] // self.groups) * self.kernel**2
        return weights + (self.out_channels if self.bias else 0)

    def macs(self, *inputs: Shape) -> int:
        channels, rows, columns = self.shape(*inputs)
        return rows * columns * channels * (inputs[0][0] // self.groups) * self.kernel**2


@dataclass(frozen=True, slots=True)
class Linear(Operator):
    """A fully connected layer on a vector."""

    out_features: int
    bias: bool = True

    def shape(self, *inputs: Shape) -> Shape:
        return (self.out_features,)

    def params(self, *inputs: Shape) -> int:
        return inputs[0][0] * self.out_features + (self.out_features if self.bias else 0)

    def macs(self, *inputs: Shape) -> int:
        return inputs[0][0] * self.out_features


@dataclass(frozen=True, slots=True)
class BatchNorm(Operator):
    """Normalisation per channel with scale and shift; `closes_branch`: the last of a residual branch."""

    in_place: ClassVar[bool] = True
    eps: float = 1e-5
    closes_branch: bool = False

    def params(self, *inputs: Shape) -> int:
        return 2 * inputs[0][0]


@dataclass(frozen=True, slots=True)
class LocalResponseNorm(Operator):
    """Normalisation over neighbouring channels (AlexNet, section 3.3)."""

    size: int = 5
    alpha: float = 1e-4
    beta: float = 0.75
    k: float = 2.0


@dataclass(frozen=True, slots=True)
class Activation(Operator):
    """A pointwise non-linearity."""

    in_place: ClassVar[bool] = True
    kind: ActivationKind = "relu"


@dataclass(frozen=True, slots=True)
class MaxPool(Operator):
    """The maximum over windows; `ceil` also keeps the last, partial window."""

    kernel: int
    stride: int
    padding: Padding = 0
    ceil: bool = False

    def shape(self, *inputs: Shape) -> Shape:
        return _pooled(inputs[0], self.kernel, self.stride, self.padding, self.ceil)


@dataclass(frozen=True, slots=True)
class AveragePool(Operator):
    """The mean over windows; `ceil` also keeps the last, partial window; padding may count as zeros."""

    kernel: int
    stride: int
    padding: Padding = 0
    ceil: bool = False
    counts_padding: bool = False

    def shape(self, *inputs: Shape) -> Shape:
        return _pooled(inputs[0], self.kernel, self.stride, self.padding, self.ceil)


@dataclass(frozen=True, slots=True)
class AdaptiveAveragePool(Operator):
    """The mean over `size` x `size` regions, whatever the input's size; 1 is global average pooling."""

    size: int = 1

    def shape(self, *inputs: Shape) -> Shape:
        return (inputs[0][0], self.size, self.size)


@dataclass(frozen=True, slots=True)
class Flatten(Operator):
    """A map as a vector, channel by channel."""

    in_place: ClassVar[bool] = True

    def shape(self, *inputs: Shape) -> Shape:
        channels, height, width = inputs[0]
        return (channels * height * width,)


@dataclass(frozen=True, slots=True)
class Dropout(Operator):
    """Zeroes single values while training; the rate is chosen when the module is built."""

    in_place: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class DropPath(Operator):
    """Zeroes an image's whole residual branch while training; the rate is chosen when the module is built."""

    in_place: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class Add(Operator):
    """The sum of two tensors of one shape."""

    in_place: ClassVar[bool] = True

    def shape(self, *inputs: Shape) -> Shape:
        if inputs[0] != inputs[1]:
            raise ShapeError(
                f"the two sides of an addition must have one shape, got {inputs[0]} and {inputs[1]}"
            )
        return inputs[0]


@dataclass(frozen=True, slots=True)
class Multiply(Operator):
    """A map times a gate per channel `(channels, 1, 1)`, or two tensors of one shape."""

    in_place: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class Concat(Operator):
    """Several maps of one size, one after another along the channels."""

    def shape(self, *inputs: Shape) -> Shape:
        if any(shape[1:] != inputs[0][1:] for shape in inputs):
            raise ShapeError(f"maps to be concatenated must have one size, got {', '.join(map(str, inputs))}")
        return (sum(shape[0] for shape in inputs), *inputs[0][1:])


@dataclass(frozen=True, slots=True)
class Slice(Operator):
    """The channels from `start` up to, not including, `stop`."""

    start: int
    stop: int

    def shape(self, *inputs: Shape) -> Shape:
        return (self.stop - self.start, *inputs[0][1:])


@dataclass(frozen=True, slots=True)
class ChannelShuffle(Operator):
    """Channels dealt round `groups` (ShuffleNet, figure 1): channel g * n + i goes to i * groups + g."""

    groups: int

    def shape(self, *inputs: Shape) -> Shape:
        if inputs[0][0] % self.groups:
            raise ShapeError(f"groups must divide the channels, got {self.groups} for {inputs[0][0]}")
        return inputs[0]


@dataclass(frozen=True, slots=True)
class Gather(Operator):
    """An index layer: picks among the input's channels, repeats allowed (CondenseNet, section 3.2)."""

    channels: int

    def shape(self, *inputs: Shape) -> Shape:
        return (self.channels, *inputs[0][1:])


@dataclass(frozen=True, slots=True)
class LearnedGroupConv(Operator):
    """A dense 1x1 convolution whose filter groups each learn which inputs to keep (CondenseNet, section 3.1).

    Counted dense, as it is computed while training; afterwards `Gather` and a grouped `Conv2d` do its work.
    """

    out_channels: int
    groups: int
    condensation: int  # each group keeps 1/condensation of the inputs in the end

    def shape(self, *inputs: Shape) -> Shape:
        if self.out_channels % self.groups or inputs[0][0] % self.condensation:
            raise ShapeError(
                f"groups must divide the outputs and condensation the inputs, got {self.groups} for "
                f"{self.out_channels} and {self.condensation} for {inputs[0][0]}"
            )
        return (self.out_channels, *inputs[0][1:])

    def params(self, *inputs: Shape) -> int:
        return self.out_channels * inputs[0][0]

    def macs(self, *inputs: Shape) -> int:
        return self.out_channels * inputs[0][0] * inputs[0][1] * inputs[0][2]


@dataclass(frozen=True, slots=True)
class PadChannels(Operator):
    """Zero channels after the last one (the parameter-free shortcut of ResNet's option A)."""

    channels: int  # of the output

    def shape(self, *inputs: Shape) -> Shape:
        return (self.channels, *inputs[0][1:])


@dataclass(frozen=True, slots=True)
class Shift(Operator):
    """The map moved by one pixel to the upper left, zeros entering (NASNet's factorised reduction)."""


def _length(size: int, kernel: int, stride: int, padding: Padding, ceil: bool = False) -> int:
    """Returns how many windows fit along a side of `size` pixels."""
    if padding == "same":
        return -(-size // stride)
    span = size + 2 * padding - kernel + (stride - 1 if ceil else 0)
    if span < 0:
        raise ShapeError(f"a window of {kernel} pixels must fit, got a side of {size}; use a larger input")
    length = span // stride + 1
    begins_inside = (length - 1) * stride < size + padding  # torch drops a last window that begins in padding
    return length if begins_inside or not ceil else length - 1


def _pooled(shape: Shape, kernel: int, stride: int, padding: Padding, ceil: bool) -> Shape:
    channels, height, width = shape
    return (channels, *(_length(size, kernel, stride, padding, ceil) for size in (height, width)))
