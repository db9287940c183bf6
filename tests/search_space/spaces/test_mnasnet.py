"""The MnasNet space against the paper's section 4 and the networks that were published from it."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search_space import Stage, lower, reference
from search_space.blocks import ConvOptions, MBConvOptions, SqueezeExcitation
from search_space.spaces import MnasNet, Option, SpaceError


@cache
def space_at(resolution: int, width: float = 1.0) -> MnasNet:
    return MnasNet(resolution=resolution, num_classes=10, width=width)


def values_with(changes: dict[str, Option]) -> dict[str, Option]:
    """Returns MobileNetV2's filters and layers with 3x3 bottlenecks of expansion 6, and `changes`."""
    base: dict[str, Option] = {
        "convolution": "mbconv6",
        "kernel": 3,
        "se_ratio": 0.0,
        "skip": "identity",
        "filters": 1.0,
        "layers": 0,
    }
    values = {f"block{number}.{name}": option for number in range(1, 8) for name, option in base.items()}
    return values | changes


def test_the_space_has_432_layers_in_each_of_seven_blocks() -> None:
    assert space_at(224).size == 432**7


def test_the_base_is_mobilenet_v2() -> None:
    stages = space_at(224).architecture(values_with({"block1.convolution": "separable"})).stages
    assert [stage.channels for stage in stages] == [16, 24, 32, 64, 96, 160, 320]
    assert [stage.repeats for stage in stages] == [1, 2, 3, 4, 3, 3, 1]
    assert [stage.stride for stage in stages] == [1, 2, 2, 2, 1, 2, 1]
    expansions = [stage.options.expansion for stage in stages if isinstance(stage.options, MBConvOptions)]
    assert expansions == [1.0] + [6.0] * 6


def test_each_choice_does_what_the_paper_says() -> None:
    changes: dict[str, Option] = {
        "block2.convolution": "conv",
        "block2.kernel": 5,
        "block2.se_ratio": 0.25,
        "block2.skip": "pool",
        "block2.filters": 1.25,
        "block2.layers": 1,
    }
    stage = space_at(224).architecture(values_with(changes)).stages[1]
    options = ConvOptions(kernel=5, squeeze=SqueezeExcitation(0.25), skip="pool")
    assert stage == Stage("conv", 3, 32, 2, options)


@pytest.mark.parametrize(
    ("name", "field", "theirs", "ours"),
    [
        ("mnasnet_a1_1_0", "stages[4].channels", "112", "72 or 96 or 120"),
        ("mnasnet_b1_1_0", "stages[5].channels", "192", "120 or 160 or 200"),
        ("mobilenet_v2_1_0_224", "stem.options.activation", '"relu6"', '"relu"'),
        ("efficientnet_b0", "stem.options.activation", '"silu"', '"relu"'),
        ("mobilenet_v3_large_1_0", "stem.channels", "16", "32"),
    ],
)
def test_a_published_network_outside_is_refused_where_it_leaves(
    name: str, field: str, theirs: str, ours: str
) -> None:
    """A1's 112 and B1's 192 filters are no 0.75, 1.0 or 1.25 of MobileNetV2's 96 and 160."""
    with pytest.raises(SpaceError) as refusal:
        MnasNet(resolution=224, num_classes=1000).encode(reference(name))
    assert f"{field}, where it has {theirs} and the space {ours}" in str(refusal.value)


def test_mnasnet_a1_is_in_the_space_but_for_one_width() -> None:
    """All else of A1, put into the space's terms, is its stages."""
    blocks: list[tuple[str, int, float, str, float, int]] = [
        ("separable", 3, 0.0, "none", 1.0, 0),
        ("mbconv6", 3, 0.0, "identity", 1.0, 0),
        ("mbconv3", 5, 0.25, "identity", 1.25, 0),
        ("mbconv6", 3, 0.0, "identity", 1.25, 0),
        ("mbconv6", 3, 0.25, "identity", 1.25, -1),
        ("mbconv6", 5, 0.25, "identity", 1.0, 0),
        ("mbconv6", 3, 0.0, "identity", 1.0, 0),
    ]
    fields = ("convolution", "kernel", "se_ratio", "skip", "filters", "layers")
    values = {
        f"block{number}.{field}": option
        for number, block in enumerate(blocks, 1)
        for field, option in zip(fields, block, strict=True)
    }
    ours, a1 = space_at(224).architecture(values).stages, reference("mnasnet_a1_1_0").stages
    assert ours[:4] == a1[:4]
    assert (ours[4].channels, a1[4].channels) == (120, 112) and ours[4].options == a1[4].options
    assert ours[5] == a1[5]
    assert (ours[6].channels, ours[6].repeats, ours[6].stride) == (
        a1[6].channels,
        a1[6].repeats,
        a1[6].stride,
    )


def test_a_block_of_one_layer_cannot_lose_it() -> None:
    space = space_at(224)
    fewer, same = (space.architecture(values_with({"block7.layers": layers})) for layers in (-1, 0))
    assert fewer.digest == same.digest and fewer.stages[6].repeats == 1


def test_a_skip_that_no_layer_can_have_does_not_change_the_digest() -> None:
    space = space_at(224)
    digests = {
        space.architecture(values_with({"block7.skip": s})).digest for s in ("none", "identity", "pool")
    }
    assert len(digests) == 1
    digests = {
        space.architecture(values_with({"block4.skip": s})).digest for s in ("none", "identity", "pool")
    }
    assert len(digests) == 3


def test_filters_that_round_to_the_same_number_are_one_network() -> None:
    space = space_at(224)
    first, second = (space.architecture(values_with({"block1.filters": f})) for f in (0.75, 1.0))
    assert first.digest == second.digest


@given(resolution=st.integers(1, 300), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=40)
def test_the_last_map_has_at_least_4_by_4_pixels_where_the_input_has(resolution: int, seed: int) -> None:
    space = space_at(resolution, 0.25)
    graph = lower(space.decode(space.sample(np.random.default_rng(seed))))
    maps = [
        node.shape for node in graph.nodes if len(node.shape) == 3 and not node.name.startswith("head.pool")
    ]
    sides = [shape[1] for shape in maps if shape[1] > 1 or resolution == 1]
    assert min(sides) >= min(4, resolution) and sides[0] <= resolution
    assert resolution < 97 or sides[-1] == -(-resolution // 32)


def test_every_width_multiplies_all_filters() -> None:
    half = space_at(32, 0.5).architecture(values_with({}))
    assert [stage.channels for stage in half.stages] == [8, 16, 16, 32, 48, 80, 160]
    assert (half.stem.channels, half.head.channels) == (16, 640)
