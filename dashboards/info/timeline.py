"""Who worked on what, when: attempts in lanes, leases, and failures by class."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dashboards.info.table import FAILURES, NONE, STATES, Table
from runs import TrialState
from runs.records import AttemptRecord, RunRecord, TrialRecord

MAX_ATTEMPTS = 400


@dataclass(frozen=True, slots=True)
class Bar:
    """One attempt on the timeline."""

    lane: str
    number: int
    fence: int
    begin: float  # UTC seconds
    end: float
    outcome: str  # a state's or a failure class's name


def recent(table: Table, *, limit: int = MAX_ATTEMPTS) -> list[int]:
    """Returns the numbers of the trials that the timeline shows: those that began last and were worked on."""
    worked = table["number"][~table.are(TrialState.INFEASIBLE, TrialState.QUEUED) & ~table.reused]
    return [int(number) for number in worked[-limit:]]


def bars(attempts: Sequence[AttemptRecord], table: Table, *, now: float) -> list[Bar]:
    """Returns attempts in lanes of their hosts: as many lanes as there was work at once.

    A host's lanes are its workers as far as the ledger can tell: it knows which process led an attempt, and when.
    """
    numbers = dict(zip(table["id"].tolist(), table["number"].tolist(), strict=True))
    free: dict[str, list[float]] = {}
    found = []
    for one in sorted(attempts, key=lambda attempt: attempt.started):
        number = numbers.get(one.trial_id)
        if number is None:
            continue
        end = now if one.ended is None else max(one.ended, one.started)
        lanes = free.setdefault(one.host, [])
        lane = next((k for k, until in enumerate(lanes) if until <= one.started), len(lanes))
        lanes[lane : lane + 1] = [end]
        found.append(
            Bar(f"{one.host} · {lane + 1}", number, one.fence, one.started, end, _outcome(one, number, table))
        )
    return found


def _outcome(attempt: AttemptRecord, number: int, table: Table) -> str:
    if attempt.ended is None:
        return "running"
    if attempt.failure_class is not None:
        return str(attempt.failure_class)
    state = STATES[table["state"][number]]
    return str(state) if state.is_finished and attempt.fence == table["fence"][number] else "given back"


@dataclass(frozen=True, slots=True)
class Holding:
    """One trial that somebody holds or that waits."""

    number: int
    state: TrialState
    holder: str
    fence: int
    since: float | None
    lease_left_s: float | None  # negative: overdue, and free to be taken over


def holder(trial: TrialRecord, attempts: Sequence[AttemptRecord]) -> str:
    """Returns in words which process holds a trial, or held it when it ended; "nobody" while it waits."""
    if trial.owner is None:
        return "nobody"
    own = [one for one in attempts if one.trial_id == trial.id and one.owner == trial.owner]
    return f"{own[-1].host}, process {own[-1].pid}" if own else "a process that has begun no attempt"


def holdings(
    trials: Sequence[TrialRecord], attempts: Sequence[AttemptRecord], *, now: float
) -> list[Holding]:
    """Returns the unfinished trials, the longest at work first."""
    found = [
        Holding(
            one.number,
            one.state,
            holder(one, attempts),
            one.fence,
            one.started,
            None if one.lease_until is None else one.lease_until - now,
        )
        for one in trials
        if not one.state.is_finished
    ]
    return sorted(found, key=lambda one: (one.since or now, one.number))


def unfinished(table: Table, *, limit: int = 500) -> list[int]:
    """Returns the numbers of trials that are queued, leased or running."""
    waiting = table.are(TrialState.QUEUED, TrialState.LEASED, TrialState.RUNNING)
    return [int(number) for number in table["number"][waiting][:limit]]


def failed(table: Table, *, limit: int = 200) -> list[int]:
    """Returns the numbers of the latest trials that failed, or needed more than one attempt."""
    troubled = table.are(TrialState.FAILED, TrialState.CANCELLED) | (table["fence"] > 1)
    return [int(number) for number in table["number"][troubled][-limit:]]


def failures_by_class(table: Table) -> Counter[str]:
    """Returns how many trials ended with each failure class."""
    codes = table["failure"][table["failure"] > NONE].tolist()
    return Counter(str(FAILURES[code]) for code in codes)


@dataclass(frozen=True, slots=True)
class Driver:
    """One run of a stage: the process that led it."""

    stage: str
    status: str
    host: str
    pid: int
    started: float
    ended: float | None
    silent_s: float | None  # since its lease ended; None while it is alive or has ended


def drivers(sessions: Sequence[RunRecord], *, now: float) -> list[Driver]:
    """Returns the runs, the newest first; one whose lease has ended without its saying so is silent."""
    return [
        Driver(
            one.stage,
            one.status,
            one.host,
            one.pid,
            one.started,
            one.ended,
            now - one.lease_until if one.status == "running" and one.lease_until < now else None,
        )
        for one in reversed(sessions)
    ]


def totals(attempts: Sequence[AttemptRecord]) -> Mapping[str, tuple[int, float]]:
    """Returns how many attempts and device seconds each host had among these."""
    found: dict[str, tuple[int, float]] = {}
    for one in attempts:
        count, seconds = found.get(one.host, (0, 0.0))
        found[one.host] = (count + 1, seconds + one.seconds)
    return found
