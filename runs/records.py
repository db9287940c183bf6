"""The ledger's values: what goes into `Store` and what comes out. Frozen; times are UTC seconds since 1970.

JSON-able mappings are stored as text that the database does not interpret.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from runs.states import FailureClass, TrialState

Value = str | int | float | bool | None  # what a choice may be
PARENTS = "nas:parents"  # system attribute of a trial: the numbers of those that it was bred from
EXPORT = "export"  # kind of the artifacts that are manifests of what was exported
JOINS = "joins"  # key of a run's settings: its driver works beside the one that has the study


@dataclass(frozen=True, slots=True)
class StudyRecord:
    """One study: a question asked of one space, under one seed, with one set of objectives."""

    id: int
    name: str
    directions: tuple[str, ...]  # "minimize" | "maximize", one per objective
    seed: int | None  # None: made by plain Optuna
    space: Mapping[str, Any] | None  # SearchSpace.describe(); None: made by plain Optuna
    space_version: str | None
    settings: Mapping[str, Any]
    budget: Mapping[str, Any]
    state: str  # "active", "paused", "stopped", "cancelled" or "finished": what its drivers should do
    created: float
    revision: int  # rises with every change to the study or one of its trials


@dataclass(frozen=True, slots=True)
class EvaluationKey:
    """What a measurement depends on, and so where it may be used again.

    `data`, `recipe` and `fidelity` are canonical texts (a fingerprint or JSON with sorted keys); `digest`
    names the architecture. `hash` is the cache's key, and serves as the name of the work.
    """

    digest: str
    data: str
    recipe: str
    fidelity: str
    seed: int

    @property
    def hash(self) -> str:
        """sha256 of the five parts, as 64 hexadecimal digits."""
        parts = [self.digest, self.data, self.recipe, self.fidelity, self.seed]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to work on one trial, until its lease ends or a higher fence is drawn."""

    trial_id: int
    study_id: int
    number: int  # 0, 1, 2 ... in the study, without gaps
    fence: int  # 1 for the first attempt; every new claim of the trial raises it
    attempt: str  # UUID, made by the client
    # What an earlier attempt has stored:
    choices: Mapping[str, Value] = field(default_factory=dict, compare=False)
    started: float = field(default=0.0, compare=False)  # of this attempt, by the database's clock

    @property
    def is_retry(self) -> bool:
        return self.fence > 1


@dataclass(frozen=True, slots=True)
class Start:
    """What is known of a trial before it runs. `choices` None keeps what Optuna's `suggest` has set."""

    claim: Claim
    key: EvaluationKey | None = None
    architecture: str | None = None  # canonical JSON, stored once per digest
    costs: Mapping[str, float] = field(default_factory=dict)  # macs, params, ...
    choices: Mapping[str, Value] | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """Metrics of one step (epoch) of a running attempt."""

    claim: Claim
    step: int
    metrics: Mapping[str, float]
    seconds: float  # device seconds of this attempt so far


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended.

    `start` is for trials that end without having run (infeasible, reused): what `start` would have stored.
    A FAILED outcome whose class may be tried again puts the trial back into the queue.
    """

    claim: Claim
    state: TrialState
    objectives: tuple[float, ...] | None = None  # finite; required for COMPLETE
    metrics: Mapping[str, float] = field(
        default_factory=dict
    )  # independent of the reward: accuracy, loss, ...
    seconds: float = 0.0  # device seconds of this attempt
    constraints: Mapping[str, float] = field(default_factory=dict)  # above zero = violated
    failure_class: FailureClass | None = None
    message: str = ""  # one line
    traceback: str = ""
    reused_from: int | None = None  # id of the trial whose evaluation is used again
    weights: str | None = None  # sha256 in the artifact store
    start: Start | None = None


@dataclass(frozen=True, slots=True)
class Finished:
    """What `finish` did: each outcome is in exactly one of the three."""

    accepted: tuple[Outcome, ...]
    requeued: tuple[Outcome, ...]  # failed, and allowed another attempt
    refused: tuple[Outcome, ...]  # late: the trial had ended, or another owner had drawn a higher fence


@dataclass(frozen=True, slots=True)
class TrialRecord:
    """One trial as the ledger knows it."""

    id: int
    study_id: int
    number: int
    state: TrialState
    fence: int  # attempts so far
    choices: Mapping[str, Value]
    digest: str | None
    data: str | None
    recipe: str | None
    fidelity: str | None
    seed: int | None
    key: str | None  # EvaluationKey.hash
    costs: Mapping[str, float]
    objectives: tuple[float, ...] | None
    metrics: Mapping[str, float]
    constraints: Mapping[str, float]
    seconds: float | None  # device seconds of all its attempts; None while it is unfinished
    failure_class: FailureClass | None
    message: str
    reused_from: int | None
    weights: str | None
    owner: str | None
    lease_until: float | None
    started: float | None
    ended: float | None
    user_attrs: Mapping[str, Any]
    system_attrs: Mapping[str, Any]
    revision: int

    @property
    def parents(self) -> tuple[int, ...]:
        """Numbers of the trials of the same study that this one was bred from; empty where it was not."""
        found = self.system_attrs.get(PARENTS)
        return tuple(one for one in found if isinstance(one, int)) if isinstance(found, list) else ()


@dataclass(frozen=True, slots=True)
class AttemptRecord:
    """One try at a trial."""

    id: str
    trial_id: int
    fence: int
    owner: str
    host: str
    pid: int
    started: float
    ended: float | None
    seconds: float
    failure_class: FailureClass | None
    message: str
    traceback: str
    code_version: str


@dataclass(frozen=True, slots=True)
class MetricRecord:
    """One number that an attempt reported at one step."""

    trial_id: int
    fence: int
    step: int
    name: str
    value: float


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A stored measurement, to be used again wherever its key comes up."""

    key: EvaluationKey
    metrics: Mapping[str, float]
    seconds: float  # device seconds it cost
    trial_id: int  # where it was measured
    weights: str | None


@dataclass(frozen=True, slots=True)
class Spent:
    """What a study has used: read in constant time, whatever its number of trials."""

    device_seconds: float  # all attempts, ended and running
    counts: Mapping[TrialState, int]  # every state is a key
    num_reused: int

    @property
    def num_trials(self) -> int:
        return sum(self.counts.values())

    @property
    def num_held(self) -> int:
        """How many trials some driver has in hand."""
        return self.counts[TrialState.LEASED] + self.counts[TrialState.RUNNING]


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One execution of a stage: who ran what, with which settings, after which other run."""

    id: str  # UUID
    study_id: int | None
    stage: str
    parent: str | None
    settings: Mapping[str, Any]
    status: str  # "running", "done", "failed" or "stopped"
    owner: str
    host: str
    pid: int
    lease_until: float
    started: float
    ended: float | None
    code_version: str


def hours_at_work(runs: Iterable[RunRecord], now: float) -> float:
    """Returns for how many hours by the clock a driver was at work, whether one or several at a time.

    One that died counts until its lease ended.

    Args:
        runs: of a study.
        now: seconds by the database's clock.
    """
    spans = sorted(
        (one.started, one.ended if one.ended is not None else min(now, one.lease_until)) for one in runs
    )
    seconds, until = 0.0, -math.inf
    for begun, ended in spans:
        seconds += max(0.0, ended - max(begun, until))
        until = max(until, ended)
    return seconds / 3600


@dataclass(frozen=True, slots=True)
class Holder:
    """One unfinished trial that a driver holds: who, since when, and for how long still."""

    study_id: int
    number: int
    state: TrialState
    fence: int
    host: str
    pid: int
    for_s: float  # since this attempt began, by the database's clock
    lease_left_s: float | None  # below zero: anybody may take the trial; None: plain Optuna's, without lease


@dataclass(frozen=True, slots=True)
class FitRecord:
    """One fitted scaling rule or law, as text of the room that made it."""

    id: str  # UUID
    study_id: int | None
    run_id: str | None
    kind: str
    fit: Mapping[str, Any]
    created: float
    code_version: str


@dataclass(frozen=True, slots=True)
class ArtifactRecord:
    """One file of the artifact store, and whose it is."""

    id: str  # UUID
    sha256: str
    kind: str  # "weights", "export", ...
    num_bytes: int
    trial_id: int | None
    details: Mapping[str, Any]
    created: float
    code_version: str


@dataclass(frozen=True, slots=True)
class Violation:
    """An invariant that does not hold, found by `Store.check`."""

    invariant: str  # "I1" ... "I8"
    subject: str  # "study 3", "trial 17", "table result"
    message: str
