"""What Optuna has set on a trial of ours and the database does not have yet.

Only a trial's owner may set things on it, so its process can hold them back and send them with the next change of the
trial's state: a trial with 42 parameters then costs as many transactions as one with none.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from runs.records import Value

FLUSH_AFTER_S = 1.0  # a draft older than this is written by the owner's next call, for others to see


@dataclass(slots=True)
class Draft:
    """The columns of one trial as its owner sees them: whole, not differences, so that writing twice is harmless."""

    choices: dict[str, Value] = field(default_factory=dict)
    distributions: dict[str, str] = field(default_factory=dict)  # JSON, by the choice's name
    user_attrs: dict[str, Any] = field(default_factory=dict)
    system_attrs: dict[str, Any] = field(default_factory=dict)
    steps: dict[int, float] = field(default_factory=dict)  # intermediate values not written yet
    changed: float | None = None  # time.monotonic() of the oldest change that is not written

    def mark(self) -> None:
        """Notes that something has changed."""
        if self.changed is None:
            self.changed = time.monotonic()

    @property
    def is_due(self) -> bool:
        return self.changed is not None and time.monotonic() - self.changed > FLUSH_AFTER_S

    def settle(self) -> None:
        """Notes that all of it is written."""
        self.changed = None
        self.steps.clear()
