"""The reading verbs of those who look: what has changed since a revision, in narrow rows, and single pages in full.

Nothing here reads a whole study at once, and every statement is answered by an index: by (study, revision), by
(study, number), or by a key. Readers take no locks: SQLite is in WAL mode, and on PostgreSQL each statement sees its
own moment.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from runs import metrics, stages, studies, trials
from runs.database import Database
from runs.errors import TrialMissing
from runs.records import (
    EXPORT,
    ArtifactRecord,
    AttemptRecord,
    FitRecord,
    RunRecord,
    Spent,
    StudyRecord,
    TrialRecord,
    Value,
)
from runs.schema import (
    COUNTERS,
    architecture,
    artifact,
    evaluation,
    metric,
    result,
    scaling_fit,
    study,
    trial,
)
from runs.states import FailureClass, TrialState
from runs.text import load

CHUNK = 20_000  # narrow rows read at once
MAX_NUMBERS = 500  # in one statement: databases bound its parameters


@dataclass(frozen=True, slots=True)
class Head:
    """One study as a list shows it: counters that the ledger keeps, so that no trial is read."""

    id: int
    name: str
    state: str
    revision: int
    created: float
    directions: tuple[str, ...]
    settings: Mapping[str, Any]
    num_trials: int
    counts: Mapping[TrialState, int]  # finished trials by state
    num_reused: int
    device_seconds: float  # of ended attempts
    last_change: float | None  # when the trial that changed last began or ended


class Glance(NamedTuple):  # made 100,000 at a time, ten times as fast as a frozen dataclass
    """One trial in the few numbers that charts and tables of many trials need."""

    number: int
    id: int
    state: TrialState
    fence: int
    revision: int
    digest: str | None
    fidelity: str | None
    started: float | None
    ended: float | None
    seconds: float | None
    failure_class: FailureClass | None
    reused_from: int | None
    has_weights: bool
    objectives: Sequence[float] | None
    costs: Mapping[str, float]
    metrics: Mapping[str, float]


class Browsing:
    """Reading verbs over one database; may be shared between threads."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def heads(self, study_id: int | None = None) -> list[Head]:
        """Returns all studies, oldest first, or the one of this id."""
        return self._database.read(lambda connection: _heads(connection, study_id))

    def revision(self, study_id: int) -> int | None:
        """Returns what rises with every change to a study or its trials; None: there is no such study (any more)."""
        statement = sa.select(study.c.revision).where(study.c.id == study_id)
        return self._database.read(lambda connection: connection.scalar(statement))

    def study(self, study_id: int) -> StudyRecord:
        """Returns one study. Raises StudyMissing."""
        return self._database.read(lambda connection: studies.by_id(connection, study_id))

    def spent(self, study_id: int) -> Spent:
        """Returns what a study has used. Raises StudyMissing."""
        return self._database.read(lambda connection: studies.spent(connection, study_id))

    def changed(self, study_id: int, after_revision: int, *, limit: int = CHUNK) -> list[Glance]:
        """Returns trials that changed after a revision, in the order of their last change.

        Args:
            study_id: of the study.
            after_revision: 0 for all.
            limit: about how many at most; trials of one transaction are never torn apart.
        """
        return self._database.read(lambda connection: _changed(connection, study_id, after_revision, limit))

    def page(self, study_id: int, numbers: Sequence[int]) -> list[TrialRecord]:
        """Returns the trials with these numbers, in their order; numbers that do not exist are left out."""
        return self._database.read(lambda connection: trials.by_numbers(connection, study_id, numbers))

    def trial(self, study_id: int, number: int) -> TrialRecord:
        """Returns one trial. Raises TrialMissing."""
        found = self.page(study_id, [number])
        if not found:
            raise TrialMissing(f"a trial must exist before it is shown, got number {number}, which does not")
        return found[0]

    def number(self, trial_id: int) -> tuple[int, int] | None:
        """Returns the study's id and the number of a trial; None: it was deleted with its study."""
        statement = sa.select(trial.c.study_id, trial.c.number).where(trial.c.id == trial_id)
        row = self._database.read(lambda connection: connection.execute(statement).one_or_none())
        return None if row is None else (row.study_id, row.number)

    def attempts(self, trial_ids: Sequence[int]) -> list[AttemptRecord]:
        """Returns the tries at these trials, by their beginning."""
        return self._database.read(lambda connection: trials.attempts_of(connection, trial_ids))

    def choices(self, study_id: int, numbers: Sequence[int]) -> dict[int, dict[str, Value]]:
        """Returns what was chosen for the trials with these numbers."""
        return self._database.read(lambda connection: _choices(connection, study_id, numbers))

    def metric_names(self, trial_ids: Sequence[int]) -> list[str]:
        """Returns which per-step metrics these trials have."""
        statement = sa.select(metric.c.name).where(metric.c.trial_id.in_(trial_ids)).distinct()
        return self._database.read(lambda connection: sorted(connection.scalars(statement)))

    def curves(
        self, study_id: int, trial_ids: Sequence[int], name: str, *, after_step: int | None = None
    ) -> dict[int, dict[int, float]]:
        """Returns one per-step metric of these trials, by trial id and step; steps after `after_step` where given."""
        if not trial_ids:
            return {}
        return self._database.read(
            lambda connection: metrics.of_trials(connection, study_id, trial_ids, name, after_step=after_step)
        )

    def measured(self, digest: str, *, limit: int = 50) -> list[tuple[int, int, TrialRecord]]:
        """Returns trials of all studies whose measurement of this architecture is kept, the newest first.

        Returns:
            (study id, trial number, the trial).
        """
        return self._database.read(lambda connection: _measured(connection, digest, limit))

    def runs(self, study_id: int | None = None) -> list[RunRecord]:
        """Returns the runs of a study, or all, oldest first."""
        return self._database.read(lambda connection: stages.runs_of(connection, study_id))

    def fitted_studies(self) -> set[int]:
        """Returns the ids of the studies that a scaling rule or law was fitted to."""
        statement = sa.select(scaling_fit.c.study_id).where(scaling_fit.c.study_id.is_not(None)).distinct()
        return self._database.read(lambda connection: set(connection.scalars(statement)))

    def fits(self, study_id: int | None = None) -> list[FitRecord]:
        """Returns the fits of a study, or all, oldest first."""
        return self._database.read(lambda connection: stages.fits_of(connection, study_id))

    def artifacts(self, trial_id: int) -> list[ArtifactRecord]:
        """Returns the artifacts of a trial, oldest first."""
        return self._database.read(lambda connection: stages.artifacts_of(connection, trial_id))

    def exporting_studies(self) -> set[int]:
        """Returns the ids of the studies of which anything was exported."""
        statement = (
            sa.select(trial.c.study_id)
            .join_from(artifact, trial, artifact.c.trial_id == trial.c.id)
            .where(artifact.c.kind == EXPORT)
            .distinct()
        )
        return self._database.read(lambda connection: set(connection.scalars(statement)))

    def artifact(self, artifact_id: str) -> ArtifactRecord | None:
        """Returns one artifact by its id; None: there is none."""
        return self._database.read(lambda connection: stages.artifact_by_id(connection, artifact_id))

    def digest(self, beginning: str) -> str | None:
        """Returns the one digest that begins so; None where none or several do, or it is no digest."""
        if re.fullmatch(r"[0-9a-f]{6,64}", beginning) is None:
            return None
        column = architecture.c.digest
        statement = sa.select(column).where(column >= beginning, column < beginning + "g").limit(2)
        found = self._database.read(lambda connection: connection.scalars(statement).all())
        return found[0] if len(found) == 1 else None

    def architecture(self, digest: str) -> str | None:
        """Returns the canonical JSON of an architecture."""
        return self._database.read(lambda connection: trials.document(connection, digest))


def _heads(connection: Connection, study_id: int | None) -> list[Head]:
    statement = _HEADS if study_id is None else _HEADS.where(study.c.id == study_id)
    return [
        Head(
            id=row.id,
            name=row.name,
            state=row.state,
            revision=row.revision,
            created=row.created,
            directions=tuple(load(row.directions)),
            settings=load(row.settings),
            num_trials=row.num_trials,
            counts={state: getattr(row, f"num_{state}") for state in TrialState if state.is_finished},
            num_reused=row.num_reused,
            device_seconds=row.device_seconds,
            last_change=row.last_change,
        )
        for row in connection.execute(statement)
    ]


def _changed(connection: Connection, study_id: int, after_revision: int, limit: int) -> list[Glance]:
    wanted = {"the_study": study_id, "after": after_revision}
    rows = connection.execute(_CHANGED.limit(limit), wanted).all()
    if len(rows) == limit:  # the last transaction may go on below the cut
        last = rows[-1].revision
        kept = [row for row in rows if row.revision < last]
        rest = {"the_study": study_id, "the_revision": last}
        rows = [*kept, *connection.execute(_OF_REVISION, rest).all()]
    return _glances(rows)


def _glances(rows: Sequence[Row[*tuple[Any, ...]]]) -> list[Glance]:
    """Returns rows of `_NARROW` as values; each column of JSON is parsed at one go."""
    if not rows:
        return []
    columns: list[Sequence[Any]] = list(zip(*rows, strict=True))
    columns[2] = tuple(_STATES[state] for state in columns[2])
    columns[10] = tuple(None if failure is None else FailureClass(failure) for failure in columns[10])
    columns[12] = tuple(weights is not None for weights in columns[12])
    objectives, costs, values = (
        load(f"[{','.join(text or 'null' for text in one)}]") for one in columns[13:]
    )
    columns[13:] = [objectives, costs, [value or {} for value in values]]
    return list(map(Glance._make, zip(*columns, strict=True)))


def _choices(connection: Connection, study_id: int, numbers: Sequence[int]) -> dict[int, dict[str, Value]]:
    found: dict[int, dict[str, Value]] = {}
    for begin in range(0, len(numbers), MAX_NUMBERS):
        part = sa.select(trial.c.number, trial.c.choices).where(
            trial.c.study_id == study_id, trial.c.number.in_(numbers[begin : begin + MAX_NUMBERS])
        )
        found |= {row.number: load(row.choices) for row in connection.execute(part)}
    return found


def _measured(connection: Connection, digest: str, limit: int) -> list[tuple[int, int, TrialRecord]]:
    statement = (
        sa.select(trial.c.id)
        .join_from(trial, evaluation, trial.c.evaluation_key == evaluation.c.hash)
        .where(evaluation.c.digest == digest)
        .order_by(trial.c.id.desc())
        .limit(limit)
    )
    records = [trials.by_id(connection, trial_id) for trial_id in connection.scalars(statement).all()]
    return [(record.study_id, record.number, record) for record in records]


_STATES = {str(state): state for state in TrialState}
_LAST_CHANGE = (
    sa.select(sa.func.coalesce(trial.c.ended, trial.c.started))
    .where(trial.c.study_id == study.c.id)
    .order_by(trial.c.revision.desc())
    .limit(1)
    .scalar_subquery()
    .label("last_change")
)
_HEADS = sa.select(
    study.c.id,
    study.c.name,
    study.c.state,
    study.c.revision,
    study.c.created,
    study.c.directions,
    study.c.settings,
    study.c.num_trials,
    study.c.device_seconds,
    *(study.c[name] for name in COUNTERS),
    _LAST_CHANGE,
).order_by(study.c.id)
_NARROW = sa.select(
    trial.c.number,
    trial.c.id,
    trial.c.state,
    trial.c.fence,
    trial.c.revision,
    trial.c.digest,
    trial.c.fidelity,
    trial.c.started,
    trial.c.ended,
    result.c.seconds,
    result.c.failure_class,
    result.c.reused_from,
    result.c.weights,
    result.c.objectives,
    trial.c.costs,
    result.c.metrics,
).outerjoin_from(trial, result)
_CHANGED = _NARROW.where(
    trial.c.study_id == sa.bindparam("the_study"), trial.c.revision > sa.bindparam("after")
).order_by(trial.c.revision)
_OF_REVISION = _NARROW.where(
    trial.c.study_id == sa.bindparam("the_study"), trial.c.revision == sa.bindparam("the_revision")
)
