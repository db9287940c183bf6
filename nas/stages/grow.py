"""The grow stage: trains the family, says beforehand how accurate each member will be, and compares.

EfficientNet (Tan and Le 2019), section 3.3, step 2: the fitted rule at larger and larger phi. Beside the fitted rule
any rule of the literature may grow the same baseline to the same cost.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from statistics import fmean

from nas.evaluation.latency import median_ms
from nas.interfaces import Evaluator
from nas.settings import LONGER, Recipe, Settings
from nas.stages.arms import Bench, Watch, training_evaluator
from nas.stages.baseline import Baseline, SmallTarget
from nas.stages.budget import Budget
from nas.stages.committee import committees
from nas.stages.fit import arm_baseline, arm_settings, fit_epochs, fitted, opened, settled
from nas.stages.forecast import (
    COMPOUND,
    Forecast,
    carried_over,
    forecast,
    members,
    missed,
    rule_called,
    size_called,
)
from nas.stages.latency_sizes import Clock, LatencySizes
from nas.stages.names import FIT, GRID, GROW
from nas.stages.rules import Ending
from nas.stages.scaled_trainings import GROW_REPEATS, Arm, ScaledTraining, open_arm, stored_arm
from runs import Store, TrialState
from runs.errors import StudyMissing
from runs.records import FitRecord
from scaling_rules import Committee, Ramp, Regularisation, RuleFit
from search_space import cost

ANCHOR = "phi 0"  # the baseline itself
MOST_DROPOUT = 0.5
MOST_MAGNITUDE = 29.0


class NoFit(ValueError):
    """A family is to follow the fitted rule, and none was fitted."""

    exit_code = 3


@dataclass(frozen=True, slots=True)
class Grown:
    """A member of a family, trained.

    Args:
        forecast: what was expected of it before.
        trials: numbers of its trainings in the family's study.
        accuracies: of them.
        weights: sha256 of each training's weights in the artifact store.
    """

    forecast: Forecast
    trials: tuple[int, ...]
    accuracies: tuple[float, ...]
    weights: tuple[str | None, ...]

    @property
    def mean(self) -> float | None:
        """Returns the mean accuracy; None before a training ended."""
        return fmean(self.accuracies) if self.accuracies else None

    @property
    def num_hits(self) -> int | None:
        """Returns how many trainings ended inside the forecast's interval; None where nothing was forecast."""
        if self.forecast.low is None or self.forecast.high is None:
            return None
        return sum(self.forecast.low <= accuracy <= self.forecast.high for accuracy in self.accuracies)


@dataclass(frozen=True, slots=True)
class GrowReport:
    """A family.

    Args:
        study: the study whose baseline grew.
        baseline: what grew.
        ending: why the stage ended; `stopped` can be gone on with.
        epochs: of each training.
        members: the sizes that were asked for, the cheapest first.
        committees: the trained members one by one, and those of their committees that none beat where they were chosen;
            empty before two are trained.
        fit: id of the stored fit; None where no rule was fitted.
        num_failed: trainings without a result.
        device_seconds: of training, the whole family's.
    """

    study: str
    baseline: Baseline
    ending: Ending
    epochs: int
    members: tuple[Grown, ...]
    committees: tuple[Committee, ...]
    fit: str | None
    num_failed: int
    device_seconds: float


def grow(
    study: str,
    *,
    storage: str | None = None,
    artifacts: str | None = None,
    changes: Callable[[Settings], Settings] = lambda settings: settings,
    watch: Watch | None = None,
    evaluator: Evaluator | None = None,
    clock: Clock | None = None,
) -> GrowReport:
    """Trains the family of a study's winner; one that was stopped goes on, and further sizes may be added.

    Args:
        study: a search, or what `adopt` made of one network.
        storage: URL of the ledger; None is the default one.
        artifacts: fsspec URL of the artifacts, where they are not beside the ledger.
        changes: of the settings, above all of `settings.grow`.
        watch: is told the plan, the forecasts and the progress, and may ask to stop.
        evaluator: trains networks; None trains them as a search does.
        clock: times networks for sizes by their latency; None times them on this machine.

    Raises:
        NoFit: the family is to follow the fitted rule, and none was fitted.
        SmallTarget: a target is below the baseline.
        ScalingError: there is no rule of that name.

    Example:
        >>> grow("digits", changes=lambda s: overlaid(s, {"phi": "0,1"}))
    """
    with opened(study, storage, artifacts) as (store, parent):
        watch = watch or Watch()
        settings = changes(arm_settings(store, parent, (FIT, GRID, GROW)))
        known = fitted(store, parent)
        if known is None and COMPOUND in settings.grow.rule:
            raise NoFit(
                f"a family by the rule `compound` needs a fit, got none of {study!r}; run `nas fit {study}`,"
                " or name a rule of the literature"
            )
        baseline = _baseline(store, parent.name, settings, known)
        settings = settled(settings, baseline)
        sizes = LatencySizes(
            baseline,
            _decided(store, parent.name, known[1].id if known else None),
            clock or partial(median_ms, device=settings.grow.latency_device),
            watch.plan,
            as_built=(COMPOUND,) if known is not None and known[0].method == "surface" else (),
        )
        family = _family(baseline, settings, known, sizes)
        side = max([one.resolution for one in family], default=1)
        arm = open_arm(store, parent, GROW, settings=settings, baseline=baseline, side=side)
        watch.plan(_plan(arm, family))
        evaluator = evaluator or training_evaluator(arm.settings, arm.dataset)
        with closing(
            Bench(store, settings, evaluator, watch, num_processes=settings.grow.processes)
        ) as bench:
            ending, expected = _train(arm, bench, family, known, sizes)
        if ending.kind != "stopped":
            store.set_study_state(arm.study.id, "finished")
        return _report(store, parent.name, arm, ending, expected, known)


def _baseline(
    store: Store, study: str, settings: Settings, known: tuple[RuleFit, FitRecord] | None
) -> Baseline:
    """Returns the network that the fit was of; without a fit, the one that a fit would be of."""
    arm = FIT if known is None or known[0].method == "surface" else GRID
    found = arm_baseline(store, store.study(study), arm, None, settings)
    macs = cost(found.architecture).macs
    for what, targets, least in (
        ("macs", settings.grow.macs, macs),
        ("params", settings.grow.params, cost(found.architecture).params),
    ):
        if targets and min(targets) < least:
            raise SmallTarget(
                f"a family grows, so `grow.{what}` must be at least the baseline's {least:,}, got {min(targets):,.0f};"
                " shrink with a negative phi"
            )
    return found


def _decided(store: Store, study: str, fit: str | None) -> tuple[ScaledTraining, ...]:
    """Returns the trainings that earlier sessions have decided on, but for those by another fit's rule."""
    try:
        arm = stored_arm(store, store.study(study), GROW)
    except StudyMissing:
        return ()
    return tuple(one for one in arm.planned(store) if one.fit in (None, fit))


def _family(
    baseline: Baseline,
    settings: Settings,
    known: tuple[RuleFit, FitRecord] | None,
    sizes: LatencySizes,
) -> tuple[Forecast, ...]:
    """Returns the members that are asked for, the cheapest first, with what a training like the fit's would reach."""
    found = known[0] if known else None
    ramps = _ramps(settings)
    family: dict[tuple[str, str], Forecast] = {}
    for name in settings.grow.rule:
        rule = rule_called(name, found)
        fitted_rule = found if name == COMPOUND else None
        for size, member in members(baseline, rule, settings.grow, regularisation=ramps, fitted=fitted_rule):
            called = COMPOUND if size == ANCHOR and COMPOUND in settings.grow.rule else name
            family.setdefault((called, size), forecast(baseline, called, size, member, found))
        for target_ms in settings.grow.latency:
            member, size = sizes.member(name, rule, target_ms, ramps), size_called(target_ms)
            timed = replace(forecast(baseline, name, size, member, found), latency_ms=member.cost)
            family.setdefault((name, size), timed)
    return tuple(sorted(family.values(), key=lambda one: (one.macs, one.rule, one.size)))


def _ramps(settings: Settings) -> Regularisation:
    """Returns how regularisation grows from what the baseline's recipe has."""
    recipe, chosen = settings.recipe, settings.grow
    return Regularisation(
        dropout=Ramp(recipe.dropout, chosen.dropout_step, 0.0, max(MOST_DROPOUT, recipe.dropout)),
        drop_path=Ramp(recipe.drop_path, chosen.drop_path_step, 0.0, max(MOST_DROPOUT, recipe.drop_path)),
        augmentation=Ramp(recipe.magnitude, chosen.magnitude_step, 1.0, MOST_MAGNITUDE),
    )


def _epochs(settings: Settings) -> int:
    return settings.grow.epochs or LONGER * fit_epochs(settings)


def _trainings(
    arm: Arm, one: Forecast, known: tuple[RuleFit, FitRecord] | None
) -> tuple[ScaledTraining, ...]:
    """Returns a member's trainings."""
    recipe, member = arm.settings.recipe, one.member
    return tuple(
        ScaledTraining(
            **member.multipliers,
            repeat=GROW_REPEATS + index,
            epochs=_epochs(arm.settings),
            rule=one.rule,
            size=one.size,
            fit=known[1].id if known and one.rule == COMPOUND else None,
            expected=one.accuracy,
            expected_low=one.low,
            expected_high=one.high,
            latency_ms=one.latency_ms,
            dropout=_changed(recipe.dropout, member.dropout),
            drop_path=_changed(recipe.drop_path, member.drop_path),
            magnitude=_magnitude(recipe, member.augmentation),
        )
        for index in range(arm.settings.grow.seeds)
    )


def _changed(usual: float, grown: float) -> float | None:
    return None if math.isclose(usual, grown, abs_tol=1e-4) else round(grown, 4)


def _magnitude(recipe: Recipe, grown: float) -> int | None:
    return round(grown) if recipe.augmentation == "rand" and round(grown) != recipe.magnitude else None


def _train(
    arm: Arm,
    bench: Bench,
    family: Sequence[Forecast],
    known: tuple[RuleFit, FitRecord] | None,
    sizes: LatencySizes,
) -> tuple[Ending, tuple[Forecast, ...]]:
    """Trains the baseline, says what to expect of the rest, and trains the rest."""
    parent = known[1].run_id if known else None
    is_longer = known is not None and _epochs(arm.settings) != fit_epochs(arm.settings)
    anchors = [one for one in family if one.size == ANCHOR]
    if is_longer and not anchors:
        only = {"phi": (0.0,), "macs": (), "params": (), "latency": (), "rule": arm.settings.grow.rule[:1]}
        anchored = arm.settings.model_copy(update={"grow": arm.settings.grow.model_copy(update=only)})
        anchors = list(_family(arm.baseline, anchored, known, sizes))
        family = (*anchors, *family)
    if is_longer:  # nothing is forecast of the baseline, whose own trainings the forecasts rest on
        anchors = [one.expecting_nothing() for one in anchors]
    _decide(arm, bench.store, [item for one in anchors for item in _trainings(arm, one, known)])
    ending = arm.measure(bench, GROW, Budget(), parent=parent)
    expected = _longer(arm, bench.store, family, anchors, known) if known and is_longer else tuple(family)
    if ending is None:
        bench.watch.plan(_announcement(expected))
        _decide(arm, bench.store, [item for one in expected for item in _trainings(arm, one, known)])
        ending = arm.measure(bench, GROW, Budget(), parent=parent)
    return ending or Ending("done", "all members are trained"), expected


def _decide(arm: Arm, store: Store, trainings: Sequence[ScaledTraining]) -> None:
    planned = arm.planned(store)
    new = [training for training in trainings if training not in planned]
    if new:
        arm.add(store, new)


def _longer(
    arm: Arm,
    store: Store,
    family: Sequence[Forecast],
    anchors: Sequence[Forecast],
    known: tuple[RuleFit, FitRecord],
) -> tuple[Forecast, ...]:
    """Returns the forecasts carried over to the longer training, by what the baseline gained from it."""
    wanted = [item for one in anchors for item in _trainings(arm, one, known)]
    observed = [trial.metrics["accuracy"] for training, trial in arm.complete(store) if training in wanted]
    return tuple(
        carried_over(one, known[0], observed) if observed and one.size != ANCHOR else one.expecting_nothing()
        for one in family
    )


def _plan(arm: Arm, family: Sequence[Forecast]) -> str:
    chosen = arm.settings.grow
    sizes = ", ".join(f"{one.rule} {one.size} ({one.macs:,} MACs)" for one in family)
    recipe = arm.settings.recipe
    steps = [
        f"dropout by {chosen.dropout_step:g}" if chosen.dropout_step else "",
        f"drop-path by {chosen.drop_path_step:g}" if chosen.drop_path_step else "",
        f"magnitude by {chosen.magnitude_step:g}"
        if chosen.magnitude_step and recipe.augmentation == "rand"
        else "",
    ]
    rising = ", ".join(filter(None, steps))
    seeds = f"{chosen.seeds} seeds" if chosen.seeds > 1 else "1 seed"
    return "\n".join(
        [
            f"grow    {arm.baseline.origin} to {sizes}",
            f"train   {_epochs(arm.settings)} epochs, {seeds} each"
            + (f"; with each doubling of the cost rises {rising}" if rising else ""),
            *filter(None, [missed(one, arm.baseline) for one in family]),
        ]
    )


def _announcement(expected: Sequence[Forecast]) -> str:
    """Returns the forecasts in words, before the members are trained."""
    lines = [
        f"expect  {one.rule} {one.size}: {one.accuracy:.4f} ({one.low:.4f} to {one.high:.4f})"
        for one in expected
        if one.accuracy is not None and one.size != ANCHOR
    ]
    return "\n".join(lines) or "expect  nothing: no surface was fitted, so no accuracy can be forecast"


def _report(
    store: Store,
    study: str,
    arm: Arm,
    ending: Ending,
    expected: Sequence[Forecast],
    known: tuple[RuleFit, FitRecord] | None,
) -> GrowReport:
    """Returns what the ledger has of the members that are asked for."""
    complete, spent = arm.complete(store), store.spent(arm.study.id)
    grown = []
    for one in expected:
        wanted = _trainings(arm, one, known)
        trials = [trial for training, trial in complete if training in wanted]
        grown.append(
            Grown(
                one,
                tuple(trial.number for trial in trials),
                tuple(trial.metrics["accuracy"] for trial in trials),
                tuple(trial.weights for trial in trials),
            )
        )
    return GrowReport(
        study,
        arm.baseline,
        ending,
        _epochs(arm.settings),
        tuple(grown),
        committees(store, arm) if ending.kind == "done" else (),
        known[1].id if known else None,
        spent.counts[TrialState.FAILED],
        spent.device_seconds,
    )
