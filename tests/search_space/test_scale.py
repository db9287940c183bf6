"""Scaling multiplies depth, width and resolution by the papers' rounding, and at ones does nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search_space import (
    Architecture,
    ArchitectureError,
    Stage,
    cost,
    family,
    reference,
    reference_names,
    scale,
)
from search_space.blocks import ConvOptions, rounded
from search_space.zoo.efficientnet import COEFFICIENTS
from tests.search_space.architectures import architectures

ROWS = json.loads((Path(__file__).parent / "data" / "measured.json").read_text(encoding="utf-8"))
MEASURED = {row["name"]: row for row in ROWS}

# Rows of the measured table that are a base network and factors: (row, base, depth, width, resolution).
SCALED = [
    ("efficientnet_b0_scaled_d4", "efficientnet_b0", 4, 1, 1),
    ("efficientnet_b0_scaled_r2", "efficientnet_b0", 1, 1, 2),
    ("efficientnet_b0_scaled_compound_d1_4_w1_2_r1_3", "efficientnet_b0", 1.4, 1.2, 1.3),
    *(
        (f"efficientnet_b0_fig3_w{w}".replace(".", "_"), "efficientnet_b0", 1, w, 1)
        for w in (1.4, 1.8, 3.8, 5.0)
    ),
    *((f"efficientnet_b0_fig3_d{d}", "efficientnet_b0", d, 1, 1) for d in (2, 3, 8)),
    *(
        (f"efficientnet_b0_fig3_r{r}".replace(".", "_"), "efficientnet_b0", 1, 1, r)
        for r in (1.3, 1.5, 1.7, 2.2, 2.5)
    ),
    ("mobilenet_v1_scaled_w2", "mobilenet_v1_1_0_224", 1, 2, 1),
    ("mobilenet_v1_scaled_r2", "mobilenet_v1_1_0_224", 1, 1, 2),
    ("mobilenet_v2_scaled_w2", "mobilenet_v2_1_0_224", 1, 2, 1),
    ("mobilenet_v2_scaled_r2", "mobilenet_v2_1_0_224", 1, 1, 2),
    ("resnet50_scaled_w2", "resnet50", 1, 2, 1),
    ("resnet50_scaled_d4", "resnet50", 4, 1, 1),
]


@pytest.mark.parametrize(
    ("row", "base", "depth", "width", "resolution"), SCALED, ids=[row[0] for row in SCALED]
)
def test_scaled_networks_have_the_measured_costs(
    row: str, base: str, depth: float, width: float, resolution: float
) -> None:
    total = cost(scale(reference(base), depth=depth, width=width, resolution=resolution))
    assert (total.params, total.macs) == (MEASURED[row]["params"], MEASURED[row]["macs"])


def test_every_measured_scaling_row_is_tested_here_or_is_a_resolution() -> None:
    rows = {row["name"] for row in ROWS if row["family"] == "efficientnet_scaling"}
    assert rows == {row[0] for row in SCALED}


@pytest.mark.parametrize("name", [row["name"] for row in ROWS if row["family"] == "efficientnet_fixres"])
def test_larger_test_resolutions_have_the_measured_costs(name: str) -> None:
    base, _, resolution = name.removeprefix("fix").rpartition("_")
    total = cost(reference(base).at(resolution=int(resolution)))
    assert (total.params, total.macs) == (MEASURED[name]["params"], MEASURED[name]["macs"])


@given(architectures())
def test_factors_of_one_change_nothing(architecture: Architecture) -> None:
    assert scale(architecture) == architecture
    assert scale(architecture, depth=1.0, width=1.0, resolution=1.0).digest == architecture.digest


@given(width=st.floats(1.0, 4.0), depth=st.floats(1.0, 4.0), resolution=st.floats(1.0, 3.0))
def test_growing_never_shrinks(width: float, depth: float, resolution: float) -> None:
    base = reference("mnasnet_a1_1_0_96")
    grown = scale(base, width=width, depth=depth, resolution=resolution)
    assert grown.resolution >= base.resolution
    for old, new in zip(base.stages, grown.stages, strict=True):
        assert new.repeats >= old.repeats
        assert new.channels >= 0.9 * old.channels * width
    assert cost(grown).macs >= cost(base).macs


@given(width=st.floats(1.0, 1000.0), divisor=st.sampled_from((1, 2, 4, 8, 16)))
def test_rounding_gives_multiples_and_loses_at_most_a_tenth(width: float, divisor: int) -> None:
    channels = rounded(width, divisor)
    assert channels % divisor == 0 and channels >= 0.9 * width - 1e-6
    assert rounded(channels, divisor) == channels


def test_floating_point_adds_no_repeats() -> None:
    network = Architecture(8, Stage("stem", 1, 8), (Stage("conv", 10, 8),), Stage("classifier", 1, 0))
    assert scale(network, depth=1.1).stages[0].repeats == 11  # 1.1 * 10 is 11.000000000000002


def test_heads_scale_as_their_options_say() -> None:
    assert scale(reference("mobilenet_v2_1_0_224"), width=0.5).head.channels == 1280
    assert scale(reference("mobilenet_v2_1_0_224"), width=2.0).head.channels == 2560
    assert scale(reference("mnasnet_a1_1_0"), width=2.0).head.channels == 1280
    assert scale(reference("efficientnet_b0"), width=0.5).head.channels == 640


def test_pools_and_reductions_do_not_get_deeper() -> None:
    deep = scale(reference("vgg16"), depth=2)
    assert [stage.repeats for stage in deep.stages if stage.block == "pool"] == [1] * 5
    assert [stage.repeats for stage in deep.stages if stage.block == "conv"] == [2, 4, 6, 6, 6]


# Where a published family is literally its base scaled: (member, base, depth, width, resolution).
EFFICIENTNETS = [
    (f"efficientnet_{name}", "efficientnet_b0", row.depth, row.width, row.resolution / 224)
    for name, row in COEFFICIENTS.items()
]
WIDE_RESNETS = [
    *((f"wrn_16_{k}_cifar10", "wrn_16_1_cifar10", 1, k, 1) for k in (1, 2, 4, 8, 10)),
    ("wrn_22_8_cifar10", "wrn_16_8_cifar10", 3 / 2, 1, 1),
    ("wrn_28_10_cifar10", "wrn_16_1_cifar10", 2, 10, 1),
    ("wrn_40_8_cifar10", "wrn_16_8_cifar10", 3, 1, 1),
]
MOBILENETS = [
    *(
        (f"mobilenet_v1_{name}_{side}", "mobilenet_v1_1_0_224", 1, width, side / 224)
        for name, width in (("1_0", 1.0), ("0_75", 0.75), ("0_5", 0.5), ("0_25", 0.25))
        for side in (224, 192, 160, 128)
    ),
    *((f"mobilenet_v2_1_0_{side}", "mobilenet_v2_1_0_224", 1, 1, side / 224) for side in (192, 160, 128, 96)),
    *(
        (f"mobilenet_v2_{name}_224", "mobilenet_v2_1_0_224", 1, width, 1)
        for name, width in (("0_75", 0.75), ("0_5", 0.5), ("0_35", 0.35), ("1_3", 1.3), ("1_4", 1.4))
    ),
    *(
        (f"mnasnet_a1_{name}", "mnasnet_a1_1_0", 1, width, 1)
        for name, width in (("0_35", 0.35), ("0_5", 0.5), ("0_75", 0.75), ("1_4", 1.4))
    ),
    *((f"mobilenet_v3_{size}_0_75", f"mobilenet_v3_{size}_1_0", 1, 0.75, 1) for size in ("large", "small")),
]
RESNETS: list[tuple[str, str, float | tuple[float, ...], float, float]] = [
    ("resnet56_cifar10_optA", "resnet20_cifar10_optA", 3, 1, 1),
    ("resnet110_cifar10_optA", "resnet20_cifar10_optA", 6, 1, 1),
    ("resnet1202_cifar10_optA", "resnet20_cifar10_optA", 200 / 3, 1, 1),
    ("preresnet1001_cifar10", "preresnet164_cifar10", 111 / 18, 1, 1),
    # On ImageNet most of the depth goes into the third stage: a factor a stage.
    ("resnet34", "resnet18", (3 / 2, 2, 3, 3 / 2), 1, 1),
    ("resnet101", "resnet50", (1, 1, 23 / 6, 1), 1, 1),
    ("resnet152", "resnet50", (1, 2, 6, 1), 1, 1),
]


@pytest.mark.parametrize(
    ("member", "base", "depth", "width", "resolution"),
    [*EFFICIENTNETS, *WIDE_RESNETS, *MOBILENETS, *RESNETS],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_published_family_is_its_base_scaled(
    member: str, base: str, depth: float | tuple[float, ...], width: float, resolution: float
) -> None:
    assert scale(reference(base), depth=depth, width=width, resolution=resolution) == reference(member)


def test_no_single_depth_factor_makes_resnet101_of_resnet50() -> None:
    # 3-4-23-3 needs 23 / 6 in the third stage, which would make at least 10 of the 3 blocks of the others
    deepened = {scale(reference("resnet50"), depth=1 + step / 100) for step in range(400)}
    assert reference("resnet101") not in deepened and reference("resnet152") not in deepened


def test_a_depth_for_every_stage_must_name_every_stage() -> None:
    with pytest.raises(ArchitectureError, match="one factor or one per stage, got 2 for 4 stages"):
        scale(reference("resnet50"), depth=(1.0, 2.0))
    with pytest.raises(ArchitectureError, match=r"must be a factor in \(0, 100\], got 0"):
        scale(reference("resnet50"), depth=(1.0, 2.0, 1.0, 0.0))


def test_efficientnet_l2_has_its_published_settings() -> None:
    # Xie et al. 2020, appendix A.2: width 4.3, depth 5.3, dropout 0.5, 480 M parameters
    assert COEFFICIENTS["l2"] == (4.3, 5.3, 800, 0.5)
    assert cost(reference("efficientnet_l2")).params == pytest.approx(480e6, rel=0.001)


ONE_OF_EACH = {family(name): name for name in reversed(reference_names()) if "1001" not in name}


@pytest.mark.parametrize("name", ONE_OF_EACH.values())
@pytest.mark.parametrize(
    "factors", [{"width": 1.5}, {"width": 0.5}, {"depth": 1.5}, {"resolution": 1.25}], ids=str
)
def test_every_family_scales_along_every_dimension(name: str, factors: dict[str, float]) -> None:
    base = reference(name)
    before, after = cost(base), cost(scale(base, **factors))
    grows = next(iter(factors.values())) > 1
    assert (after.macs > before.macs) == grows
    if "resolution" not in factors:
        assert (after.params > before.params) == grows


@pytest.mark.parametrize(
    "factors", [{"width": 0.0}, {"depth": -1.0}, {"resolution": float("nan")}, {"width": 1e9}], ids=str
)
def test_an_impossible_factor_is_refused(factors: dict[str, float]) -> None:
    with pytest.raises(ArchitectureError, match=r"must be a factor in \(0, 100\]"):
        scale(reference("mnasnet_a1_1_0"), **factors)


def test_what_grows_past_the_format_is_refused() -> None:
    wide = Architecture(
        8, Stage("stem", 1, 8), (Stage("conv", 1, 60_000, options=ConvOptions()),), Stage("classifier", 1, 0)
    )
    with pytest.raises(ArchitectureError, match=r"channels must be a whole number in \[0, 65536\]"):
        scale(wide, width=2.0)
