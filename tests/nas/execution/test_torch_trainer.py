"""The executor over Ray Train: its contract with two processes a task, and what becomes of a task that loses one."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import ray
from ray import cloudpickle

from nas.evaluation.evaluator import EvaluatorOptions, TrainingEvaluator
from nas.execution import local_ray
from nas.execution.demands import Demands
from nas.execution.errors import ExecutorError
from nas.execution.ray_pool import RayExecutor, open_ray
from nas.execution.torch_trainer import open_ray_train
from nas.interfaces import Event, Executor, Measurement, Progress, Task
from nas.settings import DataSettings, Fidelity, Recipe
from tests.contracts.executor_contract import ExecutorContract, collect, end, finish
from tests.fakes import evaluators
from tests.fakes.evaluators import Scripted, ScriptedOrTrained, task
from tests.fakes.processes import descendants
from tests.fakes.teams import tiny

TOGETHER = Demands(num_processes=2)


@pytest.fixture(scope="module")
def executor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RayExecutor]:
    cloudpickle.register_pickle_by_value(evaluators)
    assert local_ray.connect(None, num_cpus=2, num_gpus=0)
    options = EvaluatorOptions(device="cpu", cache=str(tmp_path_factory.mktemp("images")), num_threads=1)
    evaluator = ScriptedOrTrained(TrainingEvaluator(options))
    with contextlib.closing(open_ray_train(evaluator, demands=TOGETHER)) as opened:
        yield opened
    ray.shutdown()
    cloudpickle.unregister_pickle_by_value(evaluators)


def training(key: str, folder: Path) -> Task:
    """Returns a task of four short epochs that keeps a checkpoint after each."""
    recipe = Recipe(optimizer="sgd", learning_rate=0.02)
    fidelity = Fidelity(epochs=4, share=0.2)
    data = DataSettings(resolution=8)
    return Task(key, tiny().to_json(), data, recipe, fidelity, seed=3, checkpoints=folder.as_uri())


def others(executor: Executor) -> list[int]:
    """Returns the processes of the gang, the one that reports first."""
    first = end(finish(executor, [task("who", "pid")])["who"])
    assert isinstance(first, Measurement)
    found = [pid for pid, line in descendants(os.getpid()).items() if "RayTrainWorker" in line]
    return sorted(found, key=lambda pid: pid != first.num_examples)


class TestRayTrainExecutor(ExecutorContract):
    @pytest.mark.long  # processes start anew for half a minute, as after a stall
    def test_a_task_over_its_time_limit_times_out_and_the_next_one_is_fine(self, executor: Executor) -> None:
        super().test_a_task_over_its_time_limit_times_out_and_the_next_one_is_fine(executor)

    def test_the_processes_of_a_task_are_as_many_as_were_asked_for(self, executor: Executor) -> None:
        assert len(others(executor)) == TOGETHER.num_processes

    def test_a_member_that_loses_a_process_goes_on_from_its_checkpoint_to_the_same_end(
        self, executor: Executor, tmp_path: Path
    ) -> None:
        key = self.key()
        unbroken = finish(executor, [training(key, tmp_path / "unbroken")])[key]
        victim = others(executor)[1]
        executor.submit(training(key, tmp_path / "broken"))
        history: list[Event] = []
        while len(history) < 3:
            history += executor.events(1.0)
        # It stands at its third report or behind it; the first process may yet keep that epoch.
        os.kill(victim, signal.SIGKILL)
        histories = {key: history}
        collect(executor, histories, 1)
        last, expected = end(history), end(unbroken)
        assert isinstance(last, Measurement) and isinstance(expected, Measurement), last
        assert victim not in others(executor)
        assert [event.epoch for event in history if isinstance(event, Progress)] == [1, 2, 3, 4]
        assert expected.resumed_from == 0 and last.resumed_from in (2, 3)
        assert last.loss == pytest.approx(expected.loss, abs=1e-6)
        assert last.accuracy == expected.accuracy
        assert last.weights is not None

    def test_a_process_without_memory_for_its_share_lets_all_take_smaller_parts(
        self, executor: Executor, tmp_path: Path
    ) -> None:
        key = f"starved 10 {self.key()}"
        history = finish(executor, [training(key, tmp_path)])[key]
        last = end(history)
        assert isinstance(last, Measurement), last
        assert last.micro_batch == 7, "a quarter of a share, of 28 to 31 images"
        assert [event.epoch for event in history if isinstance(event, Progress)] == [1, 2, 3, 4]
        assert last.resumed_from == 1 and last.weights is not None
        assert len(others(executor)) == TOGETHER.num_processes, "a new crew serves the next task"


def test_the_plain_pool_refuses_several_processes_a_task() -> None:
    with pytest.raises(ExecutorError, match="choose the executor `ray-train`"):
        open_ray(Scripted(), demands=TOGETHER)
