"""The trials that a store holds, and what Optuna has set on them that the database does not have yet.

Only its owner sets things on a trial, so its process can hold them back and send them with the next change
of the trial's state: a trial with 42 parameters then costs as many transactions as one with none. A draft
that grows older than `FLUSH_AFTER_S` is written by its owner's next call through Optuna, for others to see;
`close` writes the rest.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from runs.records import Claim, Value

FLUSH_AFTER_S = 1.0


@dataclass(slots=True)
class Draft:
    """One trial as its owner sees it: whole columns, not differences, so that writing twice is harmless."""

    started: float | None
    choices: dict[str, Value] = field(default_factory=dict)
    distributions: dict[str, str] = field(default_factory=dict)  # JSON, by the choice's name
    user_attrs: dict[str, Any] = field(default_factory=dict)
    system_attrs: dict[str, Any] = field(default_factory=dict)
    intermediate: dict[int, float] = field(default_factory=dict)
    unwritten_steps: set[int] = field(default_factory=set)
    version: int = 0  # rises with every change
    unwritten_since: float | None = None  # time.monotonic()

    def mark(self) -> None:
        """Notes a change."""
        self.version += 1
        if self.unwritten_since is None:
            self.unwritten_since = time.monotonic()

    def settle(self) -> None:
        """Notes that all of it is written."""
        self.unwritten_since = None
        self.unwritten_steps.clear()

    @property
    def new_steps(self) -> dict[int, float]:
        """Intermediate values that are not written."""
        return {step: self.intermediate[step] for step in sorted(self.unwritten_steps)}


class Holdings:
    """Which trials this store holds, with their drafts."""

    def __init__(self) -> None:
        self.claims: dict[int, Claim] = {}
        self.drafts: dict[int, Draft] = {}
        self.touched: set[int] = (
            set()
        )  # trials whose drafts have changed since the Optuna view looked at them
        self.parameter_ids: dict[
            int, dict[tuple[str, str], int]
        ] = {}  # read from each study, by name and text

    def add(self, claims: Iterable[Claim], *, are_new: bool) -> None:
        """Notes claims just made. Of a new trial nothing is stored, so its draft is complete at once."""
        for claim in claims:
            self.claims[claim.trial_id] = claim
            self.drafts.pop(claim.trial_id, None)
            self.touched.add(claim.trial_id)
            if are_new:
                self.drafts[claim.trial_id] = Draft(claim.started)

    def drop(self, claims: Iterable[Claim]) -> None:
        """Forgets trials that ended, were released or are lost; a later claim of the same trial stays."""
        for claim in claims:
            if self.claims.get(claim.trial_id) == claim:
                del self.claims[claim.trial_id]
                self.touched.discard(claim.trial_id)
                self.drafts.pop(claim.trial_id, None)

    def draft(self, claim: Claim) -> Draft | None:
        """Returns the claim's draft; None when there is none, or the claim is no longer ours."""
        return self.drafts.get(claim.trial_id) if self.claims.get(claim.trial_id) == claim else None

    def report(self, claim: Claim, step: int, value: float) -> None:
        """Notes an intermediate value that is written already."""
        draft = self.draft(claim)
        if draft is not None:
            draft.intermediate[step] = value
            draft.version += 1
            self.touched.add(claim.trial_id)

    def settle(self, claims: Iterable[Claim]) -> None:
        """Notes that the drafts of these claims are written."""
        for claim in claims:
            draft = self.draft(claim)
            if draft is not None:
                draft.settle()

    def unwritten(self, min_age_s: float) -> Sequence[Claim]:
        """Returns the claims whose drafts have waited longer than `min_age_s` to be written."""
        limit = time.monotonic() - min_age_s
        return [
            self.claims[trial_id]
            for trial_id, draft in list(self.drafts.items())
            if draft.unwritten_since is not None and draft.unwritten_since <= limit
        ]
