"""Runs tasks in this process or on a pool of Ray actors. The names a user types; Ray loads on first use."""

from nas.execution.registry import open_executor

__all__ = ["open_executor"]
