"""What a sweep says of one dimension: nothing that its points do not determine."""

from __future__ import annotations

import numpy as np
import pytest

from nas.cli.scaling_views import curve_text, curve_view
from nas.stages.sweep import Curve, SweepPoint
from scaling_rules import Law, fit_law

SIZES = np.array([1.0, 2.0, 4.0, 8.0, 16.0])


def curve(means: np.ndarray, noise: float) -> Curve:
    """Five sizes with two trainings each, `noise` above and below their mean."""
    pairs = [(float(mean - noise), float(mean + noise)) for mean in means]
    points = tuple(
        SweepPoint(size, size, round(1e6 * size), pair) for size, pair in zip(SIZES, pairs, strict=True)
    )
    law = fit_law(np.repeat(SIZES, 2), [value for pair in pairs for value in pair], variables=("MACs",))
    return Curve("width", points, law)


def test_a_curve_that_bends_has_a_limit_and_a_saturation_with_intervals() -> None:
    found = curve(Law(("MACs",), 0.9, (0.3,), (1.0,), (1.0,)).predict(SIZES), 0.002)
    view = curve_view(found)
    assert view["shape"] == "saturates" and view["limit"] == pytest.approx(0.9, abs=0.01)
    said = curve_text(view)
    assert (
        said.startswith("approaches 0.9 (0.8")
        and "after 9.99 times the MACs (8." in said
        and said.endswith(")")
    )
    limit, exponent = view["parameters"]
    assert limit["low"] < 0.9 < limit["high"] <= 1.0 and exponent["low"] < 1.0 < exponent["high"]


def test_a_straight_line_in_the_logarithm_does_not_saturate_and_gets_no_limit() -> None:
    view = curve_view(curve(0.5 + 0.08 * np.log(SIZES), 0.01))
    assert view["shape"] == "rises" and view["limit"] is None and view["saturation"] is None
    assert curve_text(view) == "does not saturate within what was measured, up to 16 times the MACs"


def test_a_curve_that_falls_is_said_to_fall() -> None:
    view = curve_view(curve(0.7 - 0.03 * np.log(SIZES), 0.005))
    assert view["shape"] == "falls" and view["limit"] is None
    assert curve_text(view) == "falls, measured up to 16 times the MACs"


def test_too_few_points_say_why_there_is_no_law() -> None:
    assert (
        curve_text(curve_view(Curve("depth", (), None, "too few sizes"))) == "no law, because too few sizes"
    )
