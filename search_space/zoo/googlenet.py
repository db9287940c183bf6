"""GoogLeNet with and without its training-time classifiers, and torchvision's (Szegedy et al. 2015, Table 1).

Table 1's own sums (6.8 M, 1.5 G) leave out most of its 7x7 stem.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from search_space.architecture import Architecture, Auxiliary, Stage
from search_space.blocks import (
    AuxiliaryClassifierOptions,
    ClassifierOptions,
    ConvOptions,
    InceptionOptions,
    PoolOptions,
    StemOptions,
)
from search_space.graph import Conventions

# Table 1: #1x1, #3x3 reduce, #3x3, #5x5 reduce, #5x5, pool proj
MODULES = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}
HEAD = Stage("classifier", 1, 0, options=ClassifierOptions())


def googlenet() -> Architecture:
    """Returns GoogLeNet without its auxiliary classifiers."""
    pool = Stage("pool", 1, 0, 2, PoolOptions(3, ceil=True))
    normed_pool = Stage("pool", 1, 0, 2, PoolOptions(3, ceil=True, local_response_norm=True))
    modules = {
        name: Stage("inception", 1, 0, options=InceptionOptions(*row)) for name, row in MODULES.items()
    }
    start = (normed_pool, _conv(64, 1), _conv(192, 3, response_norm=True), pool)
    return Architecture(224, _conv(64, 7, 2), (*start, *_with_pools(modules, pool, pool)), HEAD)


def googlenet_aux() -> Architecture:
    """Returns GoogLeNet with the classifiers on modules 4a and 4d that it is trained with."""
    return _with_auxiliary(googlenet(), AuxiliaryClassifierOptions())


def googlenet_of_torchvision() -> Architecture:
    """Returns torchvision's: normalised, 3x3 instead of 5x5, and a 2x2 last pool."""
    pool = Stage("pool", 1, 0, 2, PoolOptions(3, ceil=True))
    last = Stage("pool", 1, 0, 2, PoolOptions(2, ceil=True))
    modules = {
        name: Stage("inception", 1, 0, options=InceptionOptions(*row, kernel5x5=3, norm=True))
        for name, row in MODULES.items()
    }
    start = (pool, Stage("conv", 1, 64, options=ConvOptions(1)), Stage("conv", 1, 192), pool)
    stem = Stage("stem", 1, 64, 2, StemOptions(7))
    stages = (*start, *_with_pools(modules, pool, last))
    return Architecture(224, stem, stages, HEAD, conventions=Conventions(norm_eps=1e-3))


def googlenet_of_torchvision_aux() -> Architecture:
    """Returns torchvision's with its auxiliary classifiers, which pool to 4x4 regions."""
    return _with_auxiliary(googlenet_of_torchvision(), AuxiliaryClassifierOptions(norm=True, adaptive=True))


def networks() -> Iterator[tuple[str, Callable[[], Architecture]]]:
    """Yields names and what makes their networks."""
    yield "googlenet_v1_original", googlenet
    yield "googlenet_v1_original_aux", googlenet_aux
    yield "googlenet_torchvision", googlenet_of_torchvision
    yield "googlenet_torchvision_aux", googlenet_of_torchvision_aux


def _with_auxiliary(network: Architecture, options: AuxiliaryClassifierOptions) -> Architecture:
    """Returns the network with classifiers on modules 4a and 4d."""
    head = Stage("auxiliary_classifier", 1, 128, options=options)
    modules = [index for index, stage in enumerate(network.stages) if stage.block == "inception"]
    after = [modules[list(MODULES).index(name)] for name in ("4a", "4d")]
    return replace(network, auxiliary=tuple(Auxiliary(index, head) for index in after))


def _with_pools(modules: dict[str, Stage], after_3b: Stage, after_4e: Stage) -> Iterator[Stage]:
    for name, module in modules.items():
        yield module
        yield from {"3b": (after_3b,), "4e": (after_4e,)}.get(name, ())


def _conv(channels: int, kernel: int, stride: int = 1, *, response_norm: bool = False) -> Stage:
    options = ConvOptions(kernel, norm=False, bias=True, local_response_norm=response_norm)
    return Stage("conv", 1, channels, stride, options)
