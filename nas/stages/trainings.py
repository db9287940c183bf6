"""A training in progress, as its driver sees it: whose it is, who waits for it, and what it has used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from nas.interfaces import Progress, Task
from nas.stages.proposals import Proposal
from nas.stages.rules import Rules
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
        is_ending: whether no further epoch of it begins: it has had its last one, or was told to stop at its report.
        seconds: of its device, at its last report.
        since: when that was, by the driver's clock: the beginning of its present epoch; None before it is sent out.
        epoch_s: seconds of its device for its latest epoch in this attempt; None before there is one.
    """

    claim: Claim
    proposal: Proposal
    key: EvaluationKey
    costs: Mapping[str, float]
    followers: list[Start] = field(default_factory=list)
    is_pruned: bool = False
    is_lost: bool = False
    is_ending: bool = False
    seconds: float = 0.0
    since: float | None = None
    epoch_s: float | None = None

    def hear(self, progress: Progress, now: float) -> float | None:
        """Notes an epoch; returns its seconds, None where an earlier attempt has trained it and it is told again."""
        is_new = progress.seconds > self.seconds
        if is_new:
            self.epoch_s = progress.seconds - self.seconds
        waited_s = now - self.since if self.since is not None and is_new else None
        self.seconds, self.since = max(self.seconds, progress.seconds), now
        self.is_ending = progress.epoch >= self.proposal.fidelity.epochs
        return waited_s

    def present_epoch_s(self, first_s: float, now: float) -> float:
        """Returns how long its present epoch will take: as long as the one before, or as long as it has taken.

        Args:
            first_s: that a first epoch takes.
            now: by the driver's clock.
        """
        if self.is_ending:
            return 0.0
        elapsed_s = 0.0 if self.since is None else now - self.since
        return max(first_s if self.epoch_s is None else self.epoch_s, elapsed_s)

    def used_s(self, now: float) -> float:
        """Returns the seconds that it has used; those of its present epoch by the driver's clock."""
        return self.seconds + (0.0 if self.since is None else now - self.since)

    def task(self, rules: Rules, *, checkpoints: str, patience_s: float) -> Task:
        """Returns what a worker gets.

        Args:
            rules: what holds for every trial.
            checkpoints: URL of the artifact store.
            patience_s: with a silent worker, where the rules do not say it.
        """
        return Task(
            key=self.key.hash,
            architecture=self.proposal.architecture.to_json(),
            data=rules.data,
            recipe=self.proposal.recipe or rules.recipe,
            fidelity=self.proposal.fidelity,
            seed=self.proposal.seed,
            checkpoints=checkpoints,
            time_limit_s=rules.time_limit_s,
            stall_s=rules.stall_s or patience_s,
        )
