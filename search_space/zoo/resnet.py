"""ResNet for ImageNet and CIFAR (He et al. 2015), stochastic depth, ResNeXt and SENet.

`resnet50` and its like stride the 3x3 convolution, as torchvision does ("v1.5"); `..._v1_stride1x1` the first
1x1, as the paper. When one of them is widened, the classifier still sees as many features: its last block
stays as wide. Stochastic depth is a training rule: its networks are ResNets, built with `drop_path`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

from search_space.architecture import Architecture, Stage
from search_space.blocks import (
    ClassifierOptions,
    ConvOptions,
    ResidualOptions,
    SqueezeExcitation,
    StemOptions,
)

BOTTLENECK = ResidualOptions(inner=0.25)
BOTTLENECK_V1 = ResidualOptions(inner=0.25, strided="1x1")
SQUEEZE = SqueezeExcitation(1 / 16, base="output")
REPEATS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
HEAD = Stage("classifier", 1, 0, options=ClassifierOptions())
STEM = Stage("stem", 1, 64, 2, StemOptions(7, pool="padded"))
CEIL_STEM = Stage("stem", 1, 64, 2, StemOptions(7, pool="ceil"))  # Caffe's pooling, in the SENet release
DEEP_STEM = Stage("stem", 1, 128, 2, StemOptions(3, before=(64, 64), pool="ceil"))


def resnet(depth: int, options: ResidualOptions = BOTTLENECK, stem: Stage = STEM) -> Architecture:
    """Returns a residual network for 224 pixels, twice as wide from stage to stage."""
    first = 64 if options.inner == 0 else 256
    stages = tuple(
        Stage("residual", repeats, first * 2**index, 1 if index == 0 else 2, options)
        for index, repeats in enumerate(REPEATS[depth])
    )
    return Architecture(224, stem, stages, HEAD)


def widening_resnet(depth: int, options: ResidualOptions = BOTTLENECK) -> Architecture:
    """Returns a ResNet whose classifier sees as many features at every width."""
    network = resnet(depth, options)
    last = replace(network.stages[-1], options=replace(options, keep_features=True))
    return replace(network, stages=(*network.stages[:-1], last))


def cifar(
    blocks: int, first: int, options: ResidualOptions, stem: Stage, num_classes: int = 10
) -> Architecture:
    """Returns a network for 32 pixels: three stages of `blocks` blocks, each twice as wide."""
    stages = tuple(
        Stage("residual", blocks, first * 2**index, 1 + (index > 0), options) for index in range(3)
    )
    return Architecture(32, stem, stages, HEAD, num_classes=num_classes)


def cifar_resnet(depth: int, shortcut: ResidualOptions, num_classes: int = 10) -> Architecture:
    """Returns a CIFAR ResNet of 6n + 2 layers (section 4.2)."""
    return cifar((depth - 2) // 6, 16, shortcut, Stage("stem", 1, 16), num_classes)


def resnets() -> Iterator[tuple[str, Callable[[], Architecture]]]:
    """Yields names and what makes their networks, for ImageNet."""
    for depth in (18, 34):
        yield f"resnet{depth}", partial(widening_resnet, depth, ResidualOptions())
    for depth in (50, 101, 152):
        yield f"resnet{depth}", partial(widening_resnet, depth)
        yield f"resnet{depth}_v1_stride1x1", partial(widening_resnet, depth, BOTTLENECK_V1)


def cifar_resnets() -> Iterator[tuple[str, Callable[[], Architecture]]]:
    """Yields names and what makes their networks, for CIFAR."""
    for depth in (20, 56, 110, 1202):
        yield f"resnet{depth}_cifar10_optA", partial(cifar_resnet, depth, ResidualOptions(shortcut="padding"))
    yield "resnet110_cifar10_proj", partial(cifar_resnet, 110, ResidualOptions())


def stochastic_depth() -> Iterator[tuple[str, Callable[[], Architecture]]]:
    """Yields names and what makes the networks of Huang et al. 2016."""
    padding = ResidualOptions(shortcut="padding")
    yield "stochastic_depth_resnet110", partial(cifar_resnet, 110, padding)
    yield "stochastic_depth_resnet110_cifar100", partial(cifar_resnet, 110, padding, 100)
    yield "stochastic_depth_resnet1202", partial(cifar_resnet, 1202, padding)
    yield "stochastic_depth_resnet110_convbias", _released_stochastic_depth
    yield "stochastic_depth_resnet152_imagenet", partial(widening_resnet, 152)


def resnexts() -> Iterator[tuple[str, Callable[[], Architecture]]]:
    """Yields names and what makes their networks, of Xie et al. 2017: groups x channels a group."""
    for depth, groups, width in ((50, 32, 4), (101, 32, 8), (101, 64, 4), (101, 32, 4)):
        options = ResidualOptions(inner=groups * width / 256, groups=groups)
        yield f"resnext{depth}_{groups}x{width}d", partial(resnet, depth, options)
    for groups in (8, 16):
        options = ResidualOptions(inner=groups * 64 / 256, groups=groups)
        yield f"resnext29_{groups}x64d_cifar10", partial(cifar, 3, 256, options, Stage("stem", 1, 64))


def senets() -> Iterator[tuple[str, Callable[[], Architecture]]]:
    """Yields names and what makes their networks, of Hu et al. 2018."""
    for depth in (50, 101, 152):
        options = replace(BOTTLENECK_V1, squeeze=SQUEEZE)
        yield f"se_resnet{depth}", partial(resnet, depth, options, CEIL_STEM)
    for depth in (50, 101):
        options = ResidualOptions(inner=0.5, groups=32, squeeze=SQUEEZE)
        yield f"se_resnext{depth}_32x4d", partial(resnet, depth, options, CEIL_STEM)
    yield "senet154", senet154
    yield "senet154_320", lambda: senet154().at(resolution=320)
    yield "seresnet50_timm", partial(resnet, 50, replace(BOTTLENECK, squeeze=SQUEEZE))


def senet154() -> Architecture:
    """Returns SENet-154: a 64x4d ResNeXt-152 with a deep stem and 3x3 projections (section 6.1)."""
    options = ResidualOptions(
        inner=1.0, groups=64, shortcut="projection3x3", squeeze=SQUEEZE, first_share=0.5
    )
    return resnet(152, options, DEEP_STEM)


def _released_stochastic_depth() -> Architecture:
    """Returns ResNet-110 as the authors' code has it: biases, and shortcuts that average before they pad."""
    stem = Stage("conv", 1, 16, options=ConvOptions(bias=True))
    return cifar(18, 16, ResidualOptions(shortcut="pooled_padding", bias=True), stem)
