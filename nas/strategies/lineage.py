"""Which trials a candidate was bred from: kept with the trial, as numbers of the same study."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.samplers import NSGAIIISampler, NSGAIISampler
from optuna.study import Study
from optuna.trial import FrozenTrial

from runs import PARENTS


def keep_parents(study: Study, trial: FrozenTrial, numbers: Sequence[int]) -> None:
    """Stores the numbers of a candidate's parents with its trial; nothing where there are none."""
    parents = sorted(set(numbers))
    if parents:
        study._storage.set_trial_system_attr(trial._trial_id, PARENTS, parents)


def bred(
    sampler: NSGAIISampler | NSGAIIISampler,
    study: Study,
    trial: FrozenTrial,
    space: dict[str, BaseDistribution],
) -> tuple[dict[str, Any], list[int]]:
    """Returns what a genetic sampler proposes, drawn as ever, and the numbers of the trials it was bred from.

    Optuna does not tell them; a trial of the population whose parameters are asked for is a parent.
    """
    asked: list[int] = []
    breed: Any = sampler._child_generation_strategy

    def watched(
        study: Study, space: dict[str, BaseDistribution], parents: list[FrozenTrial]
    ) -> dict[str, Any]:
        members = {one.number: _Member(one, asked) for one in parents}
        child: dict[str, Any] = breed(study, space, [members[one.number] for one in parents])
        return child

    sampler._child_generation_strategy = watched
    return sampler.sample_relative(study, trial, space), asked


class _Member:
    """A trial of a population that notes when its parameters are asked for."""

    def __init__(self, trial: FrozenTrial, asked: list[int]) -> None:
        self._trial, self._asked = trial, asked

    def __getattr__(self, name: str) -> Any:
        if name == "params":
            self._asked.append(self._trial.number)
        return getattr(self._trial, name)
