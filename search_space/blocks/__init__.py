"""The registered blocks, by the name that a stage gives; each is a small function that composes operators."""

from __future__ import annotations

from search_space.blocks.condense import CondenseOptions, condense
from search_space.blocks.convolution import ConvOptions, SeparableOptions, conv, separable
from search_space.blocks.dual_path import DualPathOptions, dual_path, widen_dual_path
from search_space.blocks.ends import (
    AuxiliaryClassifierOptions,
    ClassifierOptions,
    PoolOptions,
    StemOptions,
    auxiliary_classifier,
    classifier,
    pool,
    stem,
    widen_classifier,
    widen_head,
    widen_stem,
    widen_stem_channels,
)
from search_space.blocks.inception import InceptionOptions, inception, widen_inception
from search_space.blocks.mbconv import FusedMBConvOptions, MBConvOptions, fused_mbconv, mbconv
from search_space.blocks.nasnet import (
    CellStemOptions,
    NormalCellOptions,
    ReductionCellOptions,
    cell_stem,
    normal_cell,
    reduction_cell,
)
from search_space.blocks.parts import Block, Options, SqueezeExcitation, rounded
from search_space.blocks.residual import ResidualOptions, keeps_features, residual
from search_space.blocks.shuffle import ShuffleOptions, ShuffleV2Options, shuffle, shuffle_v2, widen_shuffle

BLOCKS: dict[str, Block] = {
    "auxiliary_classifier": Block(AuxiliaryClassifierOptions, auxiliary_classifier, head=True),
    "cell_stem": Block(CellStemOptions, cell_stem),
    "classifier": Block(
        ClassifierOptions, classifier, widen_classifier, widen_head, head=True, keeps_channels=True
    ),
    "condense": Block(CondenseOptions, condense),
    "conv": Block(ConvOptions, conv),
    "dual_path": Block(DualPathOptions, dual_path, widen_dual_path),
    "fused_mbconv": Block(FusedMBConvOptions, fused_mbconv),
    "inception": Block(InceptionOptions, inception, widen_inception, keeps_channels=True),
    "mbconv": Block(MBConvOptions, mbconv),
    "normal_cell": Block(NormalCellOptions, normal_cell),
    "pool": Block(PoolOptions, pool, deepens=False, keeps_channels=True),
    "reduction_cell": Block(ReductionCellOptions, reduction_cell, deepens=False),
    "residual": Block(ResidualOptions, residual, keeps_features=keeps_features),
    "separable": Block(SeparableOptions, separable),
    "shuffle": Block(ShuffleOptions, shuffle, widen_channels=widen_shuffle),
    "shuffle_v2": Block(ShuffleV2Options, shuffle_v2),
    "stem": Block(StemOptions, stem, widen_stem, widen_stem_channels),
}

__all__ = [
    "BLOCKS",
    "AuxiliaryClassifierOptions",
    "Block",
    "CellStemOptions",
    "ClassifierOptions",
    "CondenseOptions",
    "ConvOptions",
    "DualPathOptions",
    "FusedMBConvOptions",
    "InceptionOptions",
    "MBConvOptions",
    "NormalCellOptions",
    "Options",
    "PoolOptions",
    "ReductionCellOptions",
    "ResidualOptions",
    "SeparableOptions",
    "ShuffleOptions",
    "ShuffleV2Options",
    "SqueezeExcitation",
    "StemOptions",
    "rounded",
]
