"""What a stage wants measured, one proposal a trial: asked of a sampler, or read from a list."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol

import optuna
from optuna.distributions import CategoricalDistribution, distribution_to_json
from optuna.samplers import BaseSampler

from nas.settings import Fidelity, Recipe
from runs import Claim, EvaluationKey, Store, StudyRecord
from search_space import Architecture
from search_space.spaces import SearchSpace

Value = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Proposal:
    """One architecture to be measured, at one fidelity, from one seed.

    `choices` None: they are stored with the trial already, by the sampler or by an earlier attempt. `recipe` None: it
    is trained as all trials of its stage are.
    """

    architecture: Architecture
    fidelity: Fidelity
    seed: int
    choices: Mapping[str, Value] | None = None
    recipe: Recipe | None = None


class ClaimLost(Exception):
    """A trial was taken over by another driver before this one had said what it would measure."""


class Source(Protocol):
    """Where a driver's work comes from.

    Guarantee: the proposal of a trial is a function of its number, of what an earlier attempt stored with it, and of
    the trials that ended before it; so a resumed stage goes on as the unbroken one would have.
    """

    @property
    def num_trials(self) -> int | None:
        """How many trials there are in all; None: as many as the budget allows."""
        ...

    def propose(self, claim: Claim) -> Proposal:
        """Returns the work of the claimed trial. Raises ClaimLost when another driver has it by now."""
        ...

    def one_history(self) -> AbstractContextManager[None]:
        """Within it, all proposals rest on the trials that had ended at its beginning, which are read once."""
        ...


class SampledSource:
    """Trials that an Optuna sampler proposes from a space.

    Args:
        store: holds the study, and is what the sampler reads.
        study: its seed is the training seeds' too.
        space: decodes choices.
        sampler: a function of (history, trial number), as `nas.strategies` makes them.
        fidelity: of every trial.
    """

    num_trials: int | None = None

    def __init__(
        self, store: Store, study: StudyRecord, space: SearchSpace, sampler: BaseSampler, fidelity: Fidelity
    ) -> None:
        self._space = space
        self._fidelity = fidelity
        self._seed = study.seed or 0
        self._storage, self._sampler, self._holdings = store.optuna, sampler, store.holdings
        self._study = optuna.load_study(study_name=study.name, storage=store.optuna, sampler=sampler)
        self._distributions = {
            choice.name: CategoricalDistribution(choice.options) for choice in space.choices
        }
        self._texts = {name: distribution_to_json(one) for name, one in self._distributions.items()}

    def propose(self, claim: Claim) -> Proposal:
        if all(choice.name in claim.choices for choice in self._space.choices):
            choices = claim.choices
        else:
            choices = self._asked(claim.trial_id)
        values: dict[str, Any] = {choice.name: choices[choice.name] for choice in self._space.choices}
        architecture = self._space.decode(self._space.point(values))
        return Proposal(
            architecture, self._fidelity, training_seed(self._seed, architecture.digest, self._fidelity)
        )

    def one_history(self) -> AbstractContextManager[None]:
        return self._storage.reading_once()

    def _asked(self, trial_id: int) -> Mapping[str, Value]:
        """Does what `Study.ask` and 42 `Trial.suggest_categorical` do, for a trial that has its number already."""
        study = copy.copy(self._study)  # a Study keeps the trials that it has once seen; a copy has seen none
        trial = self._storage.get_trial(trial_id)
        self._sampler.before_trial(study, trial)
        relative = self._sampler.infer_relative_search_space(study, trial)
        values = self._sampler.sample_relative(study, trial, relative)
        values |= trial.system_attrs.get("fixed_params", {})  # as `Study.enqueue_trial` stores them
        values |= trial.params
        for name, distribution in self._distributions.items():
            if name not in values and distribution.single():
                values[name] = distribution.choices[0]
            elif name not in values:
                values[name] = self._sampler.sample_independent(study, trial, name, distribution)
        chosen = {name: values[name] for name in self._distributions}
        if trial_id not in self._holdings.claims:  # reading the history has shown that it is another's
            raise ClaimLost(f"trial {trial.number} went to another driver")
        self._storage.set_trial_params(trial_id, chosen, self._texts)
        return chosen


class ListedSource:
    """Trials that were written down beforehand: trial k measures item k."""

    def __init__(self, items: Sequence[Proposal]) -> None:
        self._items = tuple(items)

    @property
    def num_trials(self) -> int | None:
        return len(self._items)

    def propose(self, claim: Claim) -> Proposal:
        return self._items[claim.number]

    def one_history(self) -> AbstractContextManager[None]:
        return nullcontext()


def training_seed(seed: int, digest: str, fidelity: Fidelity, *, repeat: int = 0) -> int:
    """Returns the seed from which an architecture is trained: the same whenever and wherever it runs.

    Args:
        seed: the study's.
        digest: the architecture's.
        fidelity: at which it is trained.
        repeat: 0 in a search; 1, 2, ... give independent trainings, for the noise.
    """
    text = json.dumps([seed, digest, fidelity.model_dump(), repeat], sort_keys=True)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")


def evaluation_key(proposal: Proposal, data: str, recipe: Recipe) -> EvaluationKey:
    """Returns what the proposal's measurement depends on, and so where it may be used again.

    Args:
        proposal: architecture, fidelity, seed.
        data: the data's fingerprint, which covers content, resolution and splits.
        recipe: how it is trained.
    """
    return EvaluationKey(
        digest=proposal.architecture.digest,
        data=data,
        recipe=canonical(recipe.model_dump()),
        fidelity=canonical(proposal.fidelity.model_dump()),
        seed=proposal.seed,
    )


def canonical(value: Mapping[str, object]) -> str:
    """Returns JSON with sorted keys and no spaces: equal values give equal texts."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
