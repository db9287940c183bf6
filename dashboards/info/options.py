"""The options of a stage in the field's words; what is usual for its block is left unsaid.

Two stages of one block have the same words only where their options are the same: comparisons rely on it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from search_space import Stage
from search_space.blocks import SqueezeExcitation
from search_space.drawing.wording import ACTIVATIONS

Words = Callable[[Any], str]


def stage_options(stage: Stage) -> tuple[str, ...]:
    """Returns the options of a stage, each in a few words.

    >>> from search_space import reference
    >>> stage_options(reference("mnasnet_a1_1_0").stages[2])
    ('expansion 3', 'kernel 5×5', 'ReLU', 'SE 0.25', 'identity skip')
    """
    names = [field.name for field in dataclasses.fields(stage.options)]
    said = (_option(stage.block, name, getattr(stage.options, name)) for name in names)
    return tuple(filter(None, said))


def _option(block: str, name: str, value: Any) -> str:
    say = BLOCK_OPTIONS.get((block, name)) or OPTIONS.get(name)
    return say(value) if say else f"{name.replace('_', ' ')} {value}"


def _activation(kind: str) -> str:
    return ACTIVATIONS.get(kind, "no activation")


def _flag(yes: str, no: str = "") -> Words:
    return lambda value: yes if value else no


def _one_of(words: Mapping[Any, str]) -> Words:
    return lambda value: words.get(value, "")


def _number(text: str, usual: float | None = None) -> Words:
    """Returns what puts a number into a text; nothing is said of a usual one."""
    return lambda value: "" if value == usual else text.format(value)


def _padding(pixels: int | None) -> str:
    return "" if pixels is None else f"padding {pixels}" if pixels else "no padding"


def _widths(text: str) -> Words:
    def words(value: int | tuple[int, ...]) -> str:
        widths = value if isinstance(value, tuple) else (value,)
        return text.format(" and ".join(map(str, widths))) if widths else ""

    return words


def _squeeze(found: SqueezeExcitation | None) -> str:
    if found is None:
        return ""
    bases = {"expanded": "of the expanded channels", "output": "of the output channels"}
    details = [
        bases.get(found.base, ""),
        f"multiples of {found.divisor}" if found.divisor > 1 else "",
        "" if found.activation == "relu" else _activation(found.activation),
        "" if found.gate == "sigmoid" else f"gated by {_activation(found.gate)}",
    ]
    said = ", ".join(filter(None, details))
    return f"SE {found.ratio:g}" + (f" ({said})" if said else "")


_SCALED = {"fixed": "fixed width", "at_least": "width never below"}  # "scaled" is usual
OPTIONS: dict[str, Words] = {
    "activation": _activation,
    "adaptive": _flag("pooled to 4×4"),
    "before": _widths("after convolutions of {} channels"),
    "bias": _flag("bias"),
    "bottleneck": _number("bottleneck of {}× the growth"),
    "ceil": _flag("ceil mode"),
    "channels_width": _one_of(_SCALED),
    "condensation": _number("condensation {}"),
    "condensed": _flag("half of the features"),
    "conv3x3": _number("3×3 {}"),
    "conv5x5": _number("5×5 {}"),
    "counts_padding": _flag("average pools count padding"),
    "dropout": _flag("dropout"),
    "entry": _one_of({"activation": "activated first", "norm": "normalised and activated first"}),
    "expansion": _number("expansion {:g}"),
    "expansion_divisor": _number("expanded to multiples of {}", 1),
    "first_grouped": _flag("", "first 1×1 not grouped"),
    "first_share": _number("first 1×1 {:g} of the bottleneck", 1.0),
    "groups": _number("{} groups", 1),
    "hidden": _widths("hidden layers of {}"),
    "hidden_width": _one_of({"scaled": "hidden width scaled"}),
    "increment": _number("dense increment {}"),
    "inner": _number("bottleneck {:g}", 0.0),
    "joins_carry": _flag("joins all paths"),
    "keep_features": _flag("last features not widened"),
    "kernel": _number("kernel {0}×{0}"),
    "kernel5x5": _number("{0}×{0} in place of 5×5", 5),
    "kind": _one_of({"max": "max pool", "average": "average pool"}),
    "learned": _flag("learned groups"),
    "local_response_norm": _flag("local response norm"),
    "norm": _flag("batch norm", "no norm"),
    "output_activation": _flag("", "linear output"),
    "padding": _padding,
    "passes_previous": _flag("passes on the earlier input"),
    "pointwise": _number("1×1 {}"),
    "pool": _one_of({"padded": "3×3 max pool, padded", "ceil": "3×3 max pool, ceil mode"}),
    "pooled_size": _number("pooled to {0}×{0}", 1),
    "preactivation": _flag("pre-activation"),
    "projection": _number("pool projection {}"),
    "reduce3x3": _number("3×3 reduce {}"),
    "reduce5x5": _number("5×5 reduce {}"),
    "residual": _flag("residual"),
    "shortcut": _one_of(
        {
            "half": "shortcut of half the output",
            "padding": "zero-padded shortcut",
            "pooled_padding": "pooled, zero-padded shortcut",
            "projection3x3": "3×3 projection shortcut",
        }
    ),
    "skip": _one_of({"identity": "identity skip", "pool": "pooling skip", "none": "no skip"}),
    "squeeze": _squeeze,
    "strided": _one_of({"1x1": "stride in the 1×1"}),
}
BLOCK_OPTIONS: dict[tuple[str, str], Words] = {  # where a name means something else
    ("classifier", "bias"): _flag("", "no bias"),
    ("classifier", "dropout"): _one_of(
        {"after_hidden": "dropout after hidden layers", "before_hidden": "dropout before hidden layers"}
    ),
    ("dual_path", "inner"): _number("inner width {}"),
    ("residual", "inner"): lambda share: f"bottleneck {share:g}" if share else "basic",
}
