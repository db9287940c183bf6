"""The search stage: from settings to a study whose best trials are known beyond luck.

MnasNet (Tan et al., CVPR 2019), section 3: propose, measure, reward, repeat. Around it: a control arm at equal budget
and repeated trainings of the finalists, so that the report can say whether the search beat chance.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

import numpy as np

from nas.config import default_storage
from nas.evaluation.data import Dataset, load
from nas.interfaces import Evaluator
from nas.reward import Reward
from nas.settings import Settings
from nas.stages.arms import Bench, Elsewhere, Watch, arm_study, revive, training_evaluator
from nas.stages.budget import Budget, counted
from nas.stages.finalists import Finalist, finalists, listed, repeated
from nas.stages.names import CONTROL, FINALISTS
from nas.stages.preparation import (
    changed_versions,
    latency_lookup,
    make_space,
    plan,
    restored_settings,
    storage_url,
    stored_settings,
    study_name,
    with_width,
)
from nas.stages.proposals import ListedSource, SampledSource, Source
from nas.stages.rules import Ending, Rules
from nas.stages.workers import check_workers, size_classes
from nas.strategies.comparison import Comparison, compare
from nas.strategies.registry import make_sampler
from nas.strategies.rungs import make_rungs
from runs import Store, StudyRecord, TrialRecord, open_store
from search_space import Architecture, SearchSpace
from search_space.spaces import SpaceError, difference

logger = logging.getLogger(__name__)


class SpaceChanged(ValueError):
    """A study is resumed with another space or other data than it was begun with."""

    exit_code = 4


class NothingFeasible(ValueError):
    """A search ended without one complete trial."""

    exit_code = 7


@dataclass(frozen=True, slots=True)
class SearchReport:
    """How a search ended.

    Args:
        study: its name.
        reward: under which the finalists are ranked; those of `pareto` by accuracy.
        ending: why it ended; `stopped` can be resumed.
        finalists: the best candidates, best mean reward first; empty when nothing was complete.
        comparison: with the control arm, in rewards; None without one, without repeats, or before they are done.
        device_seconds: of training, all arms and attempts.
    """

    study: str
    reward: Reward
    ending: Ending
    finalists: tuple[Finalist, ...]
    comparison: Comparison | None
    device_seconds: float

    @property
    def winner(self) -> Finalist | None:
        """Returns the candidate with the best mean reward over its seeds."""
        return self.finalists[0] if self.finalists else None


def search(
    settings: Settings,
    *,
    watch: Watch | None = None,
    evaluator: Evaluator | Elsewhere | None = None,
    notes: Mapping[str, object] | None = None,
) -> SearchReport:
    """Runs a new search, and returns when its budget is used or somebody asks to stop.

    Args:
        settings: what is searched for; `settings.search.study` must be a new name.
        watch: is told the plan and the progress, and may ask to stop.
        evaluator: measures candidates; None trains them; or an executor that measures them elsewhere.
        notes: kept with the study, beside its settings.

    Raises:
        StudyExists: resume it instead.
        DataError, SpaceError, SettingsError, ExecutorError, LedgerError: as their sentences say; nothing is spent then.

    Example:
        >>> report = search(Settings())
        >>> report.winner.trial.metrics["accuracy"]
    """
    check_workers(settings.search)
    dataset = load(settings.data)
    settings = with_width(settings, dataset)
    space = make_space(settings, dataset)
    reward = settings.search.make_reward()
    if reward.cost in ("macs", "params"):
        # where nothing costs what is asked for, say so before anything is kept
        _check_target(space, reward)
    latency_lookup(settings, space)  # as for a table that is missing, or of another space
    with open_store(storage_url(settings), artifacts=settings.search.artifacts) as store:
        study = store.create_study(
            study_name(settings),
            directions=reward.directions,
            seed=settings.search.seed,
            space=space.describe(),
            settings={**stored_settings(settings, dataset), **(notes or {})},
        )
        return _run(store, study, settings, dataset, space, watch or Watch(), evaluator)


def _check_target(space: SearchSpace, reward: Reward) -> None:
    try:
        space.sample(np.random.default_rng(0), **{reward.cost: reward.window})
    except SpaceError as error:
        found = str(error).rpartition("; ")[0]
        raise SpaceError(
            f"the target must be near what the space's networks cost, got {reward.target:g} {reward.cost} for"
            f" {space.name} at width {space.width:g} ({found}); choose another --target, --width or --max-cost"
        ) from error


def resume(
    name: str,
    *,
    storage: str | None = None,
    artifacts: str | None = None,
    changes: Callable[[Settings], Settings] = lambda settings: settings,
    watch: Watch | None = None,
    evaluator: Evaluator | Elsewhere | None = None,
    joins: bool = False,
) -> SearchReport:
    """Goes on with a search from nothing but the ledger; a finished one returns its report at once.

    Args:
        name: of the study.
        storage: URL of the ledger; None is the default one.
        artifacts: fsspec URL of the artifacts, where they are not beside the ledger.
        changes: of settings that may change between sessions: budget, workers, executor.
        watch, evaluator: as for `search`.
        joins: whether other drivers may be at work already. Then this one shares the trials of the search and of its
            control, and leaves the finalists to the one that it has joined.

    Raises:
        StudyMissing: there is no such study.
        StudyBusy: another driver is at work, and is not to be joined.
        LoweredBudget: the changed budget is less than what is spent.
        SpaceChanged: the space or the data are not what the study was begun with.
    """
    url = storage or default_storage()
    with open_store(url, artifacts=artifacts) as store:
        study = store.study(name)
        before = restored_settings(study)
        settings = changes(before)
        settings = settings.model_copy(
            update={"search": settings.search.model_copy(update={"storage": url, "artifacts": artifacts})}
        )
        check_workers(settings.search)
        dataset = load(settings.data)
        space = make_space(settings, dataset)
        _check_unchanged(study, space, dataset)
        if (told := changed_versions(study)) is not None:
            logger.warning("%s", told)
        _budget(settings).check_lowered(store.spent(study.id), _budget(before))
        if not joins:
            store.check_idle(study.id)
        store.set_study_settings(study.id, {**study.settings, **stored_settings(settings, dataset)})
        revive(store, study)
        study = store.study(study.id)
        return _run(store, study, settings, dataset, space, watch or Watch(), evaluator, joins=joins)


def _run(
    store: Store,
    study: StudyRecord,
    settings: Settings,
    dataset: Dataset,
    space: SearchSpace,
    watch: Watch,
    evaluator: Evaluator | Elsewhere | None,
    *,
    joins: bool = False,
) -> SearchReport:
    """Runs the arms one after another on one executor: search, control, repeated finalists."""
    chosen, reward = settings.search, settings.search.make_reward()
    places = f"kept    {store.url_safe}; checkpoints and weights in {store.artifacts.url}"
    if chosen.address is not None:
        places += ", which every worker must reach"
    watch.plan(f"{plan(settings, dataset, space)}\n{places}")
    looks_up = reward.is_arithmetic or chosen.latency_table is not None
    evaluator = evaluator or training_evaluator(settings, dataset, measures_latency=not looks_up)
    latency_ms = latency_lookup(settings, space)
    bench = Bench(
        store,
        settings,
        evaluator,
        watch,
        candidates=lambda: size_classes(space, settings, dataset.num_resident_bytes or 0),
        joins=joins,
    )

    def drive(arm: StudyRecord, source: Source) -> Ending:
        return bench.drive("search", arm, source, _rules(settings, dataset, source, latency_ms))

    with closing(bench):
        arms = [study]
        ending = drive(study, _sampled(store, study, settings, space))
        if ending.kind in ("done", "exhausted") and chosen.control != "none":
            control = arm_study(store, study, CONTROL, space=space.describe())
            arms.append(control)
            ending = drive(control, _sampled(store, control, settings, space, strategy=chosen.control))
            if ending.kind != "stopped":
                store.set_study_state(control.id, "finished")
        if joins:  # what follows is a function of all trials, and one driver's
            return report(store, study, ending)
        if ending.kind in ("done", "exhausted") and chosen.repeats > 0:
            wanted = [item for arm in arms for item in repeated(store, arm, reward, chosen)]
            if wanted:
                again = arm_study(store, study, FINALISTS, space=space.describe())
                ended = drive(again, ListedSource(listed(store, again, wanted)))
                if ended.kind != "stopped":
                    store.set_study_state(again.id, "finished")
                ending = ended if ended.kind == "stopped" else ending
    if ending.kind != "stopped":
        store.set_study_state(study.id, "finished")
    return report(store, study, ending)


def report(store: Store, study: StudyRecord, ending: Ending | None = None) -> SearchReport:
    """Returns what is known of a search now, from the ledger alone.

    Raises:
        NothingFeasible: it ended, and no trial was complete.
    """
    settings = restored_settings(study)
    reward = settings.search.make_reward()
    own = finalists(store, study, reward, settings.search)
    control = finalists(store, study, reward, settings.search, arm=CONTROL)
    arms = [study.name, f"{study.name}.{CONTROL}", f"{study.name}.{FINALISTS}"]
    seconds = sum(store.spent(one.id).device_seconds for one in store.studies() if one.name in arms)
    ending = ending or Ending(study.state, f"the study is {study.state}")
    if not own and ending.kind in ("done", "exhausted", "failures"):
        raise NothingFeasible(_nothing(study, store.trials(study.id), ending))
    comparison = None
    if own and control and own[0].repeats and control[0].repeats and reward.kind != "pareto":
        if len(own[0].repeats) > 1 or len(control[0].repeats) > 1:
            is_same = own[0].trial.digest == control[0].trial.digest
            comparison = replace(
                compare([one.repeats for one in own], [one.repeats for one in control]), is_same=is_same
            )
    return SearchReport(study.name, reward, ending, own, comparison, seconds)


def _nothing(study: StudyRecord, trials: Sequence[TrialRecord], ending: Ending) -> str:
    """Returns why a search has no result, and what helps: the recipe where trainings failed, else the limits."""
    rule = f"a search needs one complete trial to have a result, got none in study {study.name!r}"
    failed = [trial for trial in trials if trial.failure_class is not None and trial.reused_from is None]
    if not failed:
        return (
            f"{rule}: {ending.reason}; raise the target or the budget, or look at `nas trials {study.name}`"
        )
    classes = Counter(trial.failure_class.value for trial in failed if trial.failure_class is not None)
    named = ", ".join(f"{count} {name}" for name, count in classes.most_common())
    return (
        f"{rule}: {counted(len(failed), 'trial')} failed ({named}), the first with {failed[0].message!r}; change the"
        f" recipe, such as --learning-rate, or see `nas show {study.name}/{failed[0].number}` and"
        f" `nas trials {study.name}`"
    )


def _sampled(
    store: Store, study: StudyRecord, settings: Settings, space: SearchSpace, *, strategy: str | None = None
) -> SampledSource:
    chosen = settings.search
    sampler = make_sampler(
        strategy or chosen.strategy,
        seed=study.seed or 0,
        space=space,
        reward=chosen.make_reward(),
        num_trials=chosen.trial_limit or 100,
    )
    return SampledSource(store, study, space, sampler, settings.fidelity)


def _rules(
    settings: Settings,
    dataset: Dataset,
    source: Source,
    latency_ms: Callable[[Architecture], float] | None,
) -> Rules:
    """Returns what holds for an arm's trials; those of a list are all trained, and to their end."""
    chosen = settings.search
    return Rules(
        data=settings.data,
        fingerprint=dataset.fingerprint,
        recipe=settings.recipe,
        reward=chosen.make_reward(),
        rungs=make_rungs(
            chosen.pruning if source.num_trials is None else "none", max_epochs=settings.fidelity.epochs
        ),
        budget=_budget(settings) if source.num_trials is None else Budget(source.num_trials),
        time_limit_s=chosen.time_limit_s,
        stall_s=chosen.stall_s,
        max_failures=chosen.max_failures,
        latency_ms=latency_ms,
    )


def _budget(settings: Settings) -> Budget:
    chosen = settings.search
    return Budget(chosen.trial_limit, chosen.hours, chosen.device_hours)


def _check_unchanged(study: StudyRecord, space: SearchSpace, dataset: Dataset) -> None:
    changed = difference(study.space or {}, space.describe())
    if changed:
        raise SpaceChanged(
            f"a study must be resumed with the space it was begun with, got a changed one in {study.name!r}:"
            f" {changed}; undo the change, or start a new study"
        )
    if study.settings.get("fingerprint") != dataset.fingerprint:
        raise SpaceChanged(
            f"a study must be resumed with the data it was begun with, got other images or splits in {study.name!r};"
            " restore them, or start a new study"
        )
