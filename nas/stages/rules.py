"""What holds for every trial of a study, and why a driver came back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from nas.reward import Reward
from nas.settings import DataSettings, Recipe
from nas.stages.budget import Budget, counted
from nas.strategies.rungs import Rungs
from runs import Spent, TrialState
from search_space import Architecture, Cost, cost


@dataclass(frozen=True, slots=True)
class Rules:
    """What holds for every trial of a study.

    Args:
        data: where the images come from; `fingerprint` names their content and splits.
        recipe: how networks are trained.
        reward: what a measurement is worth, and which cost is too dear.
        rungs: which trainings are stopped early.
        budget: what may be spent.
        time_limit_s: after which one training is given up.
        stall_s: without a finished epoch, after which a worker is taken for lost; None: follows the epochs so far.
        max_failures: failed trials after which the stage gives up; None: never.
        latency_ms: looks a network's latency up before it is trained; None: it is measured afterwards, if at all.
    """

    data: DataSettings
    fingerprint: str
    recipe: Recipe
    reward: Reward
    rungs: Rungs
    budget: Budget
    time_limit_s: float | None = None
    stall_s: float | None = None
    max_failures: int | None = None
    latency_ms: Callable[[Architecture], float] | None = None

    def costs(self, architecture: Architecture) -> dict[str, float]:
        """Returns what is known of a network's costs before it is trained."""
        price = cost(architecture)
        costs = {name: float(getattr(price, name)) for name in Cost.__dataclass_fields__}
        return costs if self.latency_ms is None else costs | {"latency_ms": self.latency_ms(architecture)}

    def too_many_failures(self, spent: Spent) -> str | None:
        """Returns how many trials failed and how many may, in words; None while it is no more."""
        failed, allowed = spent.counts[TrialState.FAILED], self.max_failures
        if allowed is None or failed <= allowed:
            return None
        return f"{counted(failed, 'trial')} failed, and {allowed} {'is' if allowed == 1 else 'are'} allowed"

    def objectives(
        self, costs: Mapping[str, float], accuracy: float, latency_ms: float | None
    ) -> tuple[float, ...]:
        """Returns what the study is told of a measurement, under the reward."""
        price = costs.get(self.reward.cost, latency_ms)
        if price is None:
            raise ValueError(
                f"the reward counts {self.reward.cost}, which was not measured; let the evaluator measure it"
            )
        return self.reward.objectives(accuracy, price)


@dataclass(frozen=True, slots=True)
class Ending:
    """Why a driver came back.

    `kind`: `done` (all trials of the source, or the budget, are used), `exhausted` (the source proposes nothing new),
    `stopped` (on request) or `failures` (more than allowed).
    """

    kind: str
    reason: str


STOPPED = Ending("stopped", "a stop was asked for")  # of this driver
ENDED_BY_STATE = {  # of all drivers of a study, by the state that it was given
    "stopped": Ending("stopped", "`nas stop` asked for it"),
    "cancelled": Ending("stopped", "`nas cancel` asked for it"),
}
