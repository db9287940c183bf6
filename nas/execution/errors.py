"""The one error of opening an executor."""

from __future__ import annotations


class ExecutorError(ValueError):
    """An executor cannot be opened: its kind is unknown, room is missing, or the evaluator cannot travel."""
