"""The ledger of what happened: studies, trials, attempts, results and artifacts. The names a user types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runs.records import (
    PARENTS,
    Claim,
    Evaluation,
    EvaluationKey,
    Finished,
    Outcome,
    Progress,
    Spent,
    Start,
    StudyRecord,
    TrialRecord,
    Violation,
)
from runs.states import MAX_ATTEMPTS, FailureClass, TrialState

if TYPE_CHECKING:
    from runs.store import Store, open_store

__all__ = [
    "PARENTS",
    "MAX_ATTEMPTS",
    "Claim",
    "Evaluation",
    "EvaluationKey",
    "FailureClass",
    "Finished",
    "Outcome",
    "Progress",
    "Spent",
    "Start",
    "Store",
    "StudyRecord",
    "TrialRecord",
    "TrialState",
    "Violation",
    "open_store",
]


def __getattr__(name: str) -> Any:
    """Loads `open_store` and `Store`, and with them sqlalchemy, when they are first asked for."""
    if name in ("Store", "open_store"):
        from runs import store

        return getattr(store, name)
    raise AttributeError(f"module 'runs' has no attribute {name!r}")
