"""The fit stage: measures scaled variants of a baseline until the rule by which it should grow is known.

EfficientNet (Tan and Le 2019), section 3.3, asks for alpha, beta and gamma of *your* baseline. Two methods: the paper's
grid at twice the cost, and a response surface over measured costs that chooses by itself what to measure next.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass

from nas.config import default_storage
from nas.interfaces import Evaluator
from nas.settings import Settings
from nas.stages.arms import Bench, Watch, training_evaluator
from nas.stages.baseline import Baseline, baseline_of, stored_baseline
from nas.stages.budget import Budget
from nas.stages.fit_design import check_budget, decided
from nas.stages.forecast import Forecast, forecasts
from nas.stages.longer import check_longer, longer_trainings, trusted
from nas.stages.names import FIT, GRID, LONGER
from nas.stages.preparation import restored_settings
from nas.stages.rules import Ending
from nas.stages.scaled_trainings import Arm, open_arm
from runs import Store, StudyRecord, TrialState, open_store
from runs.errors import StudyMissing
from runs.records import FitRecord
from scaling_rules import (
    RuleFit,
    ScalingError,
    Trust,
    fit_rule,
)

RULE = "rule"  # kind of a stored fit


@dataclass(frozen=True, slots=True)
class FitReport:
    """What a fit found.

    Args:
        study: the study whose baseline it is of.
        baseline: what was scaled.
        ending: why it ended; `stopped` can be gone on with.
        fit: the rule with its uncertainty and the points it rests on; None while there are too few.
        id: of the stored fit.
        forecasts: of the family's sizes, before they are trained; empty by the grid, which predicts nothing.
        num_failed: trainings without a result, which the fit leaves out.
        device_seconds: of training.
        trust: how far short trainings may be trusted; None unless longer ones were asked for and have ended.
        doubt: says why the longer ones tell nothing; empty otherwise.
    """

    study: str
    baseline: Baseline
    ending: Ending
    fit: RuleFit | None
    id: str | None
    forecasts: tuple[Forecast, ...]
    num_failed: int
    device_seconds: float
    trust: Trust | None = None
    doubt: str = ""


def fit(
    study: str,
    *,
    trial: int | None = None,
    storage: str | None = None,
    artifacts: str | None = None,
    changes: Callable[[Settings], Settings] = lambda settings: settings,
    watch: Watch | None = None,
    evaluator: Evaluator | None = None,
) -> FitReport:
    """Finds the rule by which a study's winner should grow; a fit that was stopped goes on.

    Args:
        study: a search, or what `adopt` made of one network.
        trial: of the search, to grow another network than its winner; only where no fit was begun.
        storage: URL of the ledger; None is the default one.
        artifacts: fsspec URL of the artifacts, where they are not beside the ledger.
        changes: of the settings, above all of `settings.fit`.
        watch: is told the plan and the progress, and may ask to stop.
        evaluator: measures networks; None trains them.

    Raises:
        StudyMissing, NoBaseline: there is nothing to grow from.
        SmallBudget, CoarseBaseline: nothing can be learnt from so few trainings, or sizes.
        ScalingError: the measurements do not show a rule, as when every network failed.

    Example:
        >>> fit("digits").fit.rule.alpha
    """
    watch = watch or Watch()
    with opened(study, storage, artifacts) as (store, parent):
        settings = changes(arm_settings(store, parent, (GRID, FIT)))
        method = settings.fit.method
        name = GRID if method == "grid" else FIT
        settings = changes(arm_settings(store, parent, (name,)))
        check_budget(settings.fit)
        check_longer(settings.fit, fit_epochs(settings))
        baseline = arm_baseline(store, parent, name, trial, settings)
        settings = settled(settings, baseline)
        largest = settings.fit.largest if method == "surface" else 2.0
        side = baseline.largest_side(largest * 1.1)
        arm = open_arm(store, parent, name, settings=settings, baseline=baseline, side=side)
        longer = (
            open_arm(store, parent, LONGER, settings=settings, baseline=baseline, side=side)
            if settings.fit.longer
            else None
        )
        watch.plan(_plan(arm))
        evaluator = evaluator or training_evaluator(arm.settings, arm.dataset)
        with closing(Bench(store, settings, evaluator, watch)) as bench:
            ending = _measure(arm, bench)
            if longer is not None and ending.kind == "done":
                ending = _measure_longer(arm, longer, bench) or ending
        arms = [one for one in (arm, longer) if one is not None]
        if ending.kind != "stopped":
            for one in arms:
                store.set_study_state(one.study.id, "finished")
        return _concluded(store, parent, arms, ending)


def fitted(store: Store, study: StudyRecord) -> tuple[RuleFit, FitRecord] | None:
    """Returns the newest fitted rule of a study; None before there is one."""
    newest: tuple[RuleFit, FitRecord] | None = None
    for name in (FIT, GRID):
        try:
            arm = store.study(f"{study.name}.{name}")
        except StudyMissing:
            continue
        for record in store.fits(arm.id):
            if record.kind == RULE and (newest is None or record.created >= newest[1].created):
                newest = RuleFit.from_json(json.dumps(record.fit["rule"])), record
    return newest


@contextmanager
def opened(study: str, storage: str | None, artifacts: str | None) -> Iterator[tuple[Store, StudyRecord]]:
    """Opens the ledger and yields it with a study of it."""
    with open_store(storage or default_storage(), artifacts=artifacts) as store:
        yield store, store.study(study)


def arm_settings(store: Store, parent: StudyRecord, arms: Sequence[str]) -> Settings:
    """Returns the settings that a stage goes on with: those of the first arm that was begun, else its study's."""
    usual = restored_settings(parent)
    for name in arms:
        try:
            begun = restored_settings(store.study(f"{parent.name}.{name}"))
        except StudyMissing:
            continue
        return usual.model_copy(update={"fit": begun.fit, "recipe": begun.recipe, "data": begun.data})
    return usual


def arm_baseline(
    store: Store, parent: StudyRecord, arm: str, trial: int | None, settings: Settings
) -> Baseline:
    """Returns the network that an arm was begun with, else the one that is to be grown now."""
    try:
        begun = store.study(f"{parent.name}.{arm}")
    except StudyMissing:
        return baseline_of(store, parent, trial, divisor=settings.fit.divisor)
    divisor = settings.fit.divisor or begun.settings["fit"]["divisor"]
    stored = stored_baseline(begun.settings, divisor=divisor)
    if trial is not None:
        named = baseline_of(store, parent, trial, divisor=divisor)
        # another network than before is refused by `open_arm`, in its words
        return stored if named.architecture == stored.architecture else named
    return stored


def fit_epochs(settings: Settings) -> int:
    """Returns for how many epochs each network of a fit is trained."""
    return settings.fit.epochs or settings.fidelity.epochs


def settled(settings: Settings, baseline: Baseline) -> Settings:
    """Returns settings as an arm keeps them: with the epochs and the divisor that were left open."""
    chosen = {"epochs": fit_epochs(settings), "divisor": baseline.divisor}
    return settings.model_copy(update={"fit": settings.fit.model_copy(update=chosen)})


def _plan(arm: Arm) -> str:
    chosen, baseline = arm.settings.fit, arm.baseline
    macs = baseline.macs(depth=1.0, width=1.0, resolution=1.0)
    largest = (
        f"up to {chosen.largest:g} times its MACs" if chosen.method == "surface" else "near twice its MACs"
    )
    limits = [
        f"{chosen.budget} trainings of {chosen.epochs} epochs",
        f"then {chosen.longer_networks} each of {' and '.join(map(str, chosen.longer))}"
        if chosen.longer
        else "",
        f"{chosen.hours:g} hours" if chosen.hours else "",
        f"{chosen.device_hours:g} device-hours" if chosen.device_hours else "",
    ]
    stops = (
        f"; stops once at most {chosen.region:.0%} of all rules are left"
        if chosen.method == "surface"
        else ""
    )
    return "\n".join(
        [
            f"grow    {baseline.origin}: {macs:,} MACs at {baseline.architecture.resolution} pixels,"
            f" images served at {arm.settings.data.resolution}",
            f"measure variants {largest}, {chosen.seeds} seeds each, by the {chosen.method}",
            f"budget  {', '.join(filter(None, limits))}{stops}",
        ]
    )


def _measure(arm: Arm, bench: Bench) -> Ending:
    """Measures what is planned, decides what is next, and so on, until the budget or the question is used up."""
    chosen = arm.settings.fit
    candidates = arm.baseline.candidates(chosen.largest) if chosen.method == "surface" else ()
    while True:
        ending = arm.measure(bench, "fit", Budget(None, chosen.hours, chosen.device_hours))
        if ending is not None:
            return ending
        trainings, reason = decided(
            chosen,
            fit_epochs(arm.settings),
            candidates=candidates,
            planned=arm.planned(bench.store),
            points=arm.points(bench.store),
        )
        if not trainings:
            return Ending("done", reason)
        arm.add(bench.store, trainings)


def _measure_longer(arm: Arm, longer: Arm, bench: Bench) -> Ending | None:
    """Trains some of the fit's networks for longer; returns None once all have ended, else why they did not."""
    chosen, planned = arm.settings.fit, longer.planned(bench.store)
    longer.add(bench.store, longer_trainings(chosen, arm.complete(bench.store), planned))
    return longer.measure(bench, LONGER, Budget(None, chosen.hours, chosen.device_hours))


def _concluded(store: Store, parent: StudyRecord, arms: Sequence[Arm], ending: Ending) -> FitReport:
    """Returns the report of a fit and its longer trainings, if any; stores what was found unless it is there."""
    arm, *longer = arms
    chosen, spent = arm.settings.fit, [store.spent(one.study.id) for one in arms]
    try:
        found = fit_rule(arm.points(store, nominal=chosen.method == "grid"), method=chosen.method)
    except ScalingError:
        if len(arm.ended(store)) == len(arm.planned(store)) > 0:
            raise
        found = None  # a limit of time came before enough was measured
    record = None if found is None else _stored(store, arm, found)
    ahead: tuple[Forecast, ...] = ()
    if found is not None and chosen.method == "surface":
        ahead = forecasts(arm.baseline, found, arm.settings.grow)
    trust, doubt = trusted(store, arm, longer[0]) if longer and ending.kind != "stopped" else (None, "")
    return FitReport(
        parent.name,
        arm.baseline,
        ending,
        found,
        None if record is None else record.id,
        ahead,
        sum(one.counts[TrialState.FAILED] for one in spent),
        sum(one.device_seconds for one in spent),
        trust,
        doubt,
    )


def _stored(store: Store, arm: Arm, found: RuleFit) -> FitRecord:
    """Returns the stored fit with its points and the trials behind them; the same fit is stored once."""
    content = {
        "rule": json.loads(found.to_json()),
        "trials": [trial.number for _, trial in arm.complete(store)],
        "baseline": arm.baseline.architecture.digest,
        "origin": arm.baseline.origin,
        "divisor": arm.baseline.divisor,
        "epochs": fit_epochs(arm.settings),
    }
    earlier = [record for record in store.fits(arm.study.id) if record.kind == RULE]
    if earlier and earlier[-1].fit == json.loads(json.dumps(content)):
        return earlier[-1]
    runs = store.runs(arm.study.id)
    return store.add_fit(RULE, content, study_id=arm.study.id, run_id=runs[-1].id if runs else None)
