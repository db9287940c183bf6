"""Runs tasks in this process or on a pool of Ray actors. The names a user types; Ray loads on first use."""

from nas.execution.registry import cluster_nodes, on_worker, open_executor

__all__ = ["cluster_nodes", "on_worker", "open_executor"]
