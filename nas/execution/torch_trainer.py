"""The executor for few, long trainings: each task runs on several processes at once, by Ray Train.

A slot of the pool is a leader, an actor without a core of its own, and one run of `ray.train.torch.TorchTrainer`,
whose processes Ray places all or none (one placement group) and connects (NCCL on GPUs, gloo on CPUs). The run serves
many tasks, because starting one costs seconds. When a process dies, Ray Train ends the others and starts a new crew;
that takes up the task in hand from its last sound checkpoint. Checkpoints are the evaluator's own, in the artifact
store: nothing is kept by Ray.
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
import uuid
from collections.abc import Callable
from functools import partial
from typing import Any

import ray
import ray.train
import ray.train.collective
import ray.train.torch
from ray.core.generated import gcs_pb2
from ray.util.placement_group import PlacementGroup, remove_placement_group

from nas.execution.demands import Demands
from nas.execution.failures import failure
from nas.execution.gang import Gang
from nas.execution.ray_pool import RayExecutor
from nas.execution.worker import Worker
from nas.interfaces import Evaluator, Event, Failure, Measurement, Progress, Task

LOOK_S = 0.5  # how often Ray Train looks whether all processes live

_SETTINGS = {
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": str(LOOK_S),
    "RAY_TRAIN_METRICS_ENABLED": "0",
    "RAY_TRAIN_ENABLE_PRINT_PATCH": "0",
    "RAY_TRAIN_ENABLE_CONTROLLER_STRUCTURED_LOGGING": "0",
    "RAY_TRAIN_ENABLE_WORKER_STRUCTURED_LOGGING": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",  # a path that is given relative stays what it was
}


class Leader:
    """The actor of a slot: what `nas.execution.ray_slot.WorkerActor` is to one process, to several."""

    def __init__(self, demands: Demands) -> None:
        os.environ.update(_SETTINGS)
        self._demands = demands
        self._gang = Gang(ray.kill, _lives)

    def load(self, evaluator: list[Any]) -> Failure | None:
        """Starts the processes and loads the evaluator there; returns a problem."""
        me = ray.get_runtime_context().current_actor
        trainer = _trainer(partial(_serve, me, evaluator), self._demands)
        threading.Thread(target=_run, args=(trainer,), name="ray-train", daemon=True).start()
        while not self._gang.wait_until_ready(LOOK_S):
            _free_what_is_left()
        return self._gang.problem

    def start(self, task: Task) -> tuple[Event, float]:
        """Runs `task` to its first event."""
        self._gang.start(task)
        return self._gang.event()

    def proceed(self, go_on: bool) -> tuple[Event, float]:
        """Runs the task from the report that it stands at to its next event."""
        self._gang.proceed(go_on)
        return self._gang.event()

    def join(self, name: str, rank: int, size: int, member: Any, problem: Failure | None) -> None:
        """See `Gang`."""
        self._gang.join(name, rank, size, member, problem)

    def work(self, name: str, rank: int) -> Task | None:
        """See `Gang`."""
        return self._gang.work(name, rank)

    def tell(self, name: str, rank: int, event: Event, seconds: float) -> bool:
        """See `Gang`."""
        return self._gang.tell(name, rank, event, seconds)


class _OnDevice:
    """An evaluator on this process's own GPU: Ray Train shows a process all that its node's processes have."""

    def __init__(self, evaluator: Evaluator, device: Any) -> None:
        self._evaluator, self._device = evaluator, device

    def evaluate(self, task: Task, report: Callable[[Progress], bool]) -> Measurement:
        if self._device.type == "cuda":
            sys.modules["torch"].cuda.set_device(self._device)  # of this thread, which serves all tasks
        return self._evaluator.evaluate(task, report)


def _trainer(serve: Callable[[], None], demands: Demands) -> Any:
    """Returns the run that has all of a slot's processes, without end and without a limit of losses."""
    resources: dict[str, float] = {"CPU": demands.num_cpus, **demands.resources}
    if demands.num_gpus:
        resources["GPU"] = demands.num_gpus
    if demands.memory_bytes is not None:
        resources["memory"] = demands.memory_bytes
    untyped_train: Any = ray.train
    return ray.train.torch.TorchTrainer(
        serve,
        scaling_config=untyped_train.ScalingConfig(
            num_workers=demands.num_processes,
            use_gpu=demands.num_gpus > 0,
            resources_per_worker=resources,
            label_selector=dict(demands.labels) or None,
        ),
        run_config=untyped_train.RunConfig(
            name=f"nas-{uuid.uuid4().hex}",
            storage_path=tempfile.gettempdir(),  # for a marker: no checkpoint goes through Ray
            failure_config=untyped_train.FailureConfig(max_failures=-1),
        ),
    )


def _run(trainer: Any) -> None:
    """Runs the processes; should that ever end, so does this one, and the pool knows that the slot is lost."""
    try:
        trainer.fit()
    finally:
        os._exit(1)


def _lives(process: Any) -> bool:
    """Whether Ray knows an actor to be alive."""
    untyped_ray: Any = ray
    messages: Any = gcs_pb2
    found = untyped_ray._private.state.state.get_actor_info(process._actor_id)
    return (
        found is not None and messages.ActorTableData.FromString(found).state != messages.ActorTableData.DEAD
    )


def _free_what_is_left() -> None:
    """Gives the room of killed leaders' processes back, which Ray keeps for as long as the job runs.

    Ray Train has a cleaner for it, but that asks Ray's dashboard who lives, which `ray[default]` alone has.
    """
    untyped_ray: Any = ray
    messages: Any = gcs_pb2
    job = untyped_ray.get_runtime_context().get_job_id()
    state = untyped_ray._private.state.state._connect_and_get_accessor()
    for raw in state.get_placement_group_table():
        group = messages.PlacementGroupTableData.FromString(raw)
        is_removed = group.state == messages.PlacementGroupTableData.REMOVED
        maker = untyped_ray.ActorID(group.creator_actor_id)
        if is_removed or maker.is_nil() or not group.creator_actor_dead or group.creator_job_id.hex() != job:
            continue
        if messages.ActorTableData.FromString(state.get_actor_info(maker)).class_name == "TrainController":
            remove_placement_group(PlacementGroup(untyped_ray.PlacementGroupID(group.placement_group_id)))


def _serve(leader: Any, evaluator: list[Any]) -> None:
    """Is each process: evaluates the leader's tasks, one after another, and does as it says after each epoch."""
    untyped_train: Any = ray.train
    context = untyped_train.get_context()
    rank, size = context.get_world_rank(), context.get_world_size()
    name = untyped_train.collective.broadcast_from_rank_zero(uuid.uuid4().hex)
    problem, worker = None, None
    try:
        device = untyped_train.torch.get_device()
        worker = Worker(_OnDevice(ray.get(evaluator[0]), device))
    except Exception as error:  # the evaluator's own code, at its import
        problem = failure("", error, seconds=0.0)
    ray.get(leader.join.remote(name, rank, size, ray.get_runtime_context().current_actor, problem))
    while worker is not None and (task := ray.get(leader.work.remote(name, rank))) is not None:
        worker.start(task)
        event: Event | None = None
        while event is None or isinstance(event, Progress):
            answer = worker.event()
            assert answer is not None  # there was no time-out
            event, seconds = answer
            goes_on = ray.get(leader.tell.remote(name, rank, event, seconds))
            if isinstance(event, Progress):
                worker.proceed(goes_on)


def open_ray_train(
    evaluator: Evaluator,
    *,
    num_workers: int | None = 1,
    demands: Demands | None = None,
    address: str | None = None,
) -> RayExecutor:
    """Opens a pool whose every task runs on `demands.num_processes` processes. Raises ExecutorError."""
    return RayExecutor(
        evaluator,
        num_workers=num_workers,
        demands=demands or Demands(),
        address=address,
        spawner=_spawn_leaders,
    )


def _spawn_leaders(reference: Any, demands: Demands) -> Callable[[], tuple[Any, Any]]:
    """Returns a function that makes a leader and starts its processes."""
    actor_class: Any = ray.remote(Leader)
    # a thread for each process that waits, and as many for those of a crew before them; one for the pool
    num_threads = 4 * demands.num_processes + 4
    options = {"num_cpus": 0, "max_restarts": 0, "max_task_retries": 0, "max_concurrency": num_threads}

    def spawn() -> tuple[Any, Any]:
        actor = actor_class.options(**options).remote(demands)
        return actor, actor.load.remote([reference])

    return spawn
