"""The registered blocks, by the name that a stage gives; each is a small function that composes operators."""

from __future__ import annotations

from search_space.blocks.convolution import ConvOptions, SeparableOptions, conv, separable
from search_space.blocks.ends import (
    ClassifierOptions,
    PoolOptions,
    StemOptions,
    classifier,
    pool,
    stem,
    widen_classifier,
    widen_head,
    widen_stem,
)
from search_space.blocks.mbconv import FusedMBConvOptions, MBConvOptions, fused_mbconv, mbconv
from search_space.blocks.parts import Block, Options, SqueezeExcitation, rounded

BLOCKS: dict[str, Block] = {
    "classifier": Block(
        ClassifierOptions, classifier, widen_classifier, widen_head, head=True, keeps_channels=True
    ),
    "conv": Block(ConvOptions, conv),
    "fused_mbconv": Block(FusedMBConvOptions, fused_mbconv),
    "mbconv": Block(MBConvOptions, mbconv),
    "pool": Block(PoolOptions, pool, keeps_channels=True),
    "separable": Block(SeparableOptions, separable),
    "stem": Block(StemOptions, stem, widen_stem),
}

__all__ = [
    "BLOCKS",
    "Block",
    "ClassifierOptions",
    "ConvOptions",
    "FusedMBConvOptions",
    "MBConvOptions",
    "Options",
    "PoolOptions",
    "SeparableOptions",
    "SqueezeExcitation",
    "StemOptions",
    "rounded",
]
