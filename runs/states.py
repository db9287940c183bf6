"""The states of a trial, the classes of its failures, and which of them are tried again."""

from __future__ import annotations

from enum import StrEnum


class TrialState(StrEnum):
    """QUEUED → LEASED → RUNNING → one of the five finished states, from which nothing leads away."""

    QUEUED = "queued"  # waits for any driver
    LEASED = "leased"  # a driver owns it and is choosing or preparing
    RUNNING = "running"  # its choices are stored and it is being evaluated
    COMPLETE = "complete"
    PRUNED = "pruned"
    FAILED = "failed"
    INFEASIBLE = "infeasible"  # refused by arithmetic, never trained
    CANCELLED = "cancelled"

    @property
    def is_finished(self) -> bool:
        return self not in (TrialState.QUEUED, TrialState.LEASED, TrialState.RUNNING)


class FailureClass(StrEnum):
    """Why an attempt ended without a result; it alone decides whether the trial is tried again."""

    USER_ERROR = "user_error"  # an exception in code that the user gave
    DIVERGED = "diverged"  # NaN or infinite loss or objective
    OOM_DEVICE = "oom_device"
    OOM_HOST = "oom_host"
    TIMEOUT = "timeout"
    PREEMPTED = "preempted"  # the worker's process or node went away
    LOST_LEASE = "lost_lease"  # another driver took the trial over
    CHECKPOINT_CORRUPT = "checkpoint_corrupt"
    STORAGE = "storage"  # database or disk
    INTERNAL = "internal"  # a fault of ours


# Attempts in all that a class allows; classes that are not named are final at once.
MAX_ATTEMPTS: dict[FailureClass, int] = {
    FailureClass.PREEMPTED: 5,
    FailureClass.LOST_LEASE: 25,  # a driver may be killed often while one trial trains on from its checkpoints
    FailureClass.STORAGE: 3,
    FailureClass.OOM_HOST: 2,
    FailureClass.CHECKPOINT_CORRUPT: 2,
}
