"""The ledger of what happened: studies, trials, attempts, results and artifacts. The names a user types."""

from runs.states import MAX_ATTEMPTS, FailureClass, TrialState

__all__ = ["MAX_ATTEMPTS", "FailureClass", "TrialState"]
