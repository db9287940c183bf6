"""All trials of one study in a few numbers each: a frozen table that grows by what has changed.

A million trials take 200 MB; charts, sorting and filtering work on whole columns in milliseconds, and the rest of a
trial is read from the ledger when somebody looks at it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

import numpy as np
import numpy.typing as npt

from runs import FailureClass, TrialState
from runs.browsing import Glance

Array = npt.NDArray[Any]
Flags = npt.NDArray[np.bool_]

STATES: tuple[TrialState, ...] = tuple(TrialState)
FAILURES: tuple[FailureClass, ...] = tuple(FailureClass)
COSTS = ("macs", "params", "peak_memory_bytes", "latency_ms")
NONE = -1
MAX_MADE = 16  # values that a table keeps: a slider asks for one at each of its steps

P = ParamSpec("P")
T = TypeVar("T")

ROW = np.dtype(
    [
        ("number", "i8"),
        ("id", "i8"),
        ("state", "i1"),  # index in STATES; NONE: not read yet
        ("fence", "i4"),
        ("revision", "i8"),
        ("digest", "S64"),
        ("fidelity", "i4"),  # index in Table.fidelities
        ("started", "f8"),
        ("ended", "f8"),
        ("seconds", "f8"),
        ("failure", "i1"),  # index in FAILURES
        ("reused_from", "i8"),  # a trial's id
        ("has_weights", "?"),
        ("objective", "f8"),  # the first one
        ("second", "f8"),  # of plain Optuna's studies of several objectives
        ("accuracy", "f8"),
        *((name, "f8") for name in COSTS),
    ]
)
_CODE = {state: code for code, state in enumerate(STATES)}
_FAILURE_CODE: dict[FailureClass | None, int] = {None: NONE} | {
    one: code for code, one in enumerate(FAILURES)
}


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """The trials of one study, one row a trial, in the order of their numbers; NaN where nothing is known.

    Args:
        rows: of dtype ROW; read-only.
        revision: of the newest change in it: what to read next begins after it.
        fidelities: texts that rows refer to.
        made: what was computed from it, by `once`.

    Example:
        >>> Table().updated([]).revision
        0
    """

    rows: Array = field(default_factory=lambda: np.empty(0, ROW))
    revision: int = 0
    fidelities: tuple[str, ...] = ()
    made: dict[Hashable, Any] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, column: str) -> Array:
        """Returns one column."""
        return self.rows[column]

    def updated(self, glances: Sequence[Glance]) -> Table:
        """Returns the table with these trials as they are now; itself where there are none."""
        if not glances:
            return self
        known = {text: code for code, text in enumerate(self.fidelities)}
        for text in {one.fidelity for one in glances if one.fidelity is not None} - set(known):
            known[text] = len(known)
        size = max(len(self.rows), max(one.number for one in glances) + 1)
        rows = np.zeros(size, ROW)
        rows["state"], rows["number"] = NONE, np.arange(size)
        rows[: len(self.rows)] = self.rows
        fresh = np.array([_row(one, known) for one in glances], ROW)
        rows[fresh["number"]] = fresh
        rows.flags.writeable = False
        return Table(rows, int(max(self.revision, fresh["revision"].max())), tuple(known))

    def changed_after(self, revision: int) -> Array:
        """Returns the numbers of the trials that changed after a revision."""
        return np.flatnonzero(self["revision"] > revision)

    def are(self, *states: TrialState) -> Flags:
        """Returns which trials are in one of these states."""
        return np.asarray(np.isin(self["state"], [_CODE[state] for state in states]))

    @property
    def complete(self) -> Flags:
        """Returns which trials have ended with a result."""
        return np.asarray(self["state"] == _CODE[TrialState.COMPLETE])

    @property
    def reused(self) -> Flags:
        """Returns which trials took the result of another one."""
        return np.asarray(self["reused_from"] > NONE)

    def costs(self) -> tuple[str, ...]:
        """Returns the names of the costs that any trial has."""
        return tuple(name for name in COSTS if np.isfinite(self[name]).any())


def once(compute: Callable[Concatenate[Table, P], T]) -> Callable[Concatenate[Table, P], T]:
    """Returns a function of a table that computes once for the same arguments, whoever asks; what it returns is shared.

    Two that ask at the same moment may both compute, which costs less than a lock that all would wait for.
    """

    @wraps(compute)
    def found(table: Table, /, *given: P.args, **named: P.kwargs) -> T:
        key = (compute.__name__, given, tuple(named.items()))
        if key in (made := table.made):
            return cast(T, made[key])
        value = compute(table, *given, **named)
        if len(made) < MAX_MADE:
            made[key] = value
        return value

    return found


def _row(one: Glance, fidelities: dict[str, int]) -> tuple[Any, ...]:
    objective, second, *_ = (*(one.objectives or ()), None, None)
    metrics, costs = one.metrics, one.costs
    return (
        one.number,
        one.id,
        _CODE[one.state],
        one.fence,
        one.revision,
        (one.digest or "").encode("ascii", "replace"),
        NONE if one.fidelity is None else fidelities[one.fidelity],
        _real(one.started),
        _real(one.ended),
        _real(one.seconds),
        _FAILURE_CODE[one.failure_class],
        NONE if one.reused_from is None else one.reused_from,
        one.has_weights,
        _real(objective),
        _real(second),
        _real(metrics.get("accuracy")),
        *(_real(costs.get(name, metrics.get(name))) for name in COSTS),
    )


def _real(value: object) -> float:
    return float(value) if isinstance(value, int | float) else np.nan
