"""Optuna's own sampler tests, over our samplers and over Optuna's behind our wrapper.

Not applied: `SingleOnlySamplerTestCase`, for samplers that refuse several objectives (all of ours take them),
and `RelativeSamplerTestCase` behind `SeededSampler`, because Optuna's genetic samplers propose nothing
jointly before their first generation is complete, which that suite does not wait for. `WindowedSampler`
belongs to one given space, so suites that make up their own parameters cannot apply; its tests are in
test_windowed.py.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from optuna.samplers import BaseSampler, TPESampler
from optuna.testing.pytest_samplers import (
    BasicSamplerTestCase,
    MultiObjectiveSamplerTestCase,
    RelativeSamplerTestCase,
)

from nas.strategies.evolution import EvolutionSampler
from nas.strategies.registry import make_sampler
from nas.strategies.seeded import SeededSampler

Factory = Callable[[], BaseSampler]


class TestEvolution(BasicSamplerTestCase, RelativeSamplerTestCase, MultiObjectiveSamplerTestCase):
    @pytest.fixture(params=[1, 3], ids=["population-1", "population-3"])
    def sampler(self, request: pytest.FixtureRequest) -> Factory:
        if "sample_relative" in request.node.name and request.param == 3:
            return lambda: EvolutionSampler(seed=0, population_size=1, sample_size=3)
        return lambda: EvolutionSampler(seed=0, population_size=request.param, sample_size=2)


class TestSeededTpe(RelativeSamplerTestCase):
    @pytest.fixture
    def sampler(self) -> Factory:
        return lambda: SeededSampler(
            lambda seed: TPESampler(seed=seed, multivariate=True, n_startup_trials=0), seed=0
        )


class TestNamedStrategies(BasicSamplerTestCase, MultiObjectiveSamplerTestCase):
    @pytest.fixture(params=["random", "tpe", "nsga2", "nsga3"])
    def sampler(self, request: pytest.FixtureRequest) -> Factory:
        return lambda: make_sampler(request.param, seed=0)
