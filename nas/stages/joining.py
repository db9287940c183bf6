"""Work beside the driver of a study, from another machine, at whatever stage that driver is.

What is trained next in a fit, a sweep or a family is decided by the driver that has the study; it writes its plan into
the ledger before it trains, and whoever joins takes trainings of that plan. So neither can train what the other does,
and what one leaves the other takes over when its lease ends. A search is shared as `nas.stages.search.resume` says.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from contextlib import closing

from nas.evaluation.data import load
from nas.interfaces import Evaluator
from nas.settings import Settings
from nas.stages.arms import Bench, Watch, training_evaluator
from nas.stages.budget import Budget, counted
from nas.stages.fit import opened
from nas.stages.names import CONTROL, FIT, GRID, GROW, LONGER, SWEEP
from nas.stages.rules import ENDED_BY_STATE, STOPPED, Ending
from nas.stages.scaled_trainings import Arm, stored_arm
from nas.stages.search import SpaceChanged, resume
from nas.stages.workers import check_workers
from runs import Store, StudyRecord

JOINED = (FIT, GRID, SWEEP, LONGER, GROW)  # arms whose plan is in the ledger
SEARCH = "search"
GRACE_S = 30.0  # for which nobody need be at work: between two trainings a driver decides, or goes on to the next stage
LOOK_S = 0.5  # between looks at the plan


@dataclasses.dataclass(frozen=True, slots=True)
class JoinReport:
    """What came of joining a driver.

    Args:
        study: that was joined.
        ending: why this driver ended; `stopped` can be joined again.
        num_trained: trainings that this driver brought to a result, by the name of the arm; those of a search are not
            counted.
    """

    study: str
    ending: Ending
    num_trained: dict[str, int]


def stage_at_work(store: Store, study: StudyRecord) -> str | None:
    """Returns the arm of scaled networks that a driver of a study is at work on; None: there is none."""
    arms = [name.removeprefix(f"{study.name}.") for name in store.at_work(study.id)]
    return next((name for name in reversed(arms) if name in JOINED), None)


def join(
    study: str,
    *,
    storage: str | None = None,
    artifacts: str | None = None,
    changes: Callable[[Settings], Settings] = lambda settings: settings,
    watch: Watch | None = None,
    evaluator: Evaluator | None = None,
) -> JoinReport:
    """Works beside the driver of a study, from stage to stage, until that one has ended.

    Args:
        study: whose driver is joined.
        storage: URL of the ledger; None is the default one.
        artifacts: fsspec URL of the artifacts, where they are not beside the ledger.
        changes: of settings that are this machine's: workers and executor.
        watch: is told the plan and the progress, and may ask to stop.
        evaluator: measures networks; None trains them.

    Raises:
        StudyMissing: there is no such study.
        SpaceChanged: this machine has other images under the data's name.

    Example:
        >>> join("digits").num_trained
    """
    watch, num_trained = watch or Watch(), dict[str, int]()
    with opened(study, storage, artifacts) as (store, parent):
        ending, before = Ending("done", f"no driver is at work on {parent.name}"), set[str]()
        while ending.kind == "done" and (name := _awaited(store, parent, before, watch)) is not None:
            before.add(name)
            if name == SEARCH:
                ending = resume(
                    study,
                    storage=storage,
                    artifacts=artifacts,
                    changes=changes,
                    watch=watch,
                    evaluator=evaluator,
                    joins=True,
                ).ending
                continue
            arm = _shared(store, parent, name, changes)
            watch.plan(f"join    {arm.study.name}, whose driver decides what is trained")
            measure = evaluator or training_evaluator(arm.settings, arm.dataset)
            num_processes = arm.settings.grow.processes if name == GROW else 1
            with closing(
                Bench(store, arm.settings, measure, watch, num_processes=num_processes, joins=True)
            ) as bench:
                ending = _share(arm, name, bench, parent)
            num_trained[name] = _num_own(store, arm)
        if ending.kind == "done" and watch.should_stop():
            ending = STOPPED
        return JoinReport(parent.name, ending, num_trained)


def _awaited(store: Store, parent: StudyRecord, before: set[str], watch: Watch) -> str | None:
    """Returns what can be joined now: an arm, or the search, once. After another stage it may take a moment to come.

    Args:
        store: the ledger.
        parent: the study.
        before: what was joined already.
        watch: is told that this driver waits, and may ask to stop.
    """
    patience_s, is_told = GRACE_S if before else 0.0, False
    end = time.monotonic() + patience_s
    while True:
        if (name := stage_at_work(store, parent)) is not None:
            return name
        at_work = set(store.at_work(parent.id))
        if SEARCH not in before and at_work & {parent.name, f"{parent.name}.{CONTROL}"}:
            return SEARCH
        if at_work and before:  # finalists are trained by one
            end = time.monotonic() + patience_s
        if time.monotonic() >= end or watch.should_stop():
            return None
        if not is_told:
            watch.told(
                f"wait    for what the driver of {parent.name} begins next, until it is gone for {GRACE_S:g} s"
            )
            is_told = True
        time.sleep(LOOK_S)


def _shared(store: Store, parent: StudyRecord, name: str, changes: Callable[[Settings], Settings]) -> Arm:
    """Returns an arm as its driver has begun it, with this machine's workers and images."""
    arm = stored_arm(store, parent, name)
    settings = changes(arm.settings)
    check_workers(settings.search)
    dataset = load(settings.data)
    if arm.study.settings.get("fingerprint") != dataset.fingerprint:
        raise SpaceChanged(
            f"whoever joins {arm.study.name!r} must have the images it was begun with, got other images or splits;"
            " give this machine the same data"
        )
    return dataclasses.replace(arm, settings=settings, dataset=dataset)


def _share(arm: Arm, name: str, bench: Bench, parent: StudyRecord) -> Ending:
    """Trains what is planned and not taken, until the arm's driver has ended or gone on to another arm."""
    chosen, store = arm.settings.fit, bench.store
    budget = Budget() if name == GROW else Budget(None, chosen.hours, chosen.device_hours)
    seen = time.monotonic()
    while True:
        if len(arm.ended(store)) < len(arm.planned(store)):
            if (ending := arm.measure(bench, name, budget)) is not None:
                return ending
            seen = time.monotonic()
        state, at_work = store.study(arm.study.id).state, stage_at_work(store, parent)
        if state in ENDED_BY_STATE:
            return ENDED_BY_STATE[state]
        if bench.watch.should_stop():
            return STOPPED
        if at_work == name:
            seen = time.monotonic()
        elif state == "finished" or at_work is not None:
            return Ending("done", f"{_counted(arm, store)} of {arm.study.name} are done")
        elif time.monotonic() - seen > GRACE_S:
            reason = f"{_counted(arm, store)} of {arm.study.name} are done, and its driver is gone"
            return Ending("done", reason)
        time.sleep(LOOK_S)


def _counted(arm: Arm, store: Store) -> str:
    return f"{len(arm.ended(store))} of {counted(len(arm.planned(store)), 'training')}"


def _num_own(store: Store, arm: Arm) -> int:
    """Returns how many of an arm's results came from this process."""
    own = store.tenant.owner.token
    attempts = [store.attempts(trial.id) for _, trial in arm.complete(store)]
    return sum(bool(tried) and tried[-1].owner == own for tried in attempts)
