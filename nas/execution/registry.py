"""The executors by name: opens the one that the user chose, and imports its library only then."""

from __future__ import annotations

import importlib

from nas.execution.errors import ExecutorError
from nas.interfaces import Evaluator, Executor

# By name, so that Ray is imported when it is asked for and not before.
EXECUTORS: dict[str, str] = {
    "inline": "nas.execution.inline:open_inline",
    "ray": "nas.execution.ray_pool:open_ray",
}


def open_executor(
    kind: str,
    evaluator: Evaluator,
    *,
    num_workers: int = 1,
    num_cpus_per_worker: int = 1,
    num_gpus_per_worker: float = 0.0,
    address: str | None = None,
) -> Executor:
    """Returns the executor called `kind` with `evaluator` on each of its workers; close it when done.

    Args:
        kind: `inline` (this process, one worker, for debugging) or `ray` (a pool of processes).
        evaluator: is sent to every worker once.
        num_workers: how many tasks run at once, at least 1.
        num_cpus_per_worker: cores, and so threads, of each worker, at least 1.
        num_gpus_per_worker: GPUs of each worker, at least 0; a fraction lets several workers share one.
        address: of a running Ray cluster; None starts a private one, which ends with the executor.

    Raises:
        ExecutorError: the kind is unknown, or cannot do what is asked, or `evaluator` does not reach its
        workers.

    Example:
        >>> executor = open_executor("inline", evaluator)
    """
    if kind not in EXECUTORS:
        raise ExecutorError(f"an executor must be one of {', '.join(EXECUTORS)}, got {kind!r}")
    for name, value, least in (
        ("num_workers", num_workers, 1),
        ("num_cpus_per_worker", num_cpus_per_worker, 1),
        ("num_gpus_per_worker", num_gpus_per_worker, 0),
    ):
        if value < least:
            raise ExecutorError(f"`{name}` must be at least {least}, got {value}; raise it")
    module_name, _, opener = EXECUTORS[kind].partition(":")
    opened: Executor = getattr(importlib.import_module(module_name), opener)(
        evaluator,
        num_workers=num_workers,
        num_cpus_per_worker=num_cpus_per_worker,
        num_gpus_per_worker=num_gpus_per_worker,
        address=address,
    )
    return opened
