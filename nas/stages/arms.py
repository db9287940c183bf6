"""What all stages share: the studies of their arms, the pool of workers, and one driver's session in the ledger."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import Any

from nas.evaluation.data import Carried, Dataset
from nas.evaluation.evaluator import EvaluatorOptions, TrainingEvaluator
from nas.evaluation.probe import Candidates
from nas.execution import open_executor
from nas.interfaces import Evaluator, Executor
from nas.settings import Settings
from nas.stages.budget import Budget, counted
from nas.stages.driver import Driver
from nas.stages.heartbeat import renewed
from nas.stages.history import History
from nas.stages.names import CONTROL
from nas.stages.proposals import Source
from nas.stages.rules import Ending, Rules
from nas.stages.workers import packed, place
from runs import Store, StudyRecord
from runs.errors import StudyExists, StudyMissing
from runs.records import JOINS


@dataclass(frozen=True, slots=True)
class Watch:
    """What a stage tells whoever looks on: plain functions, called from the driver's thread.

    Args:
        plan: is told in words what is going to be done, before it is.
        told: is told in words how fast it went, when a stage has ended.
        progress: is told the name of the arm at work, what it has seen so far, and its limits.
        should_stop: is asked a few times a second; True ends the stage after the running epochs.
    """

    plan: Callable[[str], None] = lambda text: None
    told: Callable[[str], None] = lambda text: None
    progress: Callable[[str, History, Budget], None] = lambda arm, history, budget: None
    should_stop: Callable[[], bool] = lambda: False


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """An executor that somebody else has opened, and will close."""

    executor: Executor


class Bench:
    """Where a stage works: the ledger, the workers, and whoever looks on. To be closed, which ends the workers.

    The workers are started when the first trial wants one, so that a stage that has nothing left to do costs nothing.

    Args:
        store: the ledger.
        settings: say which executor, and how many workers.
        evaluator: of each worker; or an executor in place of workers.
        watch: looks on.
        num_processes: that train one network together; above 1 each worker is a run of Ray Train.
        candidates: what a probe looks at where the settings ask for one; None: the stage has no use for one.
        joins: whether other drivers may be at work on the study already.
    """

    def __init__(
        self,
        store: Store,
        settings: Settings,
        evaluator: Evaluator | Elsewhere,
        watch: Watch,
        *,
        num_processes: int = 1,
        candidates: Callable[[], Candidates] | None = None,
        joins: bool = False,
    ) -> None:
        self.store, self.watch, self._num_processes = store, watch, num_processes
        self._joins, self._is_exclusive = joins, not joins
        self._settings, self._evaluator = settings, evaluator
        self._candidates = candidates
        self._num_gpus_each = 0.0
        self._executor: Executor | None = None

    def close(self) -> None:
        """Ends the workers, where there are some of our own."""
        if self._executor is not None and not isinstance(self._evaluator, Elsewhere):
            self._executor.close()

    def _opened(self) -> Executor:
        """Starts the workers, after it is told which."""
        if isinstance(self._evaluator, Elsewhere):
            return self._evaluator.executor
        chosen = self._settings.search
        why = ""
        if chosen.packing == "probe" and self._candidates is not None:
            chosen, why = packed(chosen, self._candidates())
        elif chosen.packing == "probe":
            why = "not packed: a probe is for candidates of a search"
        placement = place(chosen, num_processes=self._num_processes)
        placement = replace(placement, why=why or placement.why)
        self._num_gpus_each = placement.demands.num_gpus * self._num_processes
        self.watch.plan(placement.words)
        return open_executor(
            chosen.executor if self._num_processes == 1 else "ray-train",
            self._evaluator,
            num_workers=placement.num_workers,
            demands=placement.demands,
            address=chosen.address,
        )

    def drive(
        self, stage: str, study: StudyRecord, source: Source, rules: Rules, *, parent: str | None = None
    ) -> Ending:
        """Runs the trials of one study to their end, under a run of its own in the ledger.

        The run is there before the workers are: from then on everybody sees that the study has a driver.

        Args:
            stage: what the run is called: `search`, `fit`, `grow`.
            study: whose trials these are.
            source: proposes them.
            rules: what holds for each.
            parent: the run that this one builds on.
        """
        # the budget is what `Store.check` compares with what was spent
        given = {**study.settings, "budget": asdict(rules.budget), JOINS: self._joins}
        run = self.store.open_run(study.id, stage, given, parent=parent, is_exclusive=self._is_exclusive)
        self._is_exclusive = False  # it is ours by now; whoever has joined may be at its next arm before us
        status = "failed"
        try:
            if self._executor is None:
                with renewed(self.store, run):  # a probe, or a cluster that grows, may take minutes
                    self._executor = self._opened()
            begun, num_before = time.monotonic(), self._num_ended(study)
            driver = Driver(
                self.store,
                study,
                run,
                source,
                self._executor,
                rules,
                should_stop=self.watch.should_stop,
                watch=lambda history: self.watch.progress(study.name, history, rules.budget),
            )
            ending = driver.drive()
            status = (
                "stopped" if ending.kind == "stopped" else "failed" if ending.kind == "failures" else "done"
            )
            if num_ended := self._num_ended(study) - num_before:
                self.watch.told(self._pace(num_ended, time.monotonic() - begun))
            return ending
        finally:
            self.store.close_run(run.id, status)

    def _num_ended(self, study: StudyRecord) -> int:
        counts = self.store.spent(study.id).counts
        return sum(count for state, count in counts.items() if state.is_finished)

    def _pace(self, num_ended: int, seconds: float) -> str:
        """Returns how many trials an hour ended, in words."""
        assert self._executor is not None
        hourly, number = num_ended / max(seconds, 1e-9) * 3600, self._executor.num_slots
        gpus = number * self._num_gpus_each
        on = counted(number, "worker")
        per_gpu = f", {hourly / gpus:.4g} for each GPU" if gpus else ""
        return f"pace    {counted(num_ended, 'trial')} ended in {seconds:.1f} s: {hourly:.4g} an hour on {on}{per_gpu}"


def arm_study(
    store: Store,
    parent: StudyRecord,
    arm: str,
    *,
    space: Mapping[str, Any],
    settings: Mapping[str, Any] | None = None,
    directions: tuple[str, ...] | None = None,
) -> StudyRecord:
    """Returns the study `PARENT.arm`, made on first use.

    Args:
        store: the ledger.
        parent: the study that the arm belongs to; gives its seed, but to the control, which has one of its own.
        arm: last part of the name.
        space: of the trials; empty where they are not drawn from one.
        settings: stored with a new arm; left out, the parent's.
        directions: of the objectives; left out, the parent's.
    """
    name = f"{parent.name}.{arm}"
    with suppress(StudyMissing):
        return store.study(name)
    with suppress(StudyExists):  # another driver of the study was quicker
        return store.create_study(
            name,
            directions=directions or parent.directions,
            seed=control_seed(parent.seed or 0) if arm == CONTROL else parent.seed or 0,
            space=space,
            settings=parent.settings if settings is None else settings,
        )
    return store.study(name)


def control_seed(seed: int) -> int:
    """Returns the seed of a study's control arm.

    Under the study's own seed a random control would begin with the very proposals of the search; and since training
    seeds follow from it too, neither arm could pay for its own: what one has trained would be the other's for nothing.

    Args:
        seed: the study's.
    """
    return int.from_bytes(hashlib.sha256(f"{seed} {CONTROL}".encode()).digest()[:4], "big")


def revive(store: Store, study: StudyRecord) -> None:
    """Lets a study go on that was paused, stopped or cancelled, its arms too; finished arms stay finished."""
    store.set_study_state(study.id, "active")
    for one in store.studies():
        if one.name.startswith(f"{study.name}.") and one.state in ("paused", "stopped", "cancelled"):
            store.set_study_state(one.id, "active")


def training_evaluator(
    settings: Settings, dataset: Dataset | None = None, *, measures_latency: bool = False
) -> Evaluator:
    """Returns the evaluator that trains; in this process on one thread unless more are asked for, in a pool
    on its workers' cores.

    Args:
        settings: of the stage.
        dataset: what `settings.data` name. It travels to the nodes of a cluster, which so need no way to it, unless it
            is too large to be held in memory: then every node reads it by name.
        measures_latency: whether each finished network is timed.
    """
    is_alone = settings.search.executor == "inline"
    travels = dataset is not None and dataset.num_resident_bytes is not None
    carried = Carried(settings.data, dataset) if dataset and travels and settings.search.address else None
    threads = (settings.search.threads or 1) if is_alone else None
    return TrainingEvaluator(
        EvaluatorOptions(measures_latency=measures_latency, num_threads=threads), carried
    )
