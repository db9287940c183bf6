"""Rules: what they multiply, how they print, what they refuse."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaling_rules import PowerRule, ScalingError, TableRule, named_rule, shared_rule
from scaling_rules.rule import RULES, TableRow
from tests.scaling_rules.published_numbers import RELEASED

shares = (
    st.tuples(*[st.floats(0.0, 1.0)] * 3)
    .filter(lambda s: sum(s) > 0.01)
    .map(lambda s: tuple(x / sum(s) for x in s))
)


@given(shares, st.floats(-3.0, 8.0))
def test_a_rule_of_shares_multiplies_the_nominal_cost_by_what_it_says(
    given_shares: tuple[float, float, float], phi: float
) -> None:
    rule = shared_rule("any", given_shares)
    grown = rule.multipliers(phi=phi)
    assert math.isclose(
        grown["depth"] * grown["width"] ** 2 * grown["resolution"] ** 2, 2.0**phi, rel_tol=1e-9
    )
    assert rule.multipliers(cost=2.0**phi) == pytest.approx(grown)


@pytest.mark.parametrize("name", RULES)
def test_every_named_rule_leaves_the_baseline_as_it_is_and_prints(name: str) -> None:
    rule = named_rule(name)
    assert rule.multipliers(phi=0.0) == pytest.approx({"depth": 1.0, "width": 1.0, "resolution": 1.0})
    assert str(rule).startswith(name) and rule.equation in str(rule)


def test_the_papers_constants_print_as_the_papers_equation() -> None:
    assert named_rule("efficientnet").equation == (
        "depth = 1.2^phi, width = 1.1^phi, resolution = 1.15^phi; cost grows by 1.92^phi"
    )


def test_a_negative_phi_shrinks_every_dimension() -> None:
    assert max(named_rule("efficientnet").multipliers(phi=-1.0).values()) < 1.0


@pytest.mark.parametrize("index", range(8))
def test_the_table_has_the_released_sizes_which_the_formula_does_not_give(index: int) -> None:
    width, depth, side = RELEASED[index]
    table = named_rule("efficientnet_table").multipliers(phi=float(index))
    assert table == pytest.approx({"depth": depth, "width": width, "resolution": side / 224})
    formula = named_rule("efficientnet").multipliers(phi=float(index))
    assert index == 0 or formula != pytest.approx(table, rel=0.01)


def test_dwr_spends_eight_tenths_of_the_cost_on_width() -> None:
    """Fast and Accurate Model Scaling (Dollar et al. 2021), alpha = 0.8: d = s^0.1, w = s^0.4, r = s^0.05."""
    grown = named_rule("dWr").multipliers(cost=10.0)
    assert grown == pytest.approx({"depth": 10**0.1, "width": 10**0.4, "resolution": 10**0.05})


def test_tinynets_shrink_along_their_released_sizes() -> None:
    """Model Rubik's Cube (Han et al. 2020): TinyNet-E has resolution 0.475, width 0.51 and depth 0.6."""
    table = named_rule("tinynet_table")
    assert table.multipliers(cost=0.6 * 0.51**2 * 0.475**2) == pytest.approx(
        {"depth": 0.6, "width": 0.51, "resolution": 0.475}
    )


def test_a_rule_survives_json() -> None:
    rule = PowerRule("compound", 1.2, 1.1, 1.15)
    assert PowerRule.from_json(rule.to_json()) == rule


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: PowerRule("x", 0.0, 1.1, 1.1), "`alpha` must be greater than 0, got 0"),
        (lambda: PowerRule("x", 1.0, 1.0, 1.0), "cost at phi = 1 must be greater than 1, got 1"),
        (lambda: named_rule("efficientnet").multipliers(), "exactly one of `phi` and `cost`"),
        (
            lambda: named_rule("efficientnet").multipliers(phi=1.0, cost=2.0),
            "exactly one of `phi` and `cost`",
        ),
        (
            lambda: named_rule("efficientnet").multipliers(cost=-1.0),
            "`cost` must be a multiple greater than 0",
        ),
        (lambda: named_rule("efficientnet").multipliers(phi=math.nan), "`phi` must be finite, got nan"),
        (
            lambda: named_rule("efficientnet_table").multipliers(phi=8.0),
            r"must lie in the table .* \[0, 7\], got 8",
        ),
        (lambda: named_rule("nonsense"), "must be one of .*dWr.* got 'nonsense'"),
        (lambda: shared_rule("x", (0.5, 0.5, 0.5)), "add up to 1"),
        (lambda: TableRule("x", (TableRow("a", 0.0, 1, 1, 1),)), "two or more rows"),
        (lambda: PowerRule.from_json("[]"), "must be the JSON of a PowerRule"),
        (lambda: PowerRule.from_json('{"name": "x", "alpha": "?"}'), "must be the JSON of a PowerRule"),
    ],
)
def test_a_wrong_rule_is_refused_with_rule_value_and_remedy(wrong: object, message: str) -> None:
    assert callable(wrong)
    with pytest.raises(ScalingError, match=message):
        wrong()
