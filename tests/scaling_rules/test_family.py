"""Families: members on the rule, targets met where rounding allows, regularisation that grows."""

from __future__ import annotations

import math

import pytest

from scaling_rules import Multipliers, PowerRule, Ramp, ScalingError, family, named_rule
from search_space import Architecture, Stage, cost, reference, scale
from search_space.blocks import ClassifierOptions, MBConvOptions, StemOptions

B0 = reference("efficientnet_b0")
B0_MACS = 385_814_752
RULE = PowerRule("efficientnet", 1.2, 1.1, 1.15)
COARSE = Architecture(
    resolution=16,
    stem=Stage("stem", 1, 8, 1, StemOptions()),
    stages=(
        Stage("mbconv", 2, 12, 2, MBConvOptions(expansion=3)),
        Stage("mbconv", 2, 16, 2, MBConvOptions(expansion=3)),
        Stage("mbconv", 2, 24, 1, MBConvOptions(expansion=3)),
    ),
    head=Stage("classifier", 1, 0, 1, ClassifierOptions()),
)


def macs(*, depth: float, width: float, resolution: float) -> float:
    return float(cost(scale(B0, depth=depth, width=width, resolution=resolution)).macs)


def params(*, depth: float, width: float, resolution: float) -> float:
    return float(cost(scale(B0, depth=depth, width=width, resolution=resolution)).params)


def test_a_phi_is_the_cost_that_the_rule_promises_and_the_baseline_stays() -> None:
    baseline, grown, shrunk = family(RULE, macs, phis=[0.0, 2.0, -1.0])
    assert baseline.cost == B0_MACS and baseline.multipliers == RULE.multipliers(phi=0.0)
    for member, phi in ((grown, 2.0), (shrunk, -1.0)):
        assert member.met and member.target == pytest.approx(B0_MACS * RULE.cost_base**phi)
        assert member.cost == pytest.approx(member.target, rel=0.02)
    named = macs(**RULE.multipliers(phi=2.0))
    assert named > 1.05 * B0_MACS * RULE.cost_base**2, "rounding up alone would have missed it"


def coarse(*, depth: float, width: float, resolution: float) -> float:
    """Channels of a small network in steps of 8, as for `examples/scale_glyphs.py`."""
    return float(cost(scale(COARSE, depth=depth, width=width, resolution=resolution)).macs)


@pytest.mark.parametrize(("rule", "multiple"), [("efficientnet", 2.0), ("efficientnet", 2.83), ("dWr", 2.0)])
def test_targets_are_met_where_several_dimensions_must_move_together(rule: str, multiple: float) -> None:
    [member] = family(
        named_rule(rule), coarse, targets=[multiple * coarse(depth=1.0, width=1.0, resolution=1.0)]
    )
    assert member.met and member.cost == pytest.approx(member.target, rel=0.02)


def test_a_family_of_one_dimension_leaves_the_others_alone_even_where_the_target_is_missed() -> None:
    base = coarse(depth=1.0, width=1.0, resolution=1.0)
    members = {
        name: family(named_rule(name), coarse, targets=[1.5 * base, 4.0 * base], phis=[1.0])
        for name in ("depth", "width", "resolution")
    }
    for name, grown in members.items():
        for other in {"depth", "width", "resolution"} - {name}:
            assert [one.multipliers[other] for one in grown] == [1.0, 1.0, 1.0]  # type: ignore[literal-required]
    assert not members["depth"][0].met and members["resolution"][0].met


@pytest.mark.parametrize("target", [100e6, 200e6, 500e6, 800e6, 1.6e9, 3.2e9, 12.5e9])
def test_targets_in_macs_are_met_within_two_per_cent_near_the_rule(target: float) -> None:
    [member] = family(RULE, macs, targets=[target])
    assert member.met and member.cost == pytest.approx(target, rel=0.02)
    assert member.cost == macs(**member.multipliers)
    spread = max(
        abs(math.log(factor / ideal))
        for factor, ideal in zip(
            member.multipliers.values(), RULE.multipliers(cost=target / B0_MACS).values(), strict=True
        )
    )
    assert spread < math.log(1.3)


def built(*, depth: float, width: float, resolution: float) -> Multipliers:
    scaled = scale(B0, depth=depth, width=width, resolution=resolution)
    layers = sum(stage.repeats for stage in scaled.stages) / sum(stage.repeats for stage in B0.stages)
    channels = sum(stage.channels for stage in scaled.stages) / sum(stage.channels for stage in B0.stages)
    return Multipliers(depth=layers, width=channels, resolution=scaled.resolution / B0.resolution)


def test_a_rule_in_built_layers_is_not_made_deeper_by_rounding_up() -> None:
    """A nominal depth of 1.2 builds 23 layers of 16, which is 1.44 times as many."""
    assert built(depth=1.2, width=1.0, resolution=1.0)["depth"] == 23 / 16
    members = family(RULE, macs, phis=[0.0, 1.0], targets=[800e6, 3.2e9], built_of=built)
    assert members[0].multipliers == {"depth": 1.0, "width": 1.0, "resolution": 1.0}
    assert built(**members[1].multipliers)["depth"] == pytest.approx(1.2, rel=0.1)
    for member in members[2:]:
        assert member.met
        ideal = RULE.multipliers(cost=member.cost / B0_MACS)
        assert built(**member.multipliers)["depth"] == pytest.approx(ideal["depth"], rel=0.15)


def test_a_cost_without_steps_is_met_on_the_rule_itself() -> None:
    """There are millions of networks near it, and the nearest is found before all were looked at."""

    def smooth(*, depth: float, width: float, resolution: float) -> float:
        return 400e6 * depth * width**2 * resolution**2

    [member] = family(RULE, smooth, targets=[800e6])
    assert member.cost == pytest.approx(800e6, rel=1e-4)
    assert member.multipliers == pytest.approx(RULE.multipliers(cost=2.0), rel=1e-4)
    [exact] = family(RULE, smooth, targets=[800e6], tolerance=0.0)
    assert exact.cost == pytest.approx(800e6, rel=1e-4)


def test_a_target_in_parameters_is_met_by_width_or_depth() -> None:
    [member] = family(RULE, params, targets=[9.2e6])
    assert member.met and member.cost == pytest.approx(9.2e6, rel=0.02)


def test_where_rounding_forbids_the_target_the_nearest_is_named() -> None:
    def steps(*, depth: float, width: float, resolution: float) -> float:
        return 100.0 * max(1, math.floor(depth * width**2 * resolution**2))

    [member] = family(RULE, steps, targets=[260.0])
    assert not member.met and member.cost == 300.0 and member.target == 260.0


def test_regularisation_grows_from_b0s_to_b7s() -> None:
    small, large, shrunk = family(named_rule("efficientnet_table"), macs, phis=[0.0, 7.0]) + family(
        RULE, macs, phis=[-2.0]
    )
    assert small.dropout == 0.2 and large.dropout == pytest.approx(0.5, abs=0.005)
    assert shrunk.dropout < small.dropout and small.augmentation < large.augmentation <= 1.0
    assert Ramp(0.2, 0.1, 0.0, 0.35).at(16.0) == 0.35


def test_tables_give_the_released_sizes_and_end() -> None:
    [b4] = family(named_rule("efficientnet_table"), macs, phis=[4.0])
    assert b4.cost == cost(reference("efficientnet_b4")).macs
    with pytest.raises(ScalingError, match="must lie in the table"):
        family(named_rule("efficientnet_table"), macs, targets=[1e15])


def test_a_family_without_sizes_and_wrong_targets_are_refused() -> None:
    with pytest.raises(ScalingError, match="needs `phis` or `targets`"):
        family(RULE, macs)
    with pytest.raises(ScalingError, match="`targets` must be finite and greater than 0, got -1"):
        family(RULE, macs, targets=[-1.0])
