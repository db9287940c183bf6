"""The errors of executors: what cannot be opened, and what is gone while it is used."""

from __future__ import annotations


class ExecutorError(ValueError):
    """An executor cannot be opened: its kind is unknown, room is missing, or the evaluator cannot travel."""


class ClusterLost(RuntimeError):
    """All of Ray is gone under a running executor: no task in hand can end any more, and none can be started."""

    exit_code = 5
