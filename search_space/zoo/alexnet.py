"""AlexNet with two groups and with one tower (Krizhevsky 2012; 2014), and ZFNet (Zeiler & Fergus 2014)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from search_space.architecture import Architecture, Stage
from search_space.blocks import ClassifierOptions, ConvOptions, PoolOptions

HEAD = Stage(
    "classifier", 1, 0, options=ClassifierOptions(hidden=(4096, 4096), dropout="before_hidden", pooled_size=6)
)
POOL = Stage("pool", 1, 0, 2, PoolOptions(3))  # overlapping windows, section 3.4


def alexnet(groups: int = 2) -> Architecture:
    """Returns AlexNet as its first layer needs it: 227 pixels, where the paper prints 224."""
    stages = (
        POOL,
        _conv(256, 5, groups=groups, response_norm=True),
        POOL,
        _conv(384, 3),
        _conv(384, 3, groups=groups),
        _conv(256, 3, groups=groups),
        POOL,
    )
    return Architecture(227, _conv(96, 11, 4, padding=0, response_norm=True), stages, HEAD)


def alexnet_of_torchvision() -> Architecture:
    """Returns the one-tower AlexNet, narrower and without response normalisation (Krizhevsky 2014)."""
    stages = (POOL, _conv(192, 5), POOL, _conv(384, 3), _conv(256, 3), _conv(256, 3), POOL)
    return Architecture(224, _conv(64, 11, 4, padding=2), stages, HEAD)


def zfnet(widths: tuple[int, int, int] = (384, 384, 256)) -> Architecture:
    """Returns ZFNet (figure 3); `widths` are those of layers 3 to 5."""
    pool = Stage("pool", 1, 0, 2, PoolOptions(3, padding=1, local_response_norm=True))
    stages = (pool, _conv(256, 5, 2, padding=0), pool, *(_conv(width, 3) for width in widths), POOL)
    return Architecture(224, _conv(96, 7, 2, padding=1), stages, HEAD)


def networks() -> Iterator[tuple[str, Callable[[], Architecture]]]:
    """Yields names and what makes their networks."""
    yield "alexnet_two_group", alexnet
    yield "alexnet_ungrouped_96", partial(alexnet, 1)
    yield "alexnet_torchvision", alexnet_of_torchvision


def zfnets() -> Iterator[tuple[str, Callable[[], Architecture]]]:
    """Yields names and what makes their networks, of ZFNet."""
    yield "zfnet", zfnet
    yield "zfnet_wide_512_1024_512", partial(zfnet, (512, 1024, 512))


def _conv(
    channels: int,
    kernel: int,
    stride: int = 1,
    *,
    groups: int = 1,
    padding: int | None = None,
    response_norm: bool = False,
) -> Stage:
    options = ConvOptions(
        kernel, norm=False, bias=True, groups=groups, padding=padding, local_response_norm=response_norm
    )
    return Stage("conv", 1, channels, stride, options)
