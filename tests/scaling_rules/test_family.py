"""Families: members on the rule, targets met where rounding allows, regularisation that grows."""

from __future__ import annotations

import math

import pytest

from scaling_rules import Multipliers, Ramp, ScalingError, family, named_rule
from search_space import cost, reference, scale

B0 = reference("efficientnet_b0")
B0_MACS = 385_814_752
RULE = named_rule("efficientnet")


def macs(*, depth: float, width: float, resolution: float) -> float:
    return float(cost(scale(B0, depth=depth, width=width, resolution=resolution)).macs)


def params(*, depth: float, width: float, resolution: float) -> float:
    return float(cost(scale(B0, depth=depth, width=width, resolution=resolution)).params)


def test_members_by_phi_are_the_rule_and_the_baseline_stays() -> None:
    baseline, grown = family(RULE, macs, phis=[0.0, 2.0])
    assert baseline.cost == B0_MACS and baseline.met
    assert grown.multipliers == pytest.approx(RULE.multipliers(phi=2.0))


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
