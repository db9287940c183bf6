"""A Ray cluster inside one process, to which harm is done while a search runs on it."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

import ray
from ray import cloudpickle
from ray.cluster_utils import Cluster

from nas.execution import open_executor, ray_pool
from nas.interfaces import Evaluator, Executor
from nas.stages.history import History
from tests.fakes.histories import say

NUM_BEFORE = 3  # trials that end before the harm is done


class HarmedCluster:
    """A head without room for workers and two nodes with room for one each.

    Args:
        harm: the name of a method below, or nothing.
    """

    def __init__(self, harm: str) -> None:
        self._cluster = Cluster(
            initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False}
        )
        self._nodes: list[Any] = [self._cluster.add_node(num_cpus=1) for _ in range(2)]
        self._harm: Callable[[], None] | None = getattr(self, f"_{harm}") if harm else None
        self._most_slots = 0
        self._is_gone = False

    def executor(self, evaluator: Evaluator) -> Executor:
        """Opens a pool that follows the cluster."""
        for module in ("tests.fakes.ledger_driver", "__main__", "tests.fakes.histories"):
            if module in sys.modules:
                cloudpickle.register_pickle_by_value(sys.modules[module])
        ray_pool.FOLLOW_S, ray_pool.LOST_S = 0.5, 3.0
        self._executor = open_executor("ray", evaluator, num_workers=None, address=self._cluster.address)
        return self._executor

    def watch(self, history: History) -> None:
        """Does the harm when it is time, once."""
        self._most_slots = max(self._most_slots, self._executor.num_slots)
        ended = sum(trial.state.is_finished for trial in history.trials)
        if self._harm is not None and ended >= NUM_BEFORE:
            harm, self._harm = self._harm, None
            harm()
            say("info", "harmed")

    def close(self) -> None:
        """Ends the cluster."""
        say("info", "slots", most=self._most_slots)
        if self._is_gone:  # a farewell would wait for it
            for node in [self._cluster.head_node, *self._nodes]:
                node.kill_all_processes(check_alive=False, allow_graceful=False)
            return
        ray.shutdown()
        self._cluster.shutdown()

    def _lose_a_node(self) -> None:
        self._cluster.remove_node(self._nodes.pop(), allow_graceful=False)
        self._nodes.append(self._cluster.add_node(num_cpus=1))

    def _join_nodes(self) -> None:
        self._nodes += [self._cluster.add_node(num_cpus=1) for _ in range(2)]

    def _kill_raylet(self) -> None:
        node = self._nodes[-1]
        [process] = node.all_processes["raylet"]
        os.kill(process.process.pid, signal.SIGKILL)

    def _kill_everything(self) -> None:
        self._is_gone = True
        for node in [self._cluster.head_node, *self._nodes]:
            for kind in ("gcs_server", "raylet"):
                for process in node.all_processes.get(kind, []):
                    os.kill(process.process.pid, signal.SIGKILL)
