"""A forecast and its interval agree with each other, also where accuracies saturate."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.settings import GrowSettings
from nas.stages.baseline import Baseline
from nas.stages.forecast import Forecast, carried_over, forecasts
from scaling_rules import Law, RuleFit, ScaledPoint, fit_rule
from tests.fakes.scaling import network

BASELINE = Baseline(network(), "a test", divisor=4)
accuracies = st.floats(-0.5, 1.5)


def fitted(limit: float) -> RuleFit:
    """Returns a fit to networks whose accuracy nears a limit."""
    law = Law(("depth", "width", "resolution"), limit, (0.01, 0.01, 0.02), (1.0, 1.0, 1.0), (1.0, 1.0, 1.0))
    points = []
    for index, candidate in enumerate(BASELINE.candidates(4.0)[::3]):
        sizes = candidate.built
        [value] = law.predict([[sizes["depth"], sizes["width"], sizes["resolution"]]])
        for seed, noise in enumerate((-0.001, 0.0005 * (index % 3))):
            found = float(value) + noise
            points.append(ScaledPoint(**sizes, cost=candidate.macs, value=found, seed=seed))
    return fit_rule(tuple(points), method="surface")


@pytest.fixture(scope="module", params=[0.9, 0.999, 1.0, 1.02])
def fit_near(request: pytest.FixtureRequest) -> RuleFit:
    return fitted(request.param)


def agrees(one: Forecast) -> bool:
    """Returns whether an interval of shares holds its point."""
    assert one.accuracy is not None and one.low is not None and one.high is not None
    return 0.0 <= one.low <= one.accuracy <= one.high <= 1.0


@given(accuracies, accuracies, accuracies)
def test_the_interval_holds_the_point_whatever_is_expected(point: float, low: float, high: float) -> None:
    [one] = forecasts(BASELINE, FIT, GrowSettings(phi=(0.0,)))
    assert agrees(one.expecting(point, low, high))


@pytest.mark.parametrize("observed", [0.9, 0.985, 0.9999, 1.0])
def test_forecasts_are_consistent_near_full_accuracy(fit_near: RuleFit, observed: float) -> None:
    for one in forecasts(BASELINE, fit_near, GrowSettings(phi=(0.0, 1.0, 2.0, 4.0))):
        assert agrees(one)
        longer = carried_over(one, fit_near, [observed])
        assert agrees(longer)
        assert longer.low != longer.high, "something always stays uncertain"


FIT = fitted(0.9)
