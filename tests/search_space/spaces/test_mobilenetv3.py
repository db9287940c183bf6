"""The MobileNetV3 space of weight sharing."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from search_space import reference
from search_space.blocks import MBConvOptions, rounded
from search_space.spaces import MobileNetV3, MobileNetV3Small, Option, SpaceError


@cache
def space_at(resolution: int, width: float = 1.0) -> MobileNetV3:
    return MobileNetV3(resolution=resolution, num_classes=1000, width=width)


def test_the_space_has_elastic_layers_depths_gates_and_resolutions() -> None:
    assert space_at(224).size == 4 * (3 * 2 * 15**4) ** 5
    assert MobileNetV3Small(resolution=224, num_classes=10).size == 4 * (3 * 2 * 15**4) ** 4


def test_the_resolutions_are_those_of_once_for_all_at_224() -> None:
    assert space_at(224).choices[0].options == (128, 160, 192, 224)
    assert space_at(16).choices[0].options == (10, 12, 14, 16)
    assert space_at(4).choices[0].options == (4,)


@given(st.integers(0, 2**32 - 1))
def test_the_choices_of_layers_beyond_the_depth_do_not_change_the_digest(seed: int) -> None:
    space, rng = space_at(224), np.random.default_rng(seed)
    values = space.values(space.sample(rng))
    other = space.values(space.sample(rng))
    unused: dict[str, Option] = {
        name: other[name]
        for unit in range(1, 6)
        for layer in range(int(values[f"unit{unit}.depth"]) + 1, 5)
        for name in (f"unit{unit}.layer{layer}.kernel", f"unit{unit}.layer{layer}.expansion")
    }
    assert space.architecture(values).digest == space.architecture({**values, **unused}).digest


@given(st.integers(0, 2**32 - 1))
def test_the_network_is_what_the_choices_say(seed: int) -> None:
    space = space_at(224)
    values = space.values(space.sample(np.random.default_rng(seed)))
    architecture = space.architecture(values)
    assert architecture.resolution == values["resolution"]
    first, *layers = [stage for stage in architecture.stages for _ in range(stage.repeats)]
    assert (first.channels, first.options) == (16, MBConvOptions(1.0, expansion_divisor=8))
    entering = 16
    for unit, channels in enumerate((24, 40, 80, 112, 160), 1):
        for layer in range(1, int(values[f"unit{unit}.depth"]) + 1):
            made = layers.pop(0)
            assert isinstance(made.options, MBConvOptions) and made.channels == channels
            assert made.options.kernel == values[f"unit{unit}.layer{layer}.kernel"]
            wanted = float(
                values[f"unit{unit}.layer{layer}.expansion"]
            )  # another of the same width may stand for it
            assert rounded(entering * made.options.expansion, 8) == rounded(entering * wanted, 8)
            entering = channels
            assert (made.options.squeeze is not None) == values[f"unit{unit}.se"]
            assert made.options.activation == ("relu" if unit < 3 else "hard_swish")
    assert not layers


def test_equal_neighbouring_layers_are_one_stage() -> None:
    point = (0,) * len(space_at(224).choices)
    assert [stage.repeats for stage in space_at(224).decode(point).stages] == [1, 2, 2, 2, 2, 2]


def test_stem_first_layer_and_head_are_mobilenet_v3_large() -> None:
    ours, large = space_at(224).decode((0,) * len(space_at(224).choices)), reference("mobilenet_v3_large_1_0")
    assert (ours.stem, ours.stages[0], ours.head) == (large.stem, large.stages[0], large.head)
    assert ours.conventions == large.conventions


@pytest.mark.parametrize(
    ("name", "space", "expansions"),
    [
        ("mobilenet_v3_large_1_0", MobileNetV3, [4, 3, 3, 3, 3, 6, 2.5, 2.3, 2.3, 6, 6, 6, 6, 6]),
        ("mobilenet_v3_small_1_0", MobileNetV3Small, [4.5, 3.6667, 4, 6, 6, 3, 3, 6, 6, 6]),
    ],
)
def test_a_published_network_is_a_point_of_its_space(
    name: str, space: type[MobileNetV3], expansions: list[float]
) -> None:
    opened = space(resolution=224, num_classes=1000)
    point = opened.encode(reference(name))
    assert opened.decode(point).digest == reference(name).digest
    values = opened.values(point)
    depths = [int(values[f"unit{unit}.depth"]) for unit in range(1, len(space.channels) + 1)]
    layers = [(unit, layer) for unit, depth in enumerate(depths, 1) for layer in range(1, depth + 1)]
    assert [values[f"unit{unit}.layer{layer}.expansion"] for unit, layer in layers] == expansions


@pytest.mark.parametrize(
    ("name", "space", "width", "departure"),
    [
        (
            "mobilenet_v3_large_0_75",
            MobileNetV3,
            0.75,
            "head.options.hidden, where it has (1280,) and the space (960,)",
        ),
        (
            "mobilenet_v3_small_0_75",
            MobileNetV3Small,
            0.75,
            "head.options.hidden, where it has (1024,) and the",
        ),
        (
            "mobilenet_v3_large_minimal",
            MobileNetV3,
            1.0,
            'stem.options.activation, where it has "relu" and the',
        ),
        ("mobilenet_v3_small_1_0", MobileNetV3, 1.0, "stages[0].stride, where it has 2 and the space 1, and"),
        ("efficientnet_b0", MobileNetV3, 1.0, "stem.channels, where it has 32 and the space 16"),
        ("mnasnet_a1_1_0", MobileNetV3, 1.0, "stem.channels, where it has 32 and the space 16"),
    ],
)
def test_a_published_network_outside_is_refused_where_it_leaves(
    name: str, space: type[MobileNetV3], width: float, departure: str
) -> None:
    with pytest.raises(SpaceError) as refusal:
        space(resolution=224, num_classes=1000, width=width).encode(reference(name))
    assert f"leaves the space at {departure}" in str(refusal.value)


def test_with_the_expansions_of_once_for_all_alone_mobilenetv3_is_outside() -> None:
    class OnceForAll(MobileNetV3):
        expansions = (3.0, 4.0, 6.0)

    with pytest.raises(
        SpaceError, match=r"at stages\[5\].options.expansion, where it has 2.5 and the space 3.0"
    ):
        OnceForAll(resolution=224, num_classes=1000).encode(reference("mobilenet_v3_large_1_0"))


def test_one_set_of_strides_serves_all_resolutions() -> None:
    space = space_at(32)
    strides = set()
    for index in range(len(space.choices[0].options)):
        network = space.decode((index,) + (0,) * (len(space.choices) - 1))
        strides.add((network.stem.stride, *(stage.stride for stage in network.stages)))
    assert strides == {(1, 1, 1, 1, 2, 1, 2)}
