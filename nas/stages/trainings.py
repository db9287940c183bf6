"""A training in progress, as its driver sees it: whose it is, who waits for it, and what it has used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from nas.interfaces import Progress
from nas.stages.proposals import Proposal
from runs import Claim, EvaluationKey, Start


@dataclass(slots=True)
class Training:
    """A training in progress, and the trials that wait for its result.

    Args:
        claim: the right to it.
        proposal: what is trained.
        key: of the work.
        costs: of its network.
        followers: trials that wait for its result.
        is_pruned: whether its rung has stopped it.
        is_lost: whether another driver has it by now.
        seconds: of its device, at its last report.
        since: when that was, by the driver's clock: the beginning of its present epoch; None before it is sent out.
    """

    claim: Claim
    proposal: Proposal
    key: EvaluationKey
    costs: Mapping[str, float]
    followers: list[Start] = field(default_factory=list)
    is_pruned: bool = False
    is_lost: bool = False
    seconds: float = 0.0
    since: float | None = None

    def hear(self, progress: Progress, now: float) -> float | None:
        """Notes an epoch; returns its seconds, None where an earlier attempt has trained it and it is told again."""
        epoch_s = now - self.since if self.since is not None and progress.seconds > self.seconds else None
        self.seconds, self.since = max(self.seconds, progress.seconds), now
        return epoch_s

    def used_s(self, now: float) -> float:
        """Returns the seconds that it has used; those of its present epoch by the driver's clock."""
        return self.seconds + (0.0 if self.since is None else now - self.since)
