"""Random small architectures of every block, for laws that must hold of all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from search_space import Architecture, Auxiliary, Conventions, Stage
from search_space.blocks import (
    AuxiliaryClassifierOptions,
    ClassifierOptions,
    CondenseOptions,
    ConvOptions,
    DualPathOptions,
    FusedMBConvOptions,
    InceptionOptions,
    MBConvOptions,
    NormalCellOptions,
    PoolOptions,
    ReductionCellOptions,
    ResidualOptions,
    SeparableOptions,
    ShuffleOptions,
    ShuffleV2Options,
    SqueezeExcitation,
    StemOptions,
)

ACTIVATIONS = ("relu", "relu6", "silu", "hard_swish", "sigmoid", "hard_sigmoid", "elu", "gelu")
KERNELS = st.sampled_from((1, 3, 5, 7))
WIDTHS = st.sampled_from((8, 16, 24, 40))
SKIPS = st.sampled_from(("identity", "none", "pool"))
SQUEEZES = st.none() | st.builds(
    SqueezeExcitation,
    ratio=st.sampled_from((0.0625, 0.25, 0.5)),
    base=st.sampled_from(("input", "expanded", "output")),
    divisor=st.sampled_from((1, 8)),
    activation=st.sampled_from(ACTIVATIONS),
    gate=st.sampled_from(("sigmoid", "hard_sigmoid")),
)
KINDS = st.sampled_from(ACTIVATIONS)

OPTIONS: dict[str, st.SearchStrategy[Any]] = {
    "conv": st.builds(
        ConvOptions,
        kernel=KERNELS,
        activation=KINDS,
        norm=st.booleans(),
        bias=st.booleans(),
        groups=st.sampled_from((1, 2)),
        local_response_norm=st.booleans(),
        squeeze=SQUEEZES,
        skip=SKIPS,
    ),
    "separable": st.builds(
        SeparableOptions,
        kernel=KERNELS,
        activation=KINDS,
        output_activation=st.booleans(),
        squeeze=SQUEEZES,
        skip=SKIPS,
    ),
    "mbconv": st.builds(
        MBConvOptions,
        expansion=st.sampled_from((1.0, 2.5, 3.0, 6.0)),
        kernel=KERNELS,
        activation=KINDS,
        squeeze=SQUEEZES,
        skip=SKIPS,
        expansion_divisor=st.sampled_from((1, 8)),
    ),
    "fused_mbconv": st.builds(
        FusedMBConvOptions,
        expansion=st.sampled_from((1.0, 4.0)),
        kernel=KERNELS,
        activation=KINDS,
        squeeze=SQUEEZES,
        skip=SKIPS,
    ),
    "residual": st.builds(
        ResidualOptions,
        inner=st.sampled_from((0.0, 0.25, 1.0)),
        groups=st.sampled_from((1, 2)),
        strided=st.sampled_from(("3x3", "1x1")),
        preactivation=st.booleans(),
        shortcut=st.sampled_from(("projection", "projection3x3", "padding", "pooled_padding")),
        bias=st.booleans(),
        dropout=st.booleans(),
        squeeze=SQUEEZES,
        first_share=st.sampled_from((0.5, 1.0)),
    ),
    "inception": st.builds(
        InceptionOptions,
        pointwise=WIDTHS,
        reduce3x3=WIDTHS,
        conv3x3=WIDTHS,
        reduce5x5=WIDTHS,
        conv5x5=WIDTHS,
        projection=WIDTHS,
        kernel5x5=st.sampled_from((3, 5)),
        norm=st.booleans(),
    ),
    "shuffle": st.builds(
        ShuffleOptions, groups=st.sampled_from((1, 2, 3)), first_grouped=st.booleans(), squeeze=SQUEEZES
    ),
    "shuffle_v2": st.builds(
        ShuffleV2Options, shortcut=st.just("half"), residual=st.booleans(), squeeze=SQUEEZES
    ),
    "condense": st.builds(
        CondenseOptions,
        groups=st.just(4),
        condensation=st.sampled_from((2, 4)),
        learned=st.booleans(),
    ),
    "pool": st.builds(
        PoolOptions,
        kernel=st.sampled_from((2, 3)),
        kind=st.sampled_from(("max", "average")),
        padding=st.sampled_from((0, 1)),
        ceil=st.booleans(),
        local_response_norm=st.booleans(),
    ),
}
STEMS = st.builds(
    StemOptions,
    kernel=KERNELS,
    activation=KINDS,
    norm=st.booleans(),
    before=st.sampled_from(((), (8,), (4, 12))),
    pool=st.sampled_from(("none", "padded", "ceil")),
)
AUXILIARIES = st.builds(
    AuxiliaryClassifierOptions,
    hidden=st.sampled_from((8, 24)),
    norm=st.booleans(),
    adaptive=st.booleans(),
)
CONVENTIONS = st.builds(
    Conventions, padding=st.sampled_from(("symmetric", "same")), norm_eps=st.sampled_from((1e-5, 1e-3))
)
CLASSIFIERS = st.builds(
    ClassifierOptions,
    activation=KINDS,
    entry=st.sampled_from(("none", "activation", "norm")),
    hidden=st.sampled_from(((), (12,), (12, 8))),
    dropout=st.sampled_from(("last", "after_hidden", "before_hidden")),
    condensed=st.booleans(),
    pooled_size=st.sampled_from((1, 2)),
    bias=st.booleans(),
)


@st.composite
def _stages(draw: st.DrawFn) -> Sequence[Stage]:
    stages: list[Stage] = []
    for _ in range(draw(st.integers(0, 3))):
        block = draw(st.sampled_from(sorted(OPTIONS)))
        # shuffle units concatenate, so they only get wider; 48 exceeds all other widths
        width = draw(WIDTHS) if block not in ("inception", "pool", "shuffle") else 0
        width = 48 if block == "shuffle" else width
        if block == "shuffle" and stages:
            continue
        stride = draw(st.sampled_from((1, 2)))
        stages.append(Stage(block, draw(st.integers(1, 3)), width, stride, draw(OPTIONS[block])))
        if block == "shuffle" and stages[-1].stride == 1:
            stages[-1] = Stage(block, stages[-1].repeats, 48, 2, stages[-1].options)
    return stages


@st.composite
def plain(draw: st.DrawFn) -> Architecture:
    """Architectures whose blocks pass one map."""
    stem = Stage("stem", 1, draw(st.sampled_from((8, 16))), draw(st.sampled_from((1, 2))), draw(STEMS))
    return Architecture(
        resolution=draw(st.integers(33, 48)),
        stem=stem,
        stages=tuple(draw(_stages())),
        head=Stage("classifier", 1, draw(st.sampled_from((0, 24))), options=draw(CLASSIFIERS)),
        num_classes=draw(st.integers(1, 12)),
        input_channels=draw(st.sampled_from((1, 3))),
        conventions=draw(CONVENTIONS),
    )


@st.composite
def carrying(draw: st.DrawFn) -> Architecture:
    """Architectures whose blocks pass two maps: dual paths, or NASNet's cells."""
    if draw(st.booleans()):
        options = DualPathOptions(inner=draw(st.sampled_from((8, 16))), increment=draw(WIDTHS), groups=4)
        stages = tuple(
            Stage("dual_path", draw(st.integers(1, 3)), draw(WIDTHS), stride, options) for stride in (1, 2)
        )
        head = ClassifierOptions("elu", entry="norm", joins_carry=True)
        return Architecture(
            draw(st.integers(32, 40)), Stage("stem", 1, 8), stages, Stage("classifier", 1, 0, options=head), 7
        )
    width = draw(st.sampled_from((4, 6)))
    passes = ReductionCellOptions(draw(st.booleans()))
    stages = (
        Stage("reduction_cell", 1, width, 2, passes),
        Stage("normal_cell", draw(st.integers(1, 3)), width, 1, NormalCellOptions()),
        Stage("reduction_cell", 1, 2 * width, 2, passes),
        Stage("normal_cell", draw(st.integers(1, 2)), 2 * width),
    )
    head = Stage("classifier", 1, 0, options=ClassifierOptions(entry="activation"))
    side = draw(st.integers(33, 44))
    return Architecture(
        side, Stage("cell_stem", 1, 8, 2), stages, head, 7, conventions=Conventions("same", 1e-3)
    )


@st.composite
def helped(draw: st.DrawFn) -> Architecture:
    """Architectures with auxiliary classifiers."""
    network = draw(plain().filter(lambda network: network.stages))
    after = draw(st.lists(st.integers(0, len(network.stages) - 1), min_size=1, max_size=2))
    head = Stage("auxiliary_classifier", 1, draw(WIDTHS), options=draw(AUXILIARIES))
    return replace(network, auxiliary=tuple(Auxiliary(index, head) for index in after))


def architectures() -> st.SearchStrategy[Architecture]:
    """Architectures of every block at random sizes, with one vector of scores."""
    return plain() | carrying()
