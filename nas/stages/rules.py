"""What holds for every trial of a study, and why a driver came back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nas.reward import Reward
from nas.settings import DataSettings, Recipe
from nas.stages.budget import Budget
from nas.strategies.rungs import Rungs


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
        max_failures: failed trials after which the stage gives up; None: never.
    """

    data: DataSettings
    fingerprint: str
    recipe: Recipe
    reward: Reward
    rungs: Rungs
    budget: Budget
    time_limit_s: float | None = None
    max_failures: int | None = None

    def objectives(
        self, costs: Mapping[str, float], accuracy: float, latency_ms: float | None
    ) -> tuple[float, ...]:
        """Returns what the study is told of a measurement, under the reward."""
        price = costs[self.reward.cost] if self.reward.is_arithmetic else latency_ms
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
