"""How pictures and tables name operators and blocks, and of which kind (so: which colour) each is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from search_space import operators as op
from search_space.architecture import Stage

Kind = Literal["image", "conv", "depthwise", "linear", "pool", "merge", "route", "plain"]

ACTIVATIONS: dict[str, str] = {
    "relu": "ReLU",
    "relu6": "ReLU6",
    "silu": "SiLU",
    "hard_swish": "h-swish",
    "sigmoid": "sigmoid",
    "hard_sigmoid": "h-sigmoid",
    "elu": "ELU",
    "gelu": "GELU",
}


def _window(kernel: int, stride: int) -> str:
    return f"{kernel}×{kernel}" + (f" /{stride}" if stride > 1 else "")


def _conv(node: op.Conv2d, channels: int) -> str:
    window = _window(node.kernel, node.stride)
    if is_depthwise(node, channels):
        return f"depthwise {window}"
    return f"conv {window}" + (f", {node.groups} groups" if node.groups > 1 else "")


def _mean(node: op.AdaptiveAveragePool, channels: int) -> str:
    return "global mean" if node.size == 1 else f"mean to {node.size}×{node.size}"


# Each operator's kind, and its words given the channels that enter it.
_OPERATORS: dict[type[op.Operator], tuple[Kind, Callable[[Any, int], str]]] = {
    op.Conv2d: ("conv", _conv),
    op.LearnedGroupConv: ("conv", lambda node, _: f"learned conv 1×1, {node.groups} groups"),
    op.Linear: ("linear", lambda node, _: "linear"),
    op.BatchNorm: ("plain", lambda node, _: "norm"),
    op.LocalResponseNorm: ("plain", lambda node, _: "response norm"),
    op.Activation: ("plain", lambda node, _: ACTIVATIONS[node.kind]),
    op.MaxPool: ("pool", lambda node, _: f"max pool {_window(node.kernel, node.stride)}"),
    op.AveragePool: ("pool", lambda node, _: f"mean pool {_window(node.kernel, node.stride)}"),
    op.AdaptiveAveragePool: ("pool", _mean),
    op.Flatten: ("plain", lambda node, _: "flatten"),
    op.Dropout: ("plain", lambda node, _: "dropout"),
    op.DropPath: ("plain", lambda node, _: "drop path"),
    op.Add: ("merge", lambda node, _: "add"),
    op.Multiply: ("merge", lambda node, _: "gate"),
    op.Concat: ("route", lambda node, _: "concat"),
    op.Slice: ("route", lambda node, _: f"channels {node.start}–{node.stop - 1}"),
    op.ChannelShuffle: ("route", lambda node, _: f"shuffle, {node.groups} groups"),
    op.Gather: ("route", lambda node, _: "index"),
    op.PadChannels: ("route", lambda node, _: "pad channels"),
    op.Shift: ("route", lambda node, _: "shift"),
}

_BLOCK_KINDS: dict[str, Kind] = {
    "classifier": "linear",
    "auxiliary_classifier": "linear",
    "pool": "pool",
    "reduction_cell": "pool",
    "residual": "merge",
    "dual_path": "merge",
    "condense": "route",
    "inception": "route",
    "normal_cell": "route",
    "mbconv": "depthwise",
    "separable": "depthwise",
    "shuffle": "depthwise",
    "shuffle_v2": "depthwise",
}


def is_depthwise(operator: op.Operator, channels: int) -> bool:
    """Returns whether an operator is a convolution with one filter for each of the entering channels."""
    return isinstance(operator, op.Conv2d) and operator.groups == channels == operator.out_channels > 1


def operator_words(operator: op.Operator, channels: int) -> str:
    """Returns an operator in two or three words, given the channels that enter it.

    >>> operator_words(op.Conv2d(96, 11, 4), 3), operator_words(op.MaxPool(3, 2), 96)
    ('conv 11×11 /4', 'max pool 3×3 /2')
    """
    return _OPERATORS[type(operator)][1](operator, channels)


def operator_kind(operator: op.Operator, channels: int) -> Kind:
    """Returns what sort of operator it is."""
    return "depthwise" if is_depthwise(operator, channels) else _OPERATORS[type(operator)][0]


def block_kind(block: str) -> Kind:
    """Returns what sort of block it is; most are convolutions."""
    return _BLOCK_KINDS.get(block, "conv")


def stage_words(stage: Stage, repeats: int | None = None) -> str:
    """Returns a stage's block and its repeats: `mbconv ×3`."""
    count = stage.repeats if repeats is None else repeats
    return stage.block.replace("_", " ") + (f" ×{count}" if count > 1 else "")


def stage_details(stage: Stage) -> str:
    """Returns what a stage's options say that changes its shape: kernel, stride, expansion, groups, gates."""
    options: Any = stage.options
    words = []
    if hasattr(options, "kernel"):
        words.append(f"{options.kernel}×{options.kernel}")
    if stage.block == "pool":
        words.append(options.kind)
    if stage.block == "inception":
        three, five = f"{options.reduce3x3}→{options.conv3x3}", f"{options.reduce5x5}→{options.conv5x5}"
        words.append(f"{options.pointwise} | {three} | {five} | {options.projection}")
    if stage.block == "residual":
        words.append("bottleneck" if options.inner else "basic")
        words += ["pre-activation"] if options.preactivation else []
    if hasattr(options, "expansion"):
        words.append(f"expansion {options.expansion:g}")
    if getattr(options, "groups", 1) > 1:
        words.append(f"{options.groups} groups")
    if getattr(options, "hidden", ()):
        widths = options.hidden if isinstance(options.hidden, tuple) else (options.hidden,)
        words.append(f"hidden {' and '.join(map(str, widths))}")
    if getattr(options, "squeeze", None) is not None:
        words.append("squeeze-excitation")
    if stage.stride > 1:
        words.append(f"stride {stage.stride}")
    return ", ".join(words)


def shape_words(shape: op.Shape) -> str:
    """Returns a shape as people write it: `64×112×112`."""
    return "×".join(map(str, shape))


def count_words(count: float) -> str:
    """Returns a count with three digits and its unit.

    >>> count_words(385_814_752), count_words(4_089_184_256), count_words(950)
    ('386 M', '4.09 G', '950')
    """
    for unit, size in (("G", 1e9), ("M", 1e6), ("K", 1e3)):
        if count >= 0.9995 * size:
            scaled = count / size
            digits = 0 if scaled >= 99.95 else 1 if scaled >= 9.995 else 2
            return f"{scaled:.{digits}f} {unit}"
    return f"{count:.0f}"
