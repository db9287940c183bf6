"""MobileNetV3 Large and Small, minimalistic ones, torchvision's widths (Howard et al. 2019, Tables 1, 2).

Squeeze-excitation reduces to a quarter of the expanded channels, to a multiple of 8. The layer after pooling
(1280 or 1024) does not follow the width in the authors' release; in torchvision it does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

from search_space.architecture import Architecture, Stage, joined
from search_space.blocks import ClassifierOptions, MBConvOptions, SqueezeExcitation, StemOptions, rounded
from search_space.graph import Conventions
from search_space.scale import scale

SQUEEZE = SqueezeExcitation(0.25, base="expanded", divisor=8, gate="hard_sigmoid")

# (kernel, expanded channels, channels, squeeze-excitation, hard-swish, stride, repeats)
LARGE = (
    (3, 16, 16, False, False, 1, 1),
    (3, 64, 24, False, False, 2, 1),
    (3, 72, 24, False, False, 1, 1),
    (5, 72, 40, True, False, 2, 1),
    (5, 120, 40, True, False, 1, 2),
    (3, 240, 80, False, True, 2, 1),
    (3, 200, 80, False, True, 1, 1),
    (3, 184, 80, False, True, 1, 2),
    (3, 480, 112, True, True, 1, 1),
    (3, 672, 112, True, True, 1, 1),
    (5, 672, 160, True, True, 2, 1),
    (5, 960, 160, True, True, 1, 2),
)
SMALL = (
    (3, 16, 16, True, False, 2, 1),
    (3, 72, 24, False, False, 2, 1),
    (3, 88, 24, False, False, 1, 1),
    (5, 96, 40, True, True, 2, 1),
    (5, 240, 40, True, True, 1, 2),
    (5, 120, 48, True, True, 1, 1),
    (5, 144, 48, True, True, 1, 1),
    (5, 288, 96, True, True, 2, 1),
    (5, 576, 96, True, True, 1, 2),
)
Rows = tuple[tuple[int, int, int, bool, bool, int, int], ...]


def mobilenet_v3(rows: Rows, head: int, hidden: int, *, minimal: bool = False) -> Architecture:
    """Returns MobileNetV3; `minimal`: 3x3 kernels, relu and no squeeze-excitation (the authors' release)."""
    stages = []
    entering = 16
    for kernel, expanded, channels, squeezed, hard, stride, repeats in rows:
        options = MBConvOptions(
            expansion=round(expanded / entering, 4),
            kernel=3 if minimal else kernel,
            activation="hard_swish" if hard and not minimal else "relu",
            squeeze=SQUEEZE if squeezed and not minimal else None,
            expansion_divisor=8,
        )
        stages.append(Stage("mbconv", repeats, channels, stride, options))
        entering = channels
    last: ClassifierOptions = ClassifierOptions("relu" if minimal else "hard_swish", hidden=(hidden,))
    stem = Stage("stem", 1, 16, 2, StemOptions(activation=last.activation))
    head_stage = Stage("classifier", 1, head, options=last)
    return Architecture(224, stem, joined(stages), head_stage, conventions=Conventions(norm_eps=1e-3))


def large_of_torchvision(width: float) -> Architecture:
    """Returns Large as torchvision scales it: each expanded width by itself, and the hidden layer too."""
    narrow = tuple(
        (kernel, rounded(expanded * width, 8), rounded(channels * width, 8), squeezed, hard, stride, repeats)
        for kernel, expanded, channels, squeezed, hard, stride, repeats in LARGE
    )
    network = mobilenet_v3(narrow, rounded(960 * width, 8), rounded(1280 * width, 8))
    return replace(network, stem=replace(network.stem, channels=rounded(16 * width, 8)))


large = partial(mobilenet_v3, LARGE, 960, 1280)
small = partial(mobilenet_v3, SMALL, 576, 1024)


def networks() -> Iterator[tuple[str, Callable[[], Architecture]]]:
    """Yields names and what makes their networks."""
    for name, made in (("large", large), ("small", small)):
        yield f"mobilenet_v3_{name}_1_0", made
        yield f"mobilenet_v3_{name}_0_75", partial(_at_width, made, 0.75)
        yield f"mobilenet_v3_{name}_minimal", partial(made, minimal=True)
        yield f"mobilenet_v3_{name}_torchvision", made
    yield "mobilenet_v3_large_0_75_torchvision_headscaled", partial(large_of_torchvision, 0.75)


def _at_width(made: Callable[[], Architecture], width: float) -> Architecture:
    return scale(made(), width=width)
