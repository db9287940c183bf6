"""Why attempts failed, in plain words; files for machines keep the ledger's own."""

from __future__ import annotations

from runs import FailureClass

FAILURE_WORDS: dict[FailureClass, str] = {
    FailureClass.USER_ERROR: "error in the training code",
    FailureClass.DIVERGED: "diverged",
    FailureClass.OOM_DEVICE: "out of device memory",
    FailureClass.OOM_HOST: "out of host memory",
    FailureClass.TIMEOUT: "took too long",
    FailureClass.PREEMPTED: "worker went away",
    FailureClass.LOST_LEASE: "taken over by another driver",
    FailureClass.CHECKPOINT_CORRUPT: "damaged checkpoint",
    FailureClass.STORAGE: "storage failed",
    FailureClass.INTERNAL: "fault of this program",
}
_BY_NAME: dict[str, str] = {one.value: words for one, words in FAILURE_WORDS.items()}


def outcome_words(name: str) -> str:
    """Returns how an attempt ended as people read it: a failure class in words, all else as it is.

    >>> outcome_words("oom_device"), outcome_words("complete")
    ('out of device memory', 'complete')
    """
    return _BY_NAME.get(name, name)
