"""The ONNX twins of the operators: the same names in the same order as `operators.py`.

Each writes its nodes into a `Sheet` and returns the name of its output. Shapes are known, so TensorFlow's
padding is written as numbers. Operator set 20 is the first with `Gelu`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from search_space import operators
from search_space.operators import Operator, Padding, Shape

OPSET = 20
Array = NDArray[Any]


@dataclass(slots=True)
class Sheet:
    """The nodes and constants written so far; floating-point constants are kept in `dtype`."""

    tensors: Mapping[str, Array]
    dtype: type[np.floating[Any]] = np.float32
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: dict[str, onnx.TensorProto] = field(default_factory=dict)

    def add(self, kind: str, name: str, inputs: Sequence[str], **attributes: Any) -> str:
        """Adds a node whose output has its name; returns that."""
        self.nodes.append(helper.make_node(kind, list(inputs), [name], name=name, **attributes))
        return name

    def constant(self, name: str, values: Array) -> str:
        """Adds a constant; returns its name."""
        kept = values.astype(self.dtype) if np.issubdtype(values.dtype, np.floating) else values
        self.constants[name] = numpy_helper.from_array(np.ascontiguousarray(kept), name)
        return name

    def weight(self, name: str) -> str:
        """Adds one of the network's own tensors; returns its name."""
        return self.constant(name, self.tensors[name])

    def numbers(self, name: str, *values: int) -> str:
        """Adds a constant of whole numbers; returns its name."""
        return self.constant(name, np.array(values, dtype=np.int64))


@dataclass(frozen=True, slots=True)
class Use:
    """One use of an operator: its name, its inputs' names and shapes."""

    name: str
    inputs: tuple[str, ...]
    shapes: tuple[Shape, ...]


def write(sheet: Sheet, operator: Operator, use: Use) -> str:
    """Writes one operator; returns the name of its output."""
    return _WRITERS[type(operator)](sheet, operator, use)


def _conv(sheet: Sheet, op: operators.Conv2d, use: Use) -> str:
    weights = [sheet.weight(f"{use.name}.weight"), *([sheet.weight(f"{use.name}.bias")] if op.bias else [])]
    window = _window(op.kernel, op.stride, op.padding, use.shapes[0])
    return sheet.add("Conv", use.name, [use.inputs[0], *weights], group=op.groups, **window)


def _linear(sheet: Sheet, op: operators.Linear, use: Use) -> str:
    weights = [sheet.weight(f"{use.name}.weight"), *([sheet.weight(f"{use.name}.bias")] if op.bias else [])]
    return sheet.add("Gemm", use.name, [use.inputs[0], *weights], transB=1)


def _batch_norm(sheet: Sheet, op: operators.BatchNorm, use: Use) -> str:
    tensors = ("weight", "bias", "running_mean", "running_var")
    weights = [sheet.weight(f"{use.name}.{tensor}") for tensor in tensors]
    return sheet.add("BatchNormalization", use.name, [use.inputs[0], *weights], epsilon=op.eps)


def _local_response_norm(sheet: Sheet, op: operators.LocalResponseNorm, use: Use) -> str:
    # ONNX divides alpha by the window's size, the paper does not
    given = {"size": op.size, "alpha": op.alpha * op.size, "beta": op.beta, "bias": op.k}
    return sheet.add("LRN", use.name, use.inputs, **given)


def _activation(sheet: Sheet, op: operators.Activation, use: Use) -> str:
    if op.kind == "silu":
        return sheet.add(
            "Mul", use.name, [use.inputs[0], sheet.add("Sigmoid", f"{use.name}.gate", use.inputs)]
        )
    if op.kind == "relu6":
        bounds = [
            sheet.constant(f"{use.name}.{side}", np.array(bound, dtype=np.float32))
            for side, bound in (("low", 0), ("high", 6))
        ]
        return sheet.add("Clip", use.name, [use.inputs[0], *bounds])
    attributes = {"alpha": 1 / 6, "beta": 0.5} if op.kind == "hard_sigmoid" else {}
    return sheet.add(_ACTIVATIONS[op.kind], use.name, use.inputs, **attributes)


def _max_pool(sheet: Sheet, op: operators.MaxPool, use: Use) -> str:
    window = _window(op.kernel, op.stride, op.padding, use.shapes[0])
    return sheet.add("MaxPool", use.name, use.inputs, ceil_mode=int(op.ceil), **window)


def _average_pool(sheet: Sheet, op: operators.AveragePool, use: Use) -> str:
    window = _window(op.kernel, op.stride, op.padding, use.shapes[0])
    counted = {"ceil_mode": int(op.ceil), "count_include_pad": int(op.counts_padding)}
    return sheet.add("AveragePool", use.name, use.inputs, **counted, **window)


def _adaptive_average_pool(sheet: Sheet, op: operators.AdaptiveAveragePool, use: Use) -> str:
    if op.size == 1:
        return sheet.add("GlobalAveragePool", use.name, use.inputs)
    height, width = use.shapes[0][1:]
    rows = sheet.constant(f"{use.name}.rows", _means(height, op.size))
    columns = sheet.constant(f"{use.name}.columns", _means(width, op.size).T)
    across = sheet.add("MatMul", f"{use.name}.across", [use.inputs[0], columns])
    return sheet.add("MatMul", use.name, [rows, across])


def _flatten(sheet: Sheet, op: operators.Flatten, use: Use) -> str:
    return sheet.add("Flatten", use.name, use.inputs, axis=1)


def _identity(sheet: Sheet, op: Operator, use: Use) -> str:
    """What only training does leaves nothing behind."""
    return use.inputs[0]


def _add(sheet: Sheet, op: operators.Add, use: Use) -> str:
    return sheet.add("Add", use.name, use.inputs)


def _multiply(sheet: Sheet, op: operators.Multiply, use: Use) -> str:
    return sheet.add("Mul", use.name, use.inputs)


def _concat(sheet: Sheet, op: operators.Concat, use: Use) -> str:
    return sheet.add("Concat", use.name, use.inputs, axis=1)


def _slice(sheet: Sheet, op: operators.Slice, use: Use) -> str:
    bounds = (("start", op.start), ("stop", op.stop), ("axis", 1))
    given = [sheet.numbers(f"{use.name}.{name}", value) for name, value in bounds]
    return sheet.add("Slice", use.name, [use.inputs[0], *given])


def _channel_shuffle(sheet: Sheet, op: operators.ChannelShuffle, use: Use) -> str:
    channels, height, width = use.shapes[0]
    apart = sheet.numbers(f"{use.name}.apart", 0, op.groups, channels // op.groups, height, width)
    groups = sheet.add("Reshape", f"{use.name}.groups", [use.inputs[0], apart])
    dealt = sheet.add("Transpose", f"{use.name}.dealt", [groups], perm=[0, 2, 1, 3, 4])
    together = sheet.numbers(f"{use.name}.together", 0, channels, height, width)
    return sheet.add("Reshape", use.name, [dealt, together])


def _gather(sheet: Sheet, op: operators.Gather, use: Use) -> str:
    return sheet.add("Gather", use.name, [use.inputs[0], sheet.weight(f"{use.name}.index")], axis=1)


def _learned_group_conv(sheet: Sheet, op: operators.LearnedGroupConv, use: Use) -> str:
    weight, kept = sheet.tensors[f"{use.name}.weight"], sheet.tensors[f"{use.name}.kept"]
    grouped = weight.reshape(op.groups, -1, kept.shape[1]) * kept[:, None]
    constant = sheet.constant(f"{use.name}.weight", grouped.reshape(weight.shape))
    return sheet.add("Conv", use.name, [use.inputs[0], constant])


def _pad_channels(sheet: Sheet, op: operators.PadChannels, use: Use) -> str:
    more = op.channels - use.shapes[0][0]
    return sheet.add(
        "Pad", use.name, [use.inputs[0], sheet.numbers(f"{use.name}.pads", 0, 0, 0, 0, 0, more, 0, 0)]
    )


def _shift(sheet: Sheet, op: operators.Shift, use: Use) -> str:
    pads = sheet.numbers(f"{use.name}.pads", 0, 0, -1, -1, 0, 0, 1, 1)
    return sheet.add("Pad", use.name, [use.inputs[0], pads])


def _window(kernel: int, stride: int, padding: Padding, shape: Shape) -> dict[str, list[int]]:
    """Returns the attributes of a square window on a map of this shape."""
    before, after = [], []
    for size in shape[1:]:
        missing = max((-(-size // stride) - 1) * stride + kernel - size, 0)
        before.append(missing // 2 if padding == "same" else padding)
        after.append(missing - missing // 2 if padding == "same" else padding)
    return {"kernel_shape": [kernel, kernel], "strides": [stride, stride], "pads": [*before, *after]}


def _means(length: int, size: int) -> Array:
    """Returns the matrix [size, length] that takes the means of `size` regions, as torch cuts them."""
    matrix = np.zeros((size, length), dtype=np.float32)
    for region in range(size):
        start, stop = region * length // size, -(-(region + 1) * length // size)
        matrix[region, start:stop] = 1.0 / (stop - start)
    return matrix


_ACTIVATIONS = {
    "relu": "Relu",
    "hard_swish": "HardSwish",
    "sigmoid": "Sigmoid",
    "hard_sigmoid": "HardSigmoid",
    "elu": "Elu",
    "gelu": "Gelu",
}

_WRITERS: dict[type[Operator], Callable[[Sheet, Any, Use], str]] = {
    operators.Conv2d: _conv,
    operators.Linear: _linear,
    operators.BatchNorm: _batch_norm,
    operators.LocalResponseNorm: _local_response_norm,
    operators.Activation: _activation,
    operators.MaxPool: _max_pool,
    operators.AveragePool: _average_pool,
    operators.AdaptiveAveragePool: _adaptive_average_pool,
    operators.Flatten: _flatten,
    operators.Dropout: _identity,
    operators.DropPath: _identity,
    operators.Add: _add,
    operators.Multiply: _multiply,
    operators.Concat: _concat,
    operators.Slice: _slice,
    operators.ChannelShuffle: _channel_shuffle,
    operators.Gather: _gather,
    operators.LearnedGroupConv: _learned_group_conv,
    operators.PadChannels: _pad_channels,
    operators.Shift: _shift,
}
