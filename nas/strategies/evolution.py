"""Aging evolution as an Optuna sampler whose only state is the study's history.

Regularized Evolution (Real et al., AAAI 2019), Algorithm 1: a population of the P youngest, a tournament of S
drawn with replacement, a child by one mutation of the winner, and the oldest leaves. Where we differ: a child
whose parameters were tried before, or that `accepts` refuses, is drawn again; and with several objectives,
where P youngest would forget the front, the population is the P best by non-dominated rank and crowding
(NSGA-II's survival) of the 10 P youngest, and the same order decides the tournament.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Any
from zlib import crc32

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.search_space import IntersectionSearchSpace
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from nas.strategies.domination import preference
from nas.strategies.lineage import keep_parents

Params = dict[str, Any]
Mutation = Callable[[Params, np.random.Generator], Params]

MAX_TRIES = 100  # children drawn for one trial before the last is proposed as it is
MEMORY = 10  # with several objectives, the population is chosen from this many times as many youngest trials


class EvolutionSampler(BaseSampler):
    """Proposes mutations of good recent trials; draws at random until there is a population.

    Trial k draws from `default_rng((seed, k))` and reads everything else from the study. Only complete,
    feasible trials with finite values are in the population; a pruned or infeasible one is never a parent.

    Args:
        seed: the study's seed, >= 0.
        population_size: P, >= 1.
        sample_size: S, >= 1; 1 chooses parents at random.
        mutate: returns changed parameters; None redraws one parameter uniformly from its other values.
        accepts: whether parameters are worth proposing (for example, affordable); None accepts all.
    """

    def __init__(
        self,
        *,
        seed: int,
        population_size: int = 20,
        sample_size: int = 5,
        mutate: Mutation | None = None,
        accepts: Callable[[Params], bool] | None = None,
    ) -> None:
        if population_size < 1 or sample_size < 1:
            raise ValueError(
                f"population and sample must have a member each, got {population_size} and {sample_size};"
                " leave them out to have them chosen from the number of trials"
            )
        self._seed = seed
        self._population_size = population_size
        self._sample_size = sample_size
        self._mutate = mutate
        self._accepts = accepts
        self._intersection = IntersectionSearchSpace()

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        space = self._intersection.calculate(study)
        return {name: distribution for name, distribution in space.items() if not distribution.single()}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> Params:
        others = [t for t in study.get_trials(deepcopy=False) if t.number != trial.number]
        population = self._population(others, study.directions, search_space)
        if not search_space or len(population) < self._population_size:
            return {}
        rng = np.random.default_rng((self._seed, trial.number))
        sample = rng.integers(len(population), size=self._sample_size)
        parent = population[int(sample.min())]
        keep_parents(study, trial, [parent.number])
        params = {name: parent.params[name] for name in search_space}
        child = params
        for _ in range(MAX_TRIES):
            child = self._mutated(params, search_space, rng, study, trial)
            is_new = not any(child.items() <= other.params.items() for other in others)
            if is_new and (self._accepts is None or self._accepts(child)):
                break
        return child

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        rng = np.random.default_rng((self._seed, trial.number, crc32(param_name.encode())))
        return _drawn(param_distribution, rng, study, trial)

    def _population(
        self, trials: Sequence[FrozenTrial], directions: Sequence[StudyDirection], space: Mapping[str, object]
    ) -> list[FrozenTrial]:
        """Returns up to P members, best first."""
        signs = np.array([1.0 if d == StudyDirection.MAXIMIZE else -1.0 for d in directions])
        size = self._population_size * (1 if len(signs) == 1 else MEMORY)
        youngest_first = sorted(trials, key=lambda t: t.number, reverse=True)
        parents = (t for t in youngest_first if _is_parent(t) and space.keys() <= t.params.keys())
        members = list(islice(parents, size))
        if not members:
            return []
        order = np.argsort(preference(signs * np.array([member.values for member in members])))
        return [members[i] for i in order[: self._population_size]]

    def _mutated(
        self,
        params: Params,
        space: Mapping[str, BaseDistribution],
        rng: np.random.Generator,
        study: Study,
        trial: FrozenTrial,
    ) -> Params:
        """Returns `params` with one parameter redrawn uniformly, a categorical one from its other values."""
        if self._mutate is not None:
            return self._mutate(params, rng)
        names = sorted(space)
        name = names[int(rng.integers(len(names)))]
        distribution = space[name]
        if isinstance(distribution, CategoricalDistribution):
            step = 1 + int(rng.integers(len(distribution.choices) - 1))
            index = (int(distribution.to_internal_repr(params[name])) + step) % len(distribution.choices)
            return {**params, name: distribution.choices[index]}
        return {**params, name: _drawn(distribution, rng, study, trial)}


def _drawn(distribution: BaseDistribution, rng: np.random.Generator, study: Study, trial: FrozenTrial) -> Any:
    sampler = RandomSampler(seed=int(rng.integers(2**32)))
    return sampler.sample_independent(study, trial, "value", distribution)


def _is_parent(trial: FrozenTrial) -> bool:
    return (
        trial.state == TrialState.COMPLETE
        and all(violation <= 0 for violation in trial.constraints.values())
        and all(map(math.isfinite, trial.values))
    )
