"""A thousand simulations: 95 % intervals cover the truth in 93 to 97 % of them."""

from __future__ import annotations

import numpy as np
import pytest

from scaling_rules import Law, fit_law, fit_rule
from tests.scaling_rules.synthetic import measured, true_bases

NUM_SIMULATIONS = 1_000


@pytest.mark.slow
def test_intervals_of_a_law_cover_as_often_as_they_say() -> None:
    rng, costs = np.random.default_rng(1), np.repeat([1.0, 2.0, 4.0, 8.0, 16.0, 32.0], 2)
    law = Law(("cost",), 0.9, (0.2,), (0.5,), (1.0,))
    [truth], hits = law.predict([64.0]), np.zeros(4)
    for _ in range(NUM_SIMULATIONS):
        fit = fit_law(costs, law.predict(costs) + rng.normal(0.0, 0.005, len(costs)))
        bounds = [(row.low, row.high) for row in fit.parameters]
        bounds += [tuple(fit.interval([64.0], new=new)[0]) for new in (False, True)]
        values = (0.9, 0.5, truth, truth + rng.normal(0.0, 0.005))
        hits += [low <= value <= high for (low, high), value in zip(bounds, values, strict=True)]
    assert (np.abs(hits / NUM_SIMULATIONS - 0.95) <= 0.02).all(), hits


@pytest.mark.slow
def test_intervals_of_a_rule_cover_as_often_as_they_say() -> None:
    rng, truth, hits = np.random.default_rng(2), true_bases(), np.zeros(4)
    for _ in range(NUM_SIMULATIONS):
        fit = fit_rule(measured(rng, 0.001))
        inside = [row.low <= value <= row.high for row, value in zip(fit.parameters, truth, strict=True)]
        hits += [*inside, fit.contains(*truth)]
    assert (np.abs(hits / NUM_SIMULATIONS - 0.95) <= 0.02).all(), hits
