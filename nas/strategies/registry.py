"""The strategies by name: each an Optuna sampler that is a function of (space, history, seed)."""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Callable
from dataclasses import dataclass

from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, GPSampler, NSGAIIISampler, NSGAIISampler, RandomSampler, TPESampler

from nas.reward import Reward
from nas.strategies.design import Design, Space
from nas.strategies.evolution import EvolutionSampler
from nas.strategies.seeded import SeededSampler
from nas.strategies.windowed import WindowedSampler

# Best or level with the best for every reward in `benchmarks/strategies.py` (docs/strategies.md has the numbers).
DEFAULT_STRATEGY = "nsga2"


class StrategyError(ValueError):
    """A strategy that does not exist, or a number of trials that means nothing: rule, value and remedy."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a strategy may be fitted to."""

    seed: int
    num_trials: int
    design: Design | None

    @property
    def num_startup(self) -> int:
        """Returns how many random trials a model needs before it is trusted: a tenth of all, 5 to 20."""
        return min(max(self.num_trials // 10, 5), 20)

    @property
    def generation_size(self) -> int:
        """Returns the members of a generation: a tenth of the budget, 8 to 50 (Optuna's default)."""
        return min(max(self.num_trials // 10, 8), 50)

    @property
    def aging_size(self) -> int:
        """Returns the members of an aging population: a fifth of the budget, 4 to 100 (Real et al.'s P)."""
        return min(max(self.num_trials // 5, 4), 100)


def make_sampler(
    name: str,
    *,
    seed: int,
    space: Space | None = None,
    reward: Reward | None = None,
    num_trials: int = 100,
) -> BaseSampler:
    """Returns the strategy called `name` as an Optuna sampler.

    Args:
        name: a key of `STRATEGIES`.
        seed: the study's seed, >= 0; trial k draws from (seed, k) only.
        space: with it, first trials are drawn inside the reward's window of costs and no point is proposed
            twice.
        reward: with it, no point above its limit is proposed where the cost is arithmetic.
        num_trials: the budget in trials, > 0, from which population and start-up sizes follow.

    Raises:
        StrategyError: for an unknown name or a budget that is not positive.

    Example:
        >>> str(make_sampler("tpe", seed=0))
        'TPESampler'
    """
    if name not in STRATEGIES:
        near = difflib.get_close_matches(name, STRATEGIES, n=1)
        hint = f"did you mean {near[0]}?" if near else "choose one of them"
        raise StrategyError(f"the strategy must be one of {', '.join(STRATEGIES)}, got {name!r}; {hint}")
    if num_trials < 1:
        raise StrategyError(f"the number of trials must be positive, got {num_trials}; give at least 1")
    design = None if space is None else Design(space, reward)
    sampler = STRATEGIES[name](Plan(seed, num_trials, design))
    return sampler if design is None else WindowedSampler(sampler, design, seed=seed)


def _random(plan: Plan) -> BaseSampler:
    return SeededSampler(lambda seed: RandomSampler(seed=seed), plan.seed)


def _tpe(plan: Plan) -> BaseSampler:
    # multivariate also for two objectives: measured better and 20 times quicker than one parameter at a time
    return SeededSampler(
        lambda seed: TPESampler(seed=seed, multivariate=True, n_startup_trials=plan.num_startup), plan.seed
    )


def _gp(plan: Plan) -> BaseSampler:
    return SeededSampler(
        lambda seed: GPSampler(seed=seed, n_startup_trials=plan.num_startup, warn_independent_sampling=False),
        plan.seed,
    )


def _nsga2(plan: Plan) -> BaseSampler:
    return SeededSampler(
        lambda seed: NSGAIISampler(seed=seed, population_size=plan.generation_size), plan.seed
    )


def _nsga3(plan: Plan) -> BaseSampler:
    def factory(seed: int) -> BaseSampler:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            return NSGAIIISampler(seed=seed, population_size=plan.generation_size)

    return SeededSampler(factory, plan.seed)


def _evolution(plan: Plan) -> BaseSampler:
    return EvolutionSampler(
        seed=plan.seed,
        population_size=plan.aging_size,
        sample_size=max(plan.aging_size // 2, 2),
        mutate=None if plan.design is None else plan.design.mutated_values,
        accepts=None if plan.design is None else plan.design.affords_values,
    )


STRATEGIES: dict[str, Callable[[Plan], BaseSampler]] = {
    "random": _random,
    "tpe": _tpe,
    "gp": _gp,
    "nsga2": _nsga2,
    "nsga3": _nsga3,
    "evolution": _evolution,
}
