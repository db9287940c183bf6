"""A wrapper that keeps any sampler inside the space, the budget and the untried."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any
from zlib import crc32

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from nas.strategies.design import Design, Point

_REPAIR = crc32(b"repair")  # sets the stream of repairs apart from the stream of draws
MAX_REPAIRS = 200  # mutations tried before a proposal is let through as it is


class WindowedSampler(BaseSampler):
    """Passes the wrapped sampler's proposals on, with two additions.

    While it has nothing to propose (its start-up), a point is drawn inside the reward's window of costs, so
    that first trials are not wasted on networks that are far too large. A proposal that is over the limit or
    was tried before is changed by the space's own mutation until it is neither: towards smaller costs while
    it is over the limit. After `MAX_REPAIRS` mutations it is let through; refusing it is then the engine's
    work.

    Trial k draws from `default_rng((seed, k))`.

    Args:
        inner: proposes; it sees the study as it is.
        design: the space and the reward.
        seed: the study's seed, >= 0.
    """

    def __init__(self, inner: BaseSampler, design: Design, *, seed: int) -> None:
        self._inner = inner
        self._design = design
        self._distributions = design.distributions
        # What every trial of the study has, in the order of Optuna's intersection search space: known without reading.
        self._relative = {name: d for name, d in sorted(design.distributions.items()) if not d.single()}
        self._seed = seed
        self._tried = _Tried([choice.name for choice in design.space.choices])

    def __str__(self) -> str:
        return str(self._inner)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return dict(self._relative)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        point = self._repaired(self._proposal(study, trial), study, trial)
        values = self._design.space.values(point)
        return {name: values[name] for name in search_space}

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        return self._inner.sample_independent(study, trial, param_name, param_distribution)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        self._inner.before_trial(study, trial)

    def after_trial(
        self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        self._inner.after_trial(study, trial, state, values)

    def _proposal(self, study: Study, trial: FrozenTrial) -> Point:
        values = self._inner.sample_relative(study, trial, dict(self._relative))
        if not values:
            return self._design.draw(np.random.default_rng((self._seed, trial.number)))
        for choice in self._design.space.choices:
            if len(choice.options) == 1:
                values[choice.name] = choice.options[0]
            elif choice.name not in values:  # a genetic sampler leaves out what it mutates
                distribution = self._distributions[choice.name]
                values[choice.name] = self._inner.sample_independent(study, trial, choice.name, distribution)
        return self._design.space.point(values)

    def _repaired(self, point: Point, study: Study, trial: FrozenTrial) -> Point:
        rng = np.random.default_rng((self._seed, trial.number, _REPAIR))
        self._tried.learn(study)
        for _ in range(MAX_REPAIRS):
            is_affordable = self._design.affords(point)
            if is_affordable and not self._tried.has(self._design.space.values(point), trial.number):
                return point
            changed = self._design.space.mutate(point, rng)
            if is_affordable or self._design.cost(changed) <= self._design.cost(point):
                point = changed
        return point


class _Tried:
    """What the trials of a study have tried, read from its history once: a trial's choices do not change."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = tuple(names)
        self._study_id: int | None = None
        self._numbers: dict[tuple[Any, ...], set[int]] = {}  # by values
        self._num_settled = 0  # of the first trials, whose choices are all made

    def learn(self, study: Study) -> None:
        """Reads the trials that have made their choices since the last time."""
        if study._study_id != self._study_id:
            self._study_id, self._numbers, self._num_settled = study._study_id, {}, 0
        trials = study.get_trials(deepcopy=False)
        is_settled = True
        for trial in itertools.islice(trials, self._num_settled, None):
            params = trial.params
            is_chosen = len(params) >= len(self._names) and all(name in params for name in self._names)
            if is_chosen:
                values = tuple(params[name] for name in self._names)
                self._numbers.setdefault(values, set()).add(trial.number)
            is_settled = is_settled and (is_chosen or trial.state.is_finished())
            self._num_settled += is_settled

    def has(self, values: Mapping[str, Any], number: int) -> bool:
        """Returns whether a trial other than `number` has these values."""
        numbers = self._numbers.get(tuple(values[name] for name in self._names), set())
        return bool(numbers - {number})
