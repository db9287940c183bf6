"""The one error of opening an executor."""

from __future__ import annotations


class ExecutorError(ValueError):
    """An executor cannot be opened as asked: an unknown kind, missing resources, an evaluator that cannot travel."""
