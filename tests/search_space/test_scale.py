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
