"""One line of a benchmark's result: what was measured, beside whom, and whether the target was met."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """A measured pair.

    Args:
        what: the quantity, as a phrase.
        ours: our number, in `unit`.
        peer: the number of whom we compare with, in `unit`, from the same run.
        ratio: how many times better ours is (or, for overheads, ours over the ideal: `what` says which).
        target: the bound on `ratio`; None where nothing was promised.
        met: whether the bound holds; None where nothing was promised.
        unit: of `ours` and `peer`.
    """

    what: str
    ours: float
    peer: float
    ratio: float
    target: float | None
    met: bool | None
    unit: str = ""
