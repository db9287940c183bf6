"""Pre-activation ResNets (He et al. 2016) and Wide ResNets (Zagoruyko & Komodakis 2016).

`..._stride1x1` puts the stride where the authors' Torch release has it; the others stride the 3x3
convolution.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

from search_space.architecture import Architecture, Stage
from search_space.blocks import ClassifierOptions, ResidualOptions, StemOptions
from search_space.scale import scale
from search_space.zoo.resnet import STEM, cifar, resnet

BASIC = ResidualOptions(preactivation=True)
BOTTLENECK = ResidualOptions(inner=0.25, preactivation=True)
BOTTLENECK_1X1 = replace(BOTTLENECK, strided="1x1")
BARE_STEM = Stage(
    "stem", 1, 16, options=StemOptions(norm=False, channels_width="fixed")
)  # 16 wide in every Wide ResNet
HEAD = Stage("classifier", 1, 0, options=ClassifierOptions(entry="norm"))
WIDE = (*((16, k) for k in (1, 2, 4, 8, 10)), (22, 8), (28, 10), (28, 12), (40, 4), (40, 8))  # (depth, width)
IMAGENET_200 = (3, 24, 36, 3)


def preact_cifar(blocks: int, first: int, options: ResidualOptions, num_classes: int = 10) -> Architecture:
    """Returns a pre-activation network for 32 pixels: three stages of `blocks` blocks."""
    return replace(cifar(blocks, first, options, BARE_STEM, num_classes), head=HEAD)


def preact_200(options: ResidualOptions) -> Architecture:
    """Returns the 200-layer network for ImageNet (section 5)."""
    base = resnet(152, options, STEM)
    stages = tuple(
        replace(stage, repeats=count) for stage, count in zip(base.stages, IMAGENET_200, strict=True)
    )
    return replace(base, stages=stages, head=HEAD)


def wide_resnet(depth: int, width: int, num_classes: int = 10) -> Architecture:
    """Returns WRN-depth-width for 32 pixels: 6n + 4 layers, `width` times as wide as a ResNet (Table 1)."""
    return scale(preact_cifar((depth - 4) // 6, 16, BASIC, num_classes), width=width)


def networks() -> Iterator[tuple[str, Callable[[], Architecture]]]:
    """Yields names and what makes their networks."""
    yield "preresnet110_cifar10", partial(preact_cifar, 18, 16, BASIC)
    for depth, blocks in ((164, 18), (1001, 111)):
        yield f"preresnet{depth}_cifar10", partial(preact_cifar, blocks, 64, BOTTLENECK)
        yield f"preresnet{depth}_cifar100", partial(preact_cifar, blocks, 64, BOTTLENECK, 100)
        yield f"preresnet{depth}_cifar10_stride1x1", partial(preact_cifar, blocks, 64, BOTTLENECK_1X1)
    yield "preresnet200_imagenet", partial(preact_200, BOTTLENECK_1X1)
    yield "preresnet200b_imagenet", partial(preact_200, BOTTLENECK)


def wide_resnets() -> Iterator[tuple[str, Callable[[], Architecture]]]:
    """Yields names and what makes their networks."""
    for depth, width in WIDE:
        yield f"wrn_{depth}_{width}_cifar10", partial(wide_resnet, depth, width)
    yield "wrn_28_10_cifar100", partial(wide_resnet, 28, 10, 100)
    yield "wrn_16_8_cifar100", partial(wide_resnet, 16, 8, 100)
    for depth in (50, 101):
        yield f"wide_resnet{depth}_2", partial(resnet, depth, ResidualOptions(inner=0.5))
