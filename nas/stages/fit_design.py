"""What a fit measures: the first design, and what is best measured next, as functions of what is known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from nas.settings import FitSettings
from nas.stages.baseline import Candidate
from nas.stages.scaled_trainings import FIT_REPEATS, ScaledTraining
from scaling_rules import (
    Multipliers,
    RuleFit,
    ScaledPoint,
    ScalingError,
    fit_rule,
    grid_candidates,
    next_points,
)

FIRST_DESIGN = 12  # networks: as many as a surface with interactions needs
LEAST_NETWORKS = {"surface": 8, "grid": 3}
GRID_STEPS = (0.05, 0.1, 0.2, 0.25)  # 111, 22, 6 and 3 networks; the finest that the budget allows is taken
START_UP = (
    3.0  # trainings of the baseline that any training costs besides, as in the designs of docs/scaling.md
)


class SmallBudget(ValueError):
    """A budget from which nothing can be learnt."""


class CoarseBaseline(ValueError):
    """A baseline so small that rounding lets one of its dimensions hardly grow."""


# What is built of each dimension.
_SIZES: tuple[Callable[[Candidate], float], ...] = (
    lambda one: one.built["depth"],
    lambda one: one.built["width"],
    lambda one: one.built["resolution"],
)


def check_budget(chosen: FitSettings) -> None:
    """Raises SmallBudget where nothing can be learnt from so few trainings."""
    least = LEAST_NETWORKS[chosen.method] * chosen.seeds
    if chosen.budget < least:
        raise SmallBudget(
            f"a fit by {chosen.method} needs {LEAST_NETWORKS[chosen.method]} different networks of {chosen.seeds} seeds"
            f" each, {least} trainings, got a budget of {chosen.budget}; raise it"
        )


def decided(
    chosen: FitSettings,
    epochs: int,
    *,
    candidates: Sequence[Candidate],
    planned: Sequence[ScaledTraining],
    points: Sequence[ScaledPoint],
) -> tuple[tuple[ScaledTraining, ...], str]:
    """Returns what is to be trained next, or nothing, and why.

    Args:
        chosen: how the rule is to be found.
        epochs: of each training.
        candidates: what may be measured; nothing for the grid.
        planned: what was decided before, all of it over.
        points: what it gave; a training that failed is not there.

    Raises:
        CoarseBaseline: rounding leaves too few sizes.
        ScalingError: the budget is used, and what was measured shows no rule.
    """
    left = (chosen.budget - len(planned)) // chosen.seeds
    if chosen.method == "grid":
        networks = () if planned else _grid(chosen.budget // chosen.seeds)
        return _repeated(
            networks, planned, chosen.seeds, epochs
        ), f"all {len(planned)} trainings of the grid are done"
    if not planned:
        return _repeated(_first_design(candidates, left), planned, chosen.seeds, epochs), ""
    try:
        found = fit_rule(points)
    except ScalingError:
        if left <= 0:
            raise
        found = None  # as when trainings failed: go on with the design
    if found is not None and found.region <= chosen.region:
        return (), f"the rule is known well enough: {found.region:.1%} of all rules are left"
    if left <= 0:
        return (), f"all {len(planned)} trainings are done"
    networks = _next(candidates, min(chosen.batch, left), points, found)
    return _repeated(networks, planned, chosen.seeds, epochs), ""


def _first_design(candidates: Sequence[Candidate], num: int) -> tuple[Multipliers, ...]:
    """Returns the networks to begin with: the baseline, and those that tell most about all rules.

    Raises:
        CoarseBaseline: rounding leaves fewer than three sizes of a dimension.
    """
    first = min(num, max(FIRST_DESIGN, num // 2))
    known = (ScaledPoint(1.0, 1.0, 1.0, 1.0, 0.0),)
    nominal = [candidates[0].nominal, *_next(candidates, first - 1, known, None)]
    chosen = [next(one for one in candidates if one.nominal == factors) for factors in nominal]
    missing = [one for sizes in _SIZES for one in _further_sizes(candidates, chosen, sizes)]
    return tuple(one.nominal for one in [*chosen[: first - len(missing)], *missing])


def _further_sizes(
    candidates: Sequence[Candidate], chosen: Sequence[Candidate], size: Callable[[Candidate], float]
) -> list[Candidate]:
    """Returns the cheapest networks that bring one dimension to three sizes, from which a curve can be seen."""
    sizes = {round(size(one), 9) for one in chosen}
    cheapest: dict[float, Candidate] = {}
    for one in sorted(candidates, key=lambda one: one.macs):
        if round(size(one), 9) not in sizes:
            cheapest.setdefault(round(size(one), 9), one)
    if len(sizes) + len(cheapest) < 3:
        raise CoarseBaseline(
            "depth, width and resolution must each take three sizes among the networks that may be measured, got"
            f" {len(sizes) + len(cheapest)} of one of them; raise --largest, or lower --divisor"
        )
    return list(cheapest.values())[: 3 - len(sizes)] if len(sizes) < 3 else []


def _next(
    candidates: Sequence[Candidate], num: int, points: Sequence[ScaledPoint], found: RuleFit | None
) -> tuple[Multipliers, ...]:
    """Returns the nominal multipliers of the networks whose measurement narrows the rule most for its cost."""
    built = {
        (one.built["depth"], one.built["width"], one.built["resolution"]): one.nominal for one in candidates
    }
    nearest = next_points(points, num=num, fit=found, fixed_cost=START_UP, candidates=tuple(built))
    return tuple(
        min(built.items(), key=lambda item: _distance(item[0], (one.depth, one.width, one.resolution)))[1]
        for one in nearest
    )


def _distance(first: tuple[float, float, float], second: tuple[float, float, float]) -> float:
    return max(abs(a / b - 1.0) for a, b in zip(first, second, strict=True))


def _grid(num: int) -> tuple[Multipliers, ...]:
    """Returns the paper's grid at twice the cost, as fine as `num` networks allow."""
    grids = [grid_candidates(step=step) for step in GRID_STEPS]
    rows = next(rows for rows in grids if len(rows) <= num)
    return tuple(Multipliers(depth=d, width=w, resolution=r) for d, w, r in rows)


def _repeated(
    networks: Sequence[Multipliers], planned: Sequence[ScaledTraining], num_seeds: int, epochs: int
) -> tuple[ScaledTraining, ...]:
    """Returns the trainings of networks: so many each time that one is named, with seeds that were not used yet."""
    used = Counter((one.depth, one.width, one.resolution) for one in planned)
    trainings = []
    for network in networks:
        factors = network["depth"], network["width"], network["resolution"]
        for _ in range(num_seeds):
            trainings.append(ScaledTraining(*factors, repeat=FIT_REPEATS + used[factors], epochs=epochs))
            used[factors] += 1
    return tuple(trainings)
