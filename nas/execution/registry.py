"""The executors by name: opens the one that the user chose, and imports its library only then."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from nas.execution.demands import Demands
from nas.execution.errors import ExecutorError
from nas.interfaces import Evaluator, Executor

Given = TypeVar("Given")
Found = TypeVar("Found")

# By name, so that Ray is imported when it is asked for and not before.
EXECUTORS: dict[str, str] = {
    "inline": "nas.execution.inline:open_inline",
    "ray": "nas.execution.ray_pool:open_ray",
    "ray-train": "nas.execution.torch_trainer:open_ray_train",
}


def open_executor(
    kind: str,
    evaluator: Evaluator,
    *,
    num_workers: int | None = 1,
    num_cpus_per_worker: int = 1,
    num_gpus_per_worker: float = 0.0,
    address: str | None = None,
    demands: Demands | None = None,
) -> Executor:
    """Returns the executor called `kind` with `evaluator` on each of its workers; close it when done.

    Args:
        kind: `inline` (this process, one worker, for debugging), `ray` (a pool of processes) or `ray-train` (a pool
            whose every task runs on `demands.num_processes` processes at once).
        evaluator: is sent to every worker once.
        num_workers: how many tasks run at once, at least 1; None: as many as the cluster at `address` has room for,
            more when nodes join.
        num_cpus_per_worker: cores, and so threads, of each worker, at least 1.
        num_gpus_per_worker: GPUs of each worker, at least 0; a fraction lets several workers share one.
        address: of a running Ray cluster; None starts a private one, which ends with the executor.
        demands: all that a worker needs, in place of the two numbers.

    Raises:
        ExecutorError: the kind is unknown, or cannot do what is asked, or `evaluator` does not reach its
        workers.

    Example:
        >>> from nas.evaluation.evaluator import TrainingEvaluator
        >>> open_executor("inline", TrainingEvaluator()).close()
    """
    if kind not in EXECUTORS:
        raise ExecutorError(f"an executor must be one of {', '.join(EXECUTORS)}, got {kind!r}")
    if num_workers is None and address is None:
        raise ExecutorError("`num_workers` must be given where there is no cluster, got None; give a number")
    if num_workers is not None and num_workers < 1:
        raise ExecutorError(f"`num_workers` must be at least 1, got {num_workers}; raise it")
    module_name, _, opener = EXECUTORS[kind].partition(":")
    opened: Executor = getattr(importlib.import_module(module_name), opener)(
        evaluator,
        num_workers=num_workers,
        demands=demands or Demands(num_cpus_per_worker, num_gpus_per_worker),
        address=address,
    )
    return opened


def cluster_nodes(address: str) -> Sequence[Mapping[str, Any]]:
    """Joins the cluster at `address` and returns its nodes, as Ray lists them.

    Args:
        address: HOST:PORT, ray://HOST:PORT, or auto: the cluster that this machine is a node of.

    Raises:
        ExecutorError: nothing listens there (told within seconds), or it is no such cluster, or one of other versions.
    """
    nodes: Sequence[Mapping[str, Any]] = importlib.import_module("nas.execution.local_ray").nodes(address)
    return nodes


def on_worker(
    function: Callable[[Given], Found], given: Given, *, demands: Demands, address: str | None = None
) -> Found:
    """Returns what a function returns in a process of its own, where a worker with these demands would run.

    Args:
        function: of a module that workers can import.
        given: its argument.
        demands: what the process needs of its node.
        address: of a running Ray cluster; None starts a private Ray for it.

    Raises:
        ExecutorError: there is no room, or the function raised.

    Example:
        >>> on_worker(probed, candidates, demands=Demands(num_cpus=2)).peak_bytes
    """
    found: Found = importlib.import_module("nas.execution.local_ray").on_worker(
        function, given, demands=demands, address=address
    )
    return found
