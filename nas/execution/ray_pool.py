"""The executor that runs tasks on a pool of Ray actors: processes of this machine, or of a cluster.

Each slot has at most one call to its actor under way. A call lets the evaluation run to its next event and
returns that event, so an epoch costs one round trip, nothing is polled, and a worker's death is the exception
of exactly one call. Actors serve many tasks: making one costs most of a second, a call about a millisecond.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import ray

from nas.execution import local_ray
from nas.execution.attempt import Attempt
from nas.execution.backlog import Backlog
from nas.execution.demands import Demands
from nas.execution.errors import ClusterLost, ExecutorError
from nas.execution.ray_slot import Slot, WorkerActor
from nas.interfaces import Evaluator, Event, Failure, Task
from runs import FailureClass

MAX_FAILED_STARTS = 5  # in a row, over the whole pool, until a slot is given up
START_TIMEOUT_S = 300.0  # for the first worker: a cluster may have to grow for it
LONGEST_REST_S = 60.0  # between two starts in a slot
FOLLOW_S = 5.0  # between two looks at the cluster: whether its head answers, and which nodes it has
# How long the head may be silent. Ray itself ends this process, without a word to us, when it was so for a minute.
LOST_S = 20.0


_ONE_CORE = Demands()

# From the evaluator's reference and the room of a process to what makes an actor and the call that starts it.
Spawner = Callable[[Any, Demands], Callable[[], tuple[Any, Any]]]


class RayExecutor:
    """Runs up to `num_workers` tasks at once; see `nas.interfaces.Executor` for what it guarantees.

    A worker that dies is replaced: at once when it had started, after a growing rest when it could not start.
    A slot whose workers cannot be started is given up; when none is left, `num_slots` is 0 and waiting tasks
    end as preempted. A slot whose worker finds no room, because a node has left, waits for the next node (and so tells
    an autoscaler that one is wanted); meanwhile it does not count.

    Args:
        evaluator: pickled once, by Ray, for all workers; its arrays lie once on each node, where all workers read
            them.
        num_workers: slots, at least 1; None: as many as the cluster has room for, more when nodes join.
        demands: what each worker needs of its node.
        address: of a running Ray cluster; None starts a private Ray, which ends with the executor.
        spawner: makes workers.

    Raises:
        ExecutorError: the evaluator cannot be pickled, or not be loaded on a worker, or there is no room for
        a worker.
    """

    def __init__(
        self,
        evaluator: Evaluator,
        *,
        num_workers: int | None = 1,
        demands: Demands = _ONE_CORE,
        address: str | None = None,
        spawner: Spawner | None = None,
    ) -> None:
        self._backlog = Backlog()
        self._slots: list[Slot] = []
        self._failed_starts = 0
        self._demands, self._follows = demands, num_workers is None
        self._looked_at = self._heard_at = time.monotonic()
        self._is_silent = False
        wanted = (num_workers or 1) * demands.num_processes
        self._owns_ray = local_ray.connect(
            address, num_cpus=wanted * demands.num_cpus, num_gpus=wanted * demands.num_gpus
        )
        try:
            self._spawn = (spawner or spawn_workers)(_put(evaluator), demands)
            self._slots = [Slot(self._spawn) for _ in range(num_workers or self._room())]
            self._wait_for_first_worker()
        except BaseException:
            self.close()
            raise

    @property
    def num_slots(self) -> int:
        """Slots that have a worker, or will soon have one again; at least 1 while there is hope."""
        usable = sum(not slot.is_stranded for slot in self._slots)
        return usable or min(1, len(self._slots))

    def submit(self, task: Task) -> None:
        """Starts `task` on a free worker, else queues it. Raises DuplicateTask when its key is in hand."""
        self._backlog.add(task)
        self._dispatch()

    def events(self, timeout_s: float) -> Sequence[Event]:
        """Lets every task that stands at a report go on, and returns what happened next.

        Raises:
            ClusterLost: Ray's head has not answered for so long that it is taken for dead.
        """
        try:
            return self._events(timeout_s)
        except ConnectionError as error:  # of Ray's client, whose way to the cluster is cut
            raise self._lost(str(error)) from error

    def _events(self, timeout_s: float) -> Sequence[Event]:
        self._look()
        give_up_at = time.monotonic() + (timeout_s if self._backlog else 0.0)
        for slot in self._slots:
            if slot.attempt is not None and slot.attempt.is_paused:
                slot.answer(self._backlog.goes_on(slot.attempt.task.key))
        while True:
            events = self._happened(max(0.0, give_up_at - time.monotonic()))
            if events or time.monotonic() >= give_up_at:
                return self._backlog.settle(events)

    def stop(self, key: str) -> None:
        """Asks the task to stop: at the report that it stands at, else at its next one."""
        self._backlog.stop(key)

    def close(self) -> None:
        """Ends all workers at once, and Ray with them if this executor started it."""
        for slot in self._slots:
            slot.kill()
        self._slots = []
        if self._owns_ray:
            self._owns_ray = False
            ray.shutdown()

    def _room(self) -> int:
        """Returns how many workers the cluster has room for, at least 1: it may have to grow for the first one."""
        untyped_ray: Any = ray
        return max(1, self._demands.room(untyped_ray.nodes()))

    def _check_room(self, wanted: int) -> None:
        """Refuses what a private Ray will never have; a cluster may still grow."""
        untyped_ray: Any = ray
        room = self._demands.room(untyped_ray.nodes())
        if self._owns_ray and room < wanted:
            raise ExecutorError(
                f"this machine must have room for all workers, got {wanted} with {self._demands} and room for {room};"
                " ask for less, or name a cluster's address"
            )

    def _look(self) -> None:
        """Asks now and then whether the head answers: calls into a Ray without one wait, or end the process."""
        now = time.monotonic()
        if now - self._looked_at < (min(1.0, FOLLOW_S) if self._is_silent else FOLLOW_S):
            return
        self._looked_at = now
        self._is_silent = not local_ray.head_answers()
        if not self._is_silent:
            self._heard_at = now
            self._follow()
        elif now - self._heard_at > LOST_S:
            raise self._lost(f"no answer for {now - self._heard_at:.0f} s")

    def _lost(self, reason: str) -> ClusterLost:
        """Lets go of workers that can be reached no more: they end with their nodes."""
        self._slots = []
        return ClusterLost(
            f"the Ray cluster must answer while it is used, got {reason.strip() or 'a cut connection'};"
            " what was training goes on from its checkpoints once a cluster runs again"
        )

    def _follow(self) -> None:
        """Adds slots when nodes have joined. Those of nodes that have left stay, and wait for others."""
        if not self._follows:
            return
        self._slots += [Slot(self._spawn) for _ in range(self._room() - len(self._slots))]

    def _happened(self, timeout_s: float) -> list[Event]:
        """Waits until something happens in a slot or is due there; returns what the driver must know."""
        events = self._backlog.ended()
        slots_by_call = {slot.call: slot for slot in self._slots if slot.call is not None}
        wait_s = 0.0 if events else min([timeout_s, *(slot.seconds_left for slot in self._slots)])
        for call in _returned(list(slots_by_call), max(0.0, wait_s)):
            slot = slots_by_call[call]
            if slot.attempt is None:
                self._note_start(slot)
            else:
                events.append(slot.event())
        for slot in [] if self._is_silent else self._slots:
            slot.restart_when_due()
            overdue = slot.overdue()
            if overdue is not None:
                events.append(overdue)
        self._dispatch()
        return events

    def _note_start(self, slot: Slot) -> None:
        if slot.started() is None:
            self._failed_starts = 0
            return
        self._failed_starts += 1
        if self._failed_starts >= MAX_FAILED_STARTS:
            self._slots.remove(slot)
        else:
            slot.rest(min(2.0**self._failed_starts, LONGEST_REST_S))

    def _dispatch(self) -> None:
        """Starts waiting tasks on free workers; ends them when there will be no worker any more."""
        for slot in self._slots:
            if slot.is_free and (task := self._backlog.next()) is not None:
                slot.start(task)
        while not self._slots and (task := self._backlog.next()) is not None:
            message = f"a worker must start, got {MAX_FAILED_STARTS} failed starts in a row; see Ray's logs"
            self._backlog.end_without_running(Attempt(task).failed(FailureClass.PREEMPTED, message))

    def _wait_for_first_worker(self) -> None:
        """Proves that the evaluator loads on a worker before anything is spent; others start meanwhile."""
        slots_by_call = {slot.call: slot for slot in self._slots}
        for call in _returned(list(slots_by_call), START_TIMEOUT_S):
            problem = slots_by_call[call].started()
            if problem is not None:
                raise _unloadable(problem)
            return
        untyped_ray: Any = ray
        raise ExecutorError(
            f"a worker with {self._demands} must start within {START_TIMEOUT_S:g} s, got none; ask for less, or "
            f"wait for room: Ray has {untyped_ray.available_resources()} to spare"
        )


def open_ray(evaluator: Evaluator, **options: Any) -> RayExecutor:
    """Opens the pool; see `RayExecutor`. Raises ExecutorError."""
    demands: Demands = options.get("demands") or _ONE_CORE
    if demands.num_processes != 1:
        raise ExecutorError(
            f"a task of the executor `ray` must run on one process, got {demands.num_processes};"
            " choose the executor `ray-train`"
        )
    return RayExecutor(evaluator, **options)


def _put(evaluator: Evaluator) -> Any:
    """Returns the reference of the evaluator in Ray's object store. Raises ExecutorError where it cannot travel."""
    try:
        return ray.put(evaluator)
    except Exception as error:  # whatever its own pickling raises; Ray wraps it in a page of advice
        raise ExecutorError(
            f"the evaluator must be picklable, got {type(evaluator).__name__} ({error.__cause__ or error}); "
            "open files, locks and connections on first use in `evaluate` instead of keeping them"
        ) from error


def spawn_workers(reference: Any, demands: Demands) -> Callable[[], tuple[Any, Any]]:
    """Returns a function that makes an actor and starts to load the evaluator there."""
    actor_class: Any = ray.remote(WorkerActor)
    options = {**demands.options, "max_restarts": 0, "max_task_retries": 0}

    def spawn() -> tuple[Any, Any]:
        actor = actor_class.options(**options).remote(demands.num_cpus)
        return actor, actor.load.remote([reference])

    return spawn


def _returned(calls: list[Any], timeout_s: float) -> list[Any]:
    """Waits for the first of `calls` and returns all that have returned by then."""
    if not calls:
        time.sleep(timeout_s)
        return []
    first, _ = ray.wait(calls, num_returns=1, timeout=timeout_s)
    if not first:
        return []
    returned, _ = ray.wait(calls, num_returns=len(calls), timeout=0)
    return list(returned)


def _unloadable(problem: Failure) -> ExecutorError:
    error = ExecutorError(
        f"the evaluator must load on a worker, got {problem.message.splitlines()[0]}; "
        "install what it imports where the workers run"
    )
    error.add_note(problem.traceback)
    return error
