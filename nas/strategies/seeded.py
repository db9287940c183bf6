"""A wrapper that makes an Optuna sampler a function of (history, seed, trial number).

Optuna's samplers carry a random state from trial to trial, so a stopped search goes on differently. Here
every trial gets a fresh sampler, seeded from the study's seed and the trial's number; what it knows it reads
from the study.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from zlib import crc32

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseGASampler, BaseSampler, NSGAIIISampler, NSGAIISampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from nas.strategies.lineage import bred, keep_parents

_PARENTS = crc32(
    b"parents"
)  # sets the stream that chooses a generation's parents apart from the trials' streams


class SeededSampler(BaseSampler):
    """Proposes for trial k what `factory(s)` would, with s drawn from (seed, k) alone.

    With one worker, a study that was stopped and reopened proposes what the unbroken one would have. Joint
    proposals and single parameters have streams of their own, so the order of single parameters does not
    matter either.

    Args:
        factory: makes the wrapped sampler from a seed in [0, 2^32).
        seed: the study's seed, >= 0.
    """

    def __init__(self, factory: Callable[[int], BaseSampler], seed: int) -> None:
        self._factory = factory
        self._seed = seed
        # Never draws; its cache of the intersection search space grows with the history, which a fresh one
        # would reread.
        self._scout = factory(0)

    def __str__(self) -> str:
        return str(self._scout)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return self._scout.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        sampler = self._fresh(trial.number)
        if isinstance(sampler, BaseGASampler):
            # Optuna chooses a generation's parents inside its first trial, from that trial's random state,
            # and stores them in the study. A trial that is proposed again after a crash finds them stored: a
            # stream of their own makes both histories draw the same child.
            generation = sampler.get_trial_generation(study, trial)
            parents = self._fresh(generation, _PARENTS)
            assert isinstance(parents, BaseGASampler)
            parents.get_parent_population(study, generation)
        if isinstance(sampler, NSGAIISampler | NSGAIIISampler):
            child, numbers = bred(sampler, study, trial, search_space)
            keep_parents(study, trial, numbers)
            return child
        return sampler.sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        sampler = self._fresh(trial.number, crc32(param_name.encode()))
        return sampler.sample_independent(study, trial, param_name, param_distribution)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        self._scout.before_trial(study, trial)

    def after_trial(
        self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        self._scout.after_trial(study, trial, state, values)

    def _fresh(self, *key: int) -> BaseSampler:
        rng = np.random.default_rng((self._seed, *key))
        return self._factory(int(rng.integers(2**32)))
