"""Strategies side by side on synthetic tasks over the MnasNet space: which one is the default.

The accuracy is made up but has the shape of a real one: it saturates with the logarithm of the MACs, every
choice has an effect of its own, neighbouring choices interact, and a measurement has noise. Effects are drawn
from the landscape's seed, so the median is over tasks as well as over searches. A search is judged by the
noise-free reward of the candidate that it measured as best. `plain` is Optuna's sampler alone, which trains
whatever it proposes, without window, repair or refusal by cost.

    python -m benchmarks strategies
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import optuna
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.trial import TrialState

from benchmarks.row import Row
from nas.reward import Reward
from nas.strategies.design import Design
from nas.strategies.registry import DEFAULT_STRATEGY, make_sampler
from search_space.spaces import SearchSpace, open_space

NAME = "strategies"

TARGET_MACS = 10e6
NOISE = 0.01  # standard deviation between seeds of small networks on small data
NUM_SEEDS = 5
Point = tuple[int, ...]
Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Landscape:
    """A made-up accuracy over a space."""

    space: SearchSpace
    effects: tuple[Array, ...]  # per choice [options]
    interactions: tuple[Array, ...]  # per pair of neighbouring choices [options, options]

    def macs(self, point: Point) -> float:
        return float(self.space.costs(np.array([point])).macs[0])

    def accuracy(self, point: Point) -> float:
        """Returns the noise-free accuracy: 0.88 at the target on average; a doubling buys less and less."""
        size = 0.95 - 0.07 * (self.macs(point) / TARGET_MACS) ** -0.6
        own = sum(effect[i] for effect, i in zip(self.effects, point, strict=True))
        pairs = zip(self.interactions, point[:-1], point[1:], strict=True)
        return float(np.clip(size + own + sum(table[i, j] for table, i, j in pairs), 0.0, 1.0))


def landscape(space: SearchSpace, seed: int) -> Landscape:
    """Returns the task of one seed; all choices together have a standard deviation of about 0.02."""
    rng = np.random.default_rng((seed, 1))
    sizes = [len(choice.options) for choice in space.choices]
    spread = 0.02 / np.sqrt(1.5 * len(sizes))
    return Landscape(
        space,
        tuple(rng.normal(0.0, spread, size) for size in sizes),
        tuple(rng.normal(0.0, spread / np.sqrt(2), pair) for pair in zip(sizes[:-1], sizes[1:], strict=True)),
    )


def found(
    sampler: BaseSampler, task: Landscape, reward: Reward, *, num_trials: int, seed: int, refuses: bool
) -> Array:
    """Returns (noisy objective, true accuracy, macs) of every trial that was trained: [trials, 3].

    Args:
        refuses: whether a trial over the reward's limit is told as infeasible instead of being trained.
    """
    rng = np.random.default_rng((seed, 2))
    study = optuna.create_study(directions=reward.directions, sampler=sampler)
    distributions = Design(task.space).distributions
    rows = []
    for _ in range(num_trials):
        trial = study.ask(distributions)
        point = task.space.point(trial.params)
        macs = task.macs(point)
        if refuses and macs > reward.limit:
            trial.set_constraint("macs", macs / reward.limit - 1.0)
            study.tell(trial, state=TrialState.PRUNED)
            continue
        accuracy = task.accuracy(point)
        objectives = reward.objectives(accuracy + rng.normal(0.0, NOISE), macs)
        rows.append((objectives[0], accuracy, macs))
        study.tell(trial, objectives)
    return np.array(rows).reshape(-1, 3)


def score(rows: Array, reward: Reward) -> float:
    """Returns the true reward of the trial measured as best; for pareto, the true front's hypervolume."""
    if not len(rows):
        return 0.0
    if reward.kind == "pareto":
        return hypervolume(rows[:, 1], rows[:, 2] / reward.limit)
    best = rows[np.argmax(rows[:, 0])]
    return reward.scalar(best[1], best[2])


def hypervolume(accuracies: Array, costs: Array) -> float:
    """Returns the area dominated, with accuracy from 0.8 to 1 and the logarithm of cost from 1/8 to 1."""
    order = np.argsort(costs)
    heights = np.maximum.accumulate(np.maximum(accuracies[order] - 0.8, 0.0)) / 0.2
    depths = np.clip(np.log(costs[order]) / np.log(8.0), -1.0, 0.0)
    return float(np.sum(heights * np.diff(np.append(depths, 0.0))))


def progress(name: str, reward: Reward, num_trials: int, seed: int) -> Array:
    """Returns the score after each trained trial: [trials]."""
    space = open_space("mnasnet", resolution=32, num_classes=10, width=0.5)
    is_plain = name in PLAIN
    sampler = (
        PLAIN[name](seed)
        if is_plain
        else make_sampler(name, seed=seed, space=space, reward=reward, num_trials=num_trials)
    )
    rows = found(
        sampler, landscape(space, seed), reward, num_trials=num_trials, seed=seed, refuses=not is_plain
    )
    return np.array([score(rows[:n], reward) for n in range(1, len(rows) + 1)])


def rows_of(kind: str, names: Sequence[str], *, num_trials: int, seeds: Sequence[int]) -> list[Row]:
    """Returns each strategy's final score beside plain TPE's, and the trials it needs for plain TPE's."""
    reward = Reward(kind, TARGET_MACS)
    peers = np.array([progress("plain tpe", reward, num_trials, seed)[-1] for seed in seeds])
    rows = []
    for name in names:
        curves = [progress(name, reward, num_trials, seed) for seed in seeds]
        ours = float(np.median([curve[-1] for curve in curves]))
        peer = float(np.median(peers))
        rows.append(
            Row(f"{kind} score of {name} after {num_trials} trials", ours, peer, ours / peer, None, None)
        )
        reached = [
            int(np.argmax(curve >= goal)) + 1 if (curve >= goal).any() else num_trials
            for curve, goal in zip(curves, peers, strict=True)
        ]
        needed = float(np.median(reached))
        gain = num_trials / needed
        target = 2.0 if name == DEFAULT_STRATEGY else None
        met = None if target is None else gain >= target
        what = f"{kind} trials {name} needs for the score of plain tpe"
        rows.append(Row(what, needed, num_trials, gain, target, met, "trials"))
    return rows


def run(*, num_trials: int = 100, num_seeds: int = NUM_SEEDS) -> list[Row]:
    """Returns the comparison over all rewards."""
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        return [
            row
            for kind in KINDS
            for row in rows_of(kind, NAMES, num_trials=num_trials, seeds=range(num_seeds))
        ]
    finally:
        optuna.logging.set_verbosity(verbosity)


NAMES = ("plain random", "random", "tpe", "nsga2", "nsga3", "evolution")  # gp takes seconds a trial
KINDS = ("soft", "hard", "pareto")
PLAIN: dict[str, Callable[[int], BaseSampler]] = {
    "plain random": lambda seed: RandomSampler(seed=seed),
    "plain tpe": lambda seed: TPESampler(seed=seed),
}
