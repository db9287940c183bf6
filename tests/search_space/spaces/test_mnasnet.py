"""The MnasNet space against the paper's section 4 and the networks that were published from it."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search_space import Stage, lower, reference, scale
from search_space.blocks import ConvOptions, MBConvOptions, SqueezeExcitation
from search_space.operators import Activation
from search_space.spaces import EfficientNet, MnasNet, Option, SpaceError


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


# MnasNet-A1 and -B1 (figure 7) and EfficientNet-B0 (table 1) in the space's terms.
FIELDS = ("convolution", "kernel", "se_ratio", "skip", "filters", "layers")
MEMBERS: dict[str, tuple[type[MnasNet], list[tuple[Option, ...]]]] = {
    "mnasnet_a1_1_0": (
        MnasNet,
        [
            ("separable", 3, 0.0, "identity", 1.0, 0),
            ("mbconv6", 3, 0.0, "identity", 1.0, 0),
            ("mbconv3", 5, 0.25, "identity", 1.25, 0),
            ("mbconv6", 3, 0.0, "identity", 1.25, 0),
            ("mbconv6", 3, 0.25, "identity", 1.25, -1),
            ("mbconv6", 5, 0.25, "identity", 1.0, 0),
            ("mbconv6", 3, 0.0, "identity", 1.0, 0),
        ],
    ),
    "mnasnet_b1_1_0": (
        MnasNet,
        [
            ("separable", 3, 0.0, "identity", 1.0, 0),
            ("mbconv3", 3, 0.0, "identity", 1.0, 1),
            ("mbconv3", 5, 0.0, "identity", 1.25, 0),
            ("mbconv6", 5, 0.0, "identity", 1.25, -1),
            ("mbconv6", 3, 0.0, "identity", 1.0, -1),
            ("mbconv6", 5, 0.0, "identity", 1.25, 1),
            ("mbconv6", 3, 0.0, "identity", 1.0, 0),
        ],
    ),
    "efficientnet_b0": (
        EfficientNet,
        [
            ("separable", 3, 0.25, "identity", 1.0, 0),
            ("mbconv6", 3, 0.25, "identity", 1.0, 0),
            ("mbconv6", 5, 0.25, "identity", 1.25, -1),
            ("mbconv6", 3, 0.25, "identity", 1.25, -1),
            ("mbconv6", 5, 0.25, "identity", 1.25, 0),
            ("mbconv6", 5, 0.25, "identity", 1.25, 1),
            ("mbconv6", 3, 0.25, "identity", 1.0, 0),
        ],
    ),
}


@pytest.mark.parametrize("name", MEMBERS)
def test_a_published_network_is_a_point_of_its_space(name: str) -> None:
    of, rows = MEMBERS[name]
    space = of(resolution=224, num_classes=1000)
    chosen = {
        f"block{number}.{field}": option
        for number, row in enumerate(rows, 1)
        for field, option in zip(FIELDS, row, strict=True)
    }
    assert space.architecture(chosen).digest == reference(name).digest
    point = space.encode(reference(name))
    assert space.decode(point).digest == reference(name).digest
    found = space.values(point)
    # in blocks 1 and 2 the factors 0.75 and 1.0, in blocks 1 and 7 the layers -1 and 0, and any skip, are the same
    unused = {f"block{n}.{field}" for n in (1, 7) for field in ("layers", "skip")}
    assert {key for key in found if found[key] != chosen[key]} <= {
        "block1.filters",
        "block2.filters",
        *unused,
    }


@pytest.mark.parametrize("resolution", [192, 160, 128])
def test_mnasnet_a1_is_a_point_at_its_other_resolutions(resolution: int) -> None:
    space, a1 = MnasNet(resolution=resolution, num_classes=1000), reference(f"mnasnet_a1_1_0_{resolution}")
    assert space.decode(space.encode(a1)) == a1


@pytest.mark.parametrize(
    ("name", "width", "departure"),
    [
        ("efficientnet_b0", 1.0, 'stem.options.activation, where it has "silu" and the space "relu"'),
        ("mobilenet_v2_1_0_224", 1.0, 'stem.options.activation, where it has "relu6" and the space "relu"'),
        ("mobilenet_v3_large_1_0", 1.0, "stem.channels, where it has 16 and the space 32"),
        ("mnasnet_small", 1.0, "stem.channels, where it has 8 and the space 32"),
        ("mnasnet_a1_0_75", 0.75, "head.channels, where it has 1280 and the space 960"),
        ("mnasnet_a1_0_35", 0.35, "head.channels, where it has 1280 and the space 448"),
        ("mnasnet_a1_1_0_96", 1.0, "stem.stride, where it has 2 and the space 1"),
        ("mnasnet_b1_torchvision_1_0", 1.0, "conventions"),
    ],
)
def test_a_published_network_outside_is_refused_where_it_leaves(
    name: str, width: float, departure: str
) -> None:
    network = reference(name)
    with pytest.raises(SpaceError) as refusal:
        MnasNet(resolution=network.resolution, num_classes=1000, width=width).encode(network)
    assert f"leaves the space at {departure}" in str(refusal.value)


@pytest.mark.parametrize("name", [f"efficientnet_b{number}" for number in range(1, 8)])
def test_what_was_scaled_and_not_searched_is_outside(name: str) -> None:
    network = reference(name)
    with pytest.raises(SpaceError, match=r"leaves the space at (stages\[|stem\.)"):
        EfficientNet(resolution=network.resolution, num_classes=1000).encode(network)


def test_filters_follow_the_published_networks_rounding() -> None:
    space = space_at(224)
    widths = [
        [
            space.architecture(values_with({f"block{n}.filters": f})).stages[n - 1].channels
            for n in range(1, 8)
        ]
        for f in (0.75, 1.0, 1.25)
    ]
    assert widths == [
        [16, 24, 24, 48, 72, 112, 240],
        [16, 24, 32, 64, 96, 160, 320],
        [24, 32, 40, 80, 112, 192, 400],
    ]


def test_efficientnets_space_is_mnasnets_with_swish_and_a_growing_head() -> None:
    ours, theirs = (of(resolution=224, num_classes=10) for of in (EfficientNet, MnasNet))
    assert ours.choices == theirs.choices
    network = ours.architecture(values_with({"block2.se_ratio": 0.25, "block3.convolution": "conv"}))
    kinds = {node.operator.kind for node in lower(network).nodes if isinstance(node.operator, Activation)}
    assert kinds == {"silu", "sigmoid"}
    heads = [scale(of.architecture(values_with({})), width=2.0).head.channels for of in (ours, theirs)]
    assert heads == [2560, 1280]


def test_a_block_of_one_layer_cannot_lose_it() -> None:
    space = space_at(224)
    fewer, same = (space.architecture(values_with({"block7.layers": layers})) for layers in (-1, 0))
    assert fewer.digest == same.digest and fewer.stages[6].repeats == 1


def test_a_skip_that_no_layer_can_have_is_the_identity_that_a_grown_one_has() -> None:
    space = space_at(224)
    networks = [space.architecture(values_with({"block7.skip": s})) for s in ("none", "identity", "pool")]
    assert len({network.digest for network in networks}) == 1
    without = space.architecture(values_with({"block7.skip": "none", "block6.skip": "none"}))
    assert lower(without).nodes != lower(networks[0]).nodes
    assert "stages.6.blocks.1.add" in {node.name for node in lower(scale(networks[0], depth=2.0)).nodes}


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
