"""VGG-11, -13, -16 and -19, plain and with batch normalisation (Simonyan & Zisserman 2015, Table 1)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from search_space.architecture import Architecture, Stage
from search_space.blocks import ClassifierOptions, ConvOptions, PoolOptions

WIDTHS = (64, 128, 256, 512, 512)
CONVOLUTIONS = {
    11: (1, 1, 2, 2, 2),
    13: (2, 2, 2, 2, 2),
    16: (2, 2, 3, 3, 3),
    19: (2, 2, 4, 4, 4),
}


def vgg(depth: int, *, norm: bool = False) -> Architecture:
    """Returns a VGG; with normalisation its convolutions keep their bias, as torchvision's do."""
    options = ConvOptions(bias=True, norm=norm)
    pool = Stage("pool", 1, 0, 2, PoolOptions(2))
    stages: list[Stage] = []
    for index, (repeats, width) in enumerate(zip(CONVOLUTIONS[depth], WIDTHS, strict=True)):
        beyond_stem = repeats - 1 if index == 0 else repeats
        stages += [Stage("conv", beyond_stem, width, options=options)] if beyond_stem else []
        stages += [pool]
    head = ClassifierOptions(hidden=(4096, 4096), dropout="after_hidden", pooled_size=7)
    stem = Stage("conv", 1, WIDTHS[0], options=options)
    return Architecture(224, stem, tuple(stages), Stage("classifier", 1, 0, options=head))


def networks() -> Iterator[tuple[str, Callable[[], Architecture]]]:
    """Yields names and what makes their networks."""
    for depth in CONVOLUTIONS:
        yield f"vgg{depth}", partial(vgg, depth)
        yield f"vgg{depth}_bn", partial(vgg, depth, norm=True)
