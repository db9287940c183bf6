"""A network in timm's words: the arguments with which its EfficientNet and MobileNetV3 classes build the same.

These classes, and the builder below them, make MobileNetV2, MnasNet, EfficientNet, MobileNetV3 and what a search
finds between them. A stage is a list of words such as `ir_r2_k5_s2_e6_c40_se0.25`. What their grammar cannot say
is refused with the reason; timm rounds inner widths to multiples of 8, for one.

Source: timm 1.0.31, `_efficientnet_builder.py` (the grammar), `efficientnet.py`, `mobilenetv3.py` (the ends).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, NoReturn

import torch

from search_space.architecture import Architecture, Stage
from search_space.blocks import (
    ClassifierOptions,
    ConvOptions,
    FusedMBConvOptions,
    MBConvOptions,
    SeparableOptions,
    SqueezeExcitation,
    StemOptions,
)
from search_space.graph import Graph, Node
from search_space.lowering import parts
from search_space.weight_sources.naming import AsConvolution, Layers, Naming, Place, source_names
from search_space.weight_sources.of_timm import DEPTHWISE, MBCONV, SQUEEZE, STEM

ACTIVATIONS = {"relu": "re", "relu6": "r6", "hard_swish": "hs", "silu": "sw"}  # ours: timm's word in a block
LAYERS = {"relu": "relu", "relu6": "relu6", "hard_swish": "hard_swish", "silu": "silu", "sigmoid": "sigmoid"}
GATES = LAYERS | {"hard_sigmoid": "hard_sigmoid"}
DIVISOR = 8  # of inner widths, in timm's builder
TIMM_STEM_STRIDE = 2  # its builder begins to count here; the file that we write sets another one afterwards
BLOCKS: tuple[Layers, ...] = (
    *MBCONV,
    {"conv": "conv", "conv_norm": "bn1"},
    DEPTHWISE | {"pointwise": "conv_pw", "pointwise_norm": "bn2"} | SQUEEZE,
    {"expand": "conv_exp", "expand_norm": "bn1", "project": "conv_pwl", "project_norm": "bn2"} | SQUEEZE,
)
MAX_STRIDE = 32  # beyond it timm dilates instead


class TimmError(ValueError):
    """timm's builder cannot express the network; the message has the reason."""


@dataclass(frozen=True, slots=True)
class TimmDefinition:
    """What timm is told: the class, its block words by stage, and its other arguments as plain values."""

    kind: str  # EfficientNet or MobileNetV3
    arch_def: tuple[tuple[str, ...], ...]
    arguments: Mapping[str, Any]
    naming: Naming

    def to_dict(self) -> dict[str, Any]:
        """Returns the definition as JSON can hold it."""
        return {"class": self.kind, "arch_def": [list(words) for words in self.arch_def], **self.arguments}


def timm_definition(architecture: Architecture) -> TimmDefinition:
    """Returns how timm builds the same network.

    Raises:
        TimmError: it cannot.

    Example:
        >>> from search_space.zoo import reference
        >>> timm_definition(reference("mobilenet_v2_1_0_224")).arch_def[:2]
        (('ds_r1_k3_s1_c16_nr6',), ('ir_r2_k3_s2_e6_c24_nr6',))
    """
    stem, head = _stem(architecture), _head(architecture)
    insides, squeezes = _insides(architecture), _squeezes(architecture)
    words = [
        _grouped([_word(stage, block) for block in blocks])
        for stage, blocks in zip(architecture.stages, insides, strict=True)
    ]
    last = len(words)
    if not words:
        _refuse("have a stage", "none")
    if len(squeezes) > 1:
        _refuse("have one kind of squeeze-excitation", "several activations or gates of them")
    efficient = bool(head.hidden)
    if efficient and architecture.head.channels:
        words.append((f"cn_r1_k1_s1_c{architecture.head.channels}",))
    arguments = {
        "num_classes": architecture.num_classes,
        "in_chans": architecture.input_channels,
        "stem_size": architecture.stem.channels,
        "stem_stride": architecture.stem.stride,
        "num_features": head.hidden[0] if efficient else architecture.head.channels,
        "act_layer": LAYERS[stem.activation],
        "pad_type": "same" if architecture.conventions.padding == "same" else "",
        "norm_eps": architecture.conventions.norm_eps,
        "squeeze": squeezes.pop() if squeezes else None,
    }
    if not efficient:
        arguments["stem_kernel_size"] = stem.kernel
    naming = _naming(efficient, bool(architecture.head.channels), last)
    return TimmDefinition("MobileNetV3" if efficient else "EfficientNet", tuple(words), arguments, naming)


def timm_tensors(definition: TimmDefinition, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Returns a network's weights by timm's names, in timm's shapes."""
    there = source_names(definition.naming, tensors)
    return {
        there[own].name: tensor.reshape(there[own].shape(tuple(tensor.shape))).contiguous()
        for own, tensor in tensors.items()
    }


def _stem(architecture: Architecture) -> StemOptions:
    options, head = architecture.stem.options, architecture.head.options
    if not isinstance(options, StemOptions) or options.before or not options.norm or options.pool != "none":
        _refuse("begin with one normalised convolution", f"the stem {architecture.stem.block}")
    if options.padding not in (None, (options.kernel - 1) // 2):
        _refuse("pad its stem like all else", str(options.padding))
    if options.activation not in LAYERS:
        _refuse(f"have one of the activations {', '.join(LAYERS)} in its stem", options.activation)
    if isinstance(head, ClassifierOptions) and (architecture.head.channels or head.hidden):
        if head.activation != options.activation:
            _refuse(
                "have the same activation in stem and head", f"{options.activation} and {head.activation}"
            )
        if head.hidden and options.kernel != 3:
            _refuse("have a stem of 3x3 pixels where a hidden layer follows", str(options.kernel))
    return options


def _head(architecture: Architecture) -> ClassifierOptions:
    options = architecture.head.options
    if not isinstance(options, ClassifierOptions):
        _refuse("end in a classifier", architecture.head.block)
    plain = options.entry == "none" and options.bias and options.pooled_size == 1 and not options.condensed
    if not plain or options.joins_carry or len(options.hidden) > 1:
        _refuse("end in a pooled classifier with one hidden layer at most", "another head")
    if architecture.auxiliary:
        _refuse("have one classifier", "auxiliary ones")
    return options


class _Inside(NamedTuple):
    """What a block is like inside: its widths, and whether its skip pools."""

    entering: int
    expanded: int  # `entering`, where nothing expands
    squeezed: int  # 0, where nothing squeezes
    pools: bool


def _insides(architecture: Architecture) -> list[list[_Inside]]:
    """Returns for each stage what its blocks are like."""
    graphs = {part.name: part.graph for part in parts(architecture)}
    reduced = TIMM_STEM_STRIDE * math.prod(stage.stride for stage in architecture.stages)
    if reduced > MAX_STRIDE:
        _refuse(f"make the image {MAX_STRIDE} times smaller at most", str(reduced))
    return [
        [_inside(graphs[f"stages.{index}.blocks.{copy}"]) for copy in range(stage.repeats)]
        for index, stage in enumerate(architecture.stages)
    ]


def _inside(graph: Graph) -> _Inside:
    entering = graph.inputs[0][0]
    named: dict[str, Node] = {node.name: node for node in graph.nodes}
    expanded = named["expand"].shape[0] if "expand" in named and "project" in named else entering
    squeezed = named["squeeze_reduce"].shape[0] if "squeeze_reduce" in named else 0
    return _Inside(entering, expanded, squeezed, "skip_pool" in named)


def _squeezes(architecture: Architecture) -> set[tuple[str, str]]:
    """Returns the (activation, gate) pairs of all squeeze-excitations; timm has one for the whole network."""
    found = set()
    for stage in architecture.stages:
        squeeze: SqueezeExcitation | None = getattr(stage.options, "squeeze", None)
        if squeeze is not None:
            if squeeze.activation not in LAYERS or squeeze.gate not in GATES:
                _refuse(
                    "squeeze with relu, relu6, silu or hard_swish", f"{squeeze.activation}, {squeeze.gate}"
                )
            found.add((LAYERS[squeeze.activation], GATES[squeeze.gate]))
    return found


def _word(stage: Stage, inside: _Inside) -> str:
    """Returns one block in timm's words, which give its stride to the first block of a stage only."""
    if stage.block not in _WORDS:
        _refuse(f"be made of {', '.join(_WORDS)}", f"the block {stage.block}")
    if stage.stride > 2:
        _refuse("have strides of 1 and 2", str(stage.stride))
    options: Any = stage.options
    if inside.pools:
        _refuse("have identity skips or none", "pooled ones")
    if options.activation not in ACTIVATIONS:
        _refuse(f"have one of the activations {', '.join(ACTIVATIONS)} in its blocks", options.activation)
    kind, skip = _WORDS[stage.block](options, inside)
    if kind in ("ir", "er") and inside.expanded % DIVISOR:
        _refuse(f"have inner widths that are multiples of {DIVISOR}", str(inside.expanded))
    words = [kind, "r1", f"k{options.kernel}", f"s{stage.stride}"]
    words += [f"e{_number(inside.expanded / inside.entering)}"] if kind in ("ir", "er") else []
    words += [f"c{stage.channels}"]
    words += [f"se{_number(inside.squeezed / inside.entering)}"] if inside.squeezed else []
    return "_".join([*words, f"n{ACTIVATIONS[options.activation]}", *([skip] if skip else [])])


def _of_mbconv(options: MBConvOptions, inside: _Inside) -> tuple[str, str]:
    return ("ir" if inside.expanded != inside.entering else "ds"), _unless_identity(options)


def _of_fused(options: FusedMBConvOptions, inside: _Inside) -> tuple[str, str]:
    if options.expansion != 1:
        return "er", _unless_identity(options)
    return _of_conv(options, inside)


def _of_conv(options: ConvOptions | FusedMBConvOptions, inside: _Inside) -> tuple[str, str]:
    usual = isinstance(options, FusedMBConvOptions) or (
        options == ConvOptions(options.kernel, options.activation, skip=options.skip)
    )
    if inside.squeezed or not usual:
        _refuse("have convolutions that are normalised and activated, and no more", "others")
    return "cn", "skip" if options.skip == "identity" else ""


def _of_separable(options: SeparableOptions, inside: _Inside) -> tuple[str, str]:
    if options.output_activation and options.skip == "identity":
        _refuse("have no skip around an activated separable convolution", "one")
    return ("dsa", "") if options.output_activation else ("ds", _unless_identity(options))


def _unless_identity(options: Any) -> str:
    return "" if options.skip == "identity" else "noskip"


_WORDS: dict[str, Callable[[Any, _Inside], tuple[str, str]]] = {
    "mbconv": _of_mbconv,
    "fused_mbconv": _of_fused,
    "separable": _of_separable,
    "conv": _of_conv,
}


def _grouped(words: Sequence[str]) -> tuple[str, ...]:
    """Returns equal neighbouring blocks as one word with repeats."""
    runs = [(word, len(list(same))) for word, same in itertools.groupby(words)]
    return tuple(word.replace("_r1_", f"_r{times}_", 1) for word, times in runs)


def _naming(efficient: bool, has_conv: bool, num_stages: int) -> Naming:
    if efficient:
        last = f"blocks.{num_stages}.0."
        head: Layers = {"conv": f"{last}conv", "conv_norm": f"{last}bn1"} if has_conv else {}
        head = {**head, "hidden1": AsConvolution("conv_head"), "linear": "classifier"}
    else:
        head = {"conv": "conv_head", "conv_norm": "bn2", "linear": "classifier"}
    return {"stem": STEM, "stages": Place("blocks.{stage}.{block}", BLOCKS), "head": Place("", (head,))}


def _number(value: float) -> str:
    return repr(int(value)) if value == int(value) else repr(value)


def _refuse(rule: str, got: str) -> NoReturn:
    raise TimmError(f"a network in timm's format must {rule}, got {got}; leave timm out, or export onnx")
