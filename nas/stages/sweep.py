"""Single-dimension studies: one of depth, width and resolution is scaled alone, to see where it saturates.

EfficientNet (Tan and Le 2019), section 3.2 and figure 3, on the user's own data and baseline.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Literal

import numpy as np

from nas.interfaces import Evaluator
from nas.settings import Settings
from nas.stages.arms import Bench, Watch, training_evaluator
from nas.stages.baseline import Baseline
from nas.stages.budget import Budget
from nas.stages.fit import arm_baseline, arm_settings, fit_epochs, opened, settled
from nas.stages.names import SWEEP
from nas.stages.rules import Ending
from nas.stages.scaled_trainings import FIT_REPEATS, Arm, ScaledTraining, open_arm
from runs import Store
from scaling_rules import LawFit, Multipliers, ScalingError, fit_law
from search_space import cost

LAW = "law"  # kind of a stored fit
DIMENSIONS = ("depth", "width", "resolution")
FAR = 1_000.0  # times the MACs: no saturation that can be spoken of
Shape = Literal["saturates", "rises", "falls"]


class BadSweep(ValueError):
    """A sweep names no dimension, or factors that are none."""


@dataclass(frozen=True, slots=True)
class SweepPoint:
    """One scaled network of a sweep."""

    factor: float  # nominal
    built: float  # what the factor builds
    macs: int
    accuracies: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Curve:
    """What one dimension alone is worth.

    Args:
        dimension: `depth`, `width` or `resolution`.
        points: by rising MACs, the baseline first.
        law: accuracy against multiples of the baseline's MACs; None where the points do not determine one.
        why: says why there is no law; empty where there is one.
    """

    dimension: str
    points: tuple[SweepPoint, ...]
    law: LawFit | None
    why: str = ""

    @property
    def shape(self) -> Shape | None:
        """What may be said of it: it `rises` where no possible limit is determined; None without a law."""
        if self.law is None:
            return None
        limit, exponent = self.law.parameters
        if self.law.law.scales[0] <= 0.0:
            return "falls"
        is_bounded = limit.value <= 1.0 and math.isfinite(limit.high) and exponent.low > 0.0
        return "saturates" if is_bounded and self.law.law.saturation() < FAR else "rises"


@dataclass(frozen=True, slots=True)
class SweepReport:
    """Curves of the dimensions that were asked for."""

    study: str
    baseline: Baseline
    ending: Ending
    curves: tuple[Curve, ...]
    device_seconds: float


def sweep(
    study: str,
    factors: Mapping[str, Sequence[float]],
    *,
    trial: int | None = None,
    storage: str | None = None,
    artifacts: str | None = None,
    changes: Callable[[Settings], Settings] = lambda settings: settings,
    watch: Watch | None = None,
    evaluator: Evaluator | None = None,
) -> SweepReport:
    """Measures networks that are scaled in one dimension alone; what was measured before is not measured again.

    Args:
        study: a search, or what `adopt` made of one network.
        factors: by dimension (`depth`, `width`, `resolution`), each above 0; the baseline is always measured too.
        trial, storage, artifacts, changes, watch, evaluator: as for `fit`.

    Raises:
        BadSweep: a dimension is unknown, or a factor not positive.

    Example:
        >>> sweep("digits", {"width": [1.4, 1.8, 2.6]}).curves[0].law.law.saturation()
    """
    _check(factors)
    with opened(study, storage, artifacts) as (store, parent):
        watch = watch or Watch()
        settings = changes(arm_settings(store, parent, (SWEEP,)))
        baseline = arm_baseline(store, parent, SWEEP, trial, settings)
        settings = settled(settings, baseline)
        side = round(baseline.architecture.resolution * max([*factors.get("resolution", ()), 1.0])) + 1
        arm = open_arm(store, parent, SWEEP, settings=settings, baseline=baseline, side=side)
        wanted = _trainings(arm, factors)
        planned = arm.planned(store)
        arm.add(store, [training for training in wanted if training not in planned])
        watch.plan(
            f"sweep   {baseline.origin}: {len(wanted)} trainings of {fit_epochs(settings)} epochs,"
            f" {settings.fit.seeds} seeds of each network"
        )
        evaluator = evaluator or training_evaluator(arm.settings, arm.dataset)
        with closing(Bench(store, settings, evaluator, watch)) as bench:
            budget = Budget(None, settings.fit.hours, settings.fit.device_hours)
            ending = arm.measure(bench, SWEEP, budget)
        if ending is None or ending.kind != "stopped":
            store.set_study_state(arm.study.id, "finished")
        curves = tuple(_curve(store, arm, dimension) for dimension in factors)
        return SweepReport(
            study,
            baseline,
            ending or Ending("done", f"all {len(wanted)} trainings are done"),
            curves,
            store.spent(arm.study.id).device_seconds,
        )


def _check(factors: Mapping[str, Sequence[float]]) -> None:
    for dimension, values in factors.items():
        if dimension not in DIMENSIONS:
            raise BadSweep(
                f"a sweep must be of {', '.join(DIMENSIONS)}, got {dimension!r}; choose one of them"
            )
        wrong = [value for value in values if not 0.0 < value <= 100.0]
        if wrong or not values:
            given = wrong[0] if wrong else "none"
            raise BadSweep(f"a sweep's factors must lie in (0, 100], got {given}; 1 is the baseline")


def _trainings(arm: Arm, factors: Mapping[str, Sequence[float]]) -> list[ScaledTraining]:
    """Returns the trainings of the baseline and of each factor, `seeds` of each network."""
    networks = [Multipliers(depth=1.0, width=1.0, resolution=1.0)]
    for dimension, values in factors.items():
        for value in sorted(set(values) - {1.0}):
            networks.append(_scaled(dimension, value))
    chosen = arm.settings.fit
    return [
        ScaledTraining(**network, repeat=FIT_REPEATS + seed, epochs=fit_epochs(arm.settings))
        for network in networks
        for seed in range(chosen.seeds)
    ]


def _curve(store: Store, arm: Arm, dimension: str) -> Curve:
    """Returns one dimension's points with the law through them, which is stored."""
    found: dict[float, list[float]] = {}
    for training, trial in arm.complete(store):
        factor = float(getattr(training, dimension))
        if training.multipliers == _scaled(dimension, factor):
            found.setdefault(factor, []).append(trial.metrics["accuracy"])
    points = tuple(_point(arm.baseline, dimension, factor, found[factor]) for factor in sorted(found))
    base = cost(arm.baseline.architecture).macs
    sizes = np.array([point.macs / base for point in points for _ in point.accuracies])
    accuracies = [accuracy for point in points for accuracy in point.accuracies]
    try:
        law = fit_law(sizes, accuracies, variables=("MACs",))
    except ScalingError as error:
        return Curve(dimension, points, None, str(error))
    content = {"law": json.loads(law.to_json()), "dimension": dimension, "origin": arm.baseline.origin}
    if content not in [record.fit for record in store.fits(arm.study.id)]:
        store.add_fit(LAW, content, study_id=arm.study.id)
    return Curve(dimension, points, law)


def _point(baseline: Baseline, dimension: str, factor: float, accuracies: Sequence[float]) -> SweepPoint:
    scaled = _scaled(dimension, factor)
    sizes = baseline.built(**scaled)
    built = dict(zip(DIMENSIONS, (sizes["depth"], sizes["width"], sizes["resolution"]), strict=True))
    return SweepPoint(factor, built[dimension], baseline.macs(**scaled), tuple(accuracies))


def _scaled(dimension: str, factor: float) -> Multipliers:
    """Returns the multipliers that scale one dimension alone."""
    depth, width, resolution = (factor if name == dimension else 1.0 for name in DIMENSIONS)
    return Multipliers(depth=depth, width=width, resolution=resolution)
