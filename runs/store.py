"""The ledger as its users see it: one `Store`, whose verbs are each one transaction."""

from __future__ import annotations

import logging
import uuid
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy.engine import Connection

from runs import claims, migrate, optuna_rows, outcomes, studies, trials
from runs.address import artifacts_url, parse, prepare_file, safe_text, secrets
from runs.artifacts import ArtifactStore
from runs.check import violations
from runs.claims import Tenant, Watch
from runs.database import HOST_CLOCK, Clock, Database
from runs.drafts import Holdings
from runs.errors import BadRecord
from runs.metrics import INTERMEDIATE, curves, of_trial
from runs.names import study_name
from runs.optuna_rows import Template
from runs.owner import this_owner
from runs.records import (
    AttemptRecord,
    Claim,
    Evaluation,
    EvaluationKey,
    Finished,
    MetricRecord,
    Outcome,
    Progress,
    Spent,
    Start,
    StudyRecord,
    TrialRecord,
    Violation,
)
from runs.stage_verbs import StageVerbs
from runs.states import TrialState
from runs.text import plain

if TYPE_CHECKING:
    from runs.optuna_storage import OptunaView

C = TypeVar("C", bound=Claim | None)
LEASE_S = 60.0
MAX_MESSAGE, MAX_TRACEBACK = 2_000, 65_536  # characters; a traceback's end says most
logger = logging.getLogger(__name__)


def open_store(
    url: str,
    *,
    artifacts: str | None = None,
    lease_s: float = LEASE_S,
    timeout_s: float = 60.0,
    clock: Clock = HOST_CLOCK,
    watched: bool = False,
) -> Store:
    """Opens a storage; an empty one is initialised, by whichever of several processes is first.

    Args:
        url: `sqlite:///path.db`, `sqlite://` (in memory) or `postgresql://user@host/database`.
        artifacts: fsspec URL of the folder for checkpoints and exports; None: beside a SQLite file.
        lease_s: how long a claim holds without being renewed, > 0.
        timeout_s: how long a transaction is tried again while the database is away.
        clock: the host's, for SQLite; tests give their own.
        watched: tells an outage at once and follows a SQLite file that was replaced (`runs.outage`), as dashboards do.

    Raises:
        BadStorage, StorageUnreachable, OlderSchema, NewerSchema, NotALedger: as their names say.

    Example:
        >>> with open_store("sqlite://") as store:
        ...     study = store.create_study("digits", directions=["maximize"], seed=0, space={}, settings={})
        ...     [claim] = store.begin(study.id)
        ...     claim.number
        0
    """
    parsed = parse(url)
    if parsed.get_backend_name() == "sqlite":
        prepare_file(parsed)
    database = Database(parsed, timeout_s=timeout_s, clock=clock)
    try:
        migrate.ensure(database)
        if watched:
            database.watch(lambda connection: migrate.check(connection, safe_text(parsed)))
    except BaseException:
        database.close()
        raise
    return Store(database, artifacts=artifacts, lease_s=lease_s)


class Store(StageVerbs):
    """One storage, opened by one process; may be shared between its threads. Made by `open_store`."""

    def __init__(self, database: Database, *, artifacts: str | None = None, lease_s: float = LEASE_S) -> None:
        self.database = database
        self.lease_s = lease_s
        watch = Watch(database.clock.monotonic) if database.is_sqlite else None
        self.tenant = Tenant(this_owner(), lease_s, watch)
        self.holdings = Holdings()  # the trials claimed here; shared with the Optuna view
        self._artifacts_url = artifacts
        self._optuna: OptunaView | None = None
        weakref.finalize(self, database.close)  # a store that nobody closed leaves no connection behind

    def __repr__(self) -> str:
        return f"Store({self.url_safe!r})"

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def url_safe(self) -> str:
        """The storage's URL with its password hidden."""
        return safe_text(self.database.url)

    @property
    def owner(self) -> str:
        """What stands in the rows that this store owns."""
        return self.tenant.owner.token

    @property
    def optuna(self) -> OptunaView:
        """The same ledger as an Optuna storage, for `optuna.load_study(storage=...)`."""
        if self._optuna is None:
            # Here, because importing optuna takes a second, and who does not ask for the view does not pay.
            from runs.optuna_storage import OptunaView

            self._optuna = OptunaView(self)
        return self._optuna

    @property
    def artifacts(self) -> ArtifactStore:
        """Where checkpoints and exports lie."""
        return ArtifactStore(artifacts_url(self.database.url, self._artifacts_url))

    @property
    def reopening(self) -> tuple[str, str | None, float, float]:
        """The arguments with which another process opens the same storage; they hold the password."""
        url = self.database.url.render_as_string(hide_password=False)
        return url, self._artifacts_url, self.lease_s, self.database.timeout_s

    def close(self) -> None:
        """Writes what Optuna has set and is not written, and closes all connections."""
        if self._optuna is not None:
            self._optuna.flush()
        self.database.close()

    # Studies

    def create_study(
        self,
        name: str,
        *,
        directions: Sequence[str],
        seed: int,
        space: Mapping[str, Any],
        settings: Mapping[str, Any],
        budget: Mapping[str, Any] | None = None,
    ) -> StudyRecord:
        """Stores a new study.

        Args:
            name: by the rule of `runs.names.study_name`.
            directions: "maximize" or "minimize", one per objective.
            seed: from which everything random in the study derives.
            space: `SearchSpace.describe()`; its "version" is kept beside it.
            settings, budget: JSON-able.

        Raises:
            BadName, StudyExists, BadRecord.
        """
        return self._create_study(
            study_name(name), directions, seed=seed, space=space, settings=settings, budget=budget or {}
        )

    def create_plain_study(self, name: str, directions: Sequence[str]) -> StudyRecord:
        """Stores a study as plain Optuna makes them: no seed, no space, trials without leases."""
        return self._create_study(name, directions, seed=None, space=None, settings={}, budget={})

    def study(self, study: str | int) -> StudyRecord:
        """Returns the study of this name or id. Raises StudyMissing."""
        if isinstance(study, int):
            return self.database.read(lambda connection: studies.by_id(connection, study))
        return self.database.read(lambda connection: studies.by_name(connection, study))

    def studies(self) -> list[StudyRecord]:
        """Returns all studies, oldest first."""
        return self.database.read(studies.everything)

    def set_study_state(self, study_id: int, state: str) -> None:
        """Sets one of `studies.STUDY_STATES`, which the study's drivers read and obey within a heartbeat."""
        if state not in studies.STUDY_STATES:
            raise BadRecord(f"a state must be one of {', '.join(studies.STUDY_STATES)}, got {state!r}")
        self.database.write(lambda connection: studies.set_state(connection, study_id, state))

    def set_study_settings(
        self, study_id: int, settings: Mapping[str, Any], budget: Mapping[str, Any] | None = None
    ) -> None:
        """Replaces the study's settings, and its budget where one is given."""
        columns = {"settings": settings} if budget is None else {"settings": settings, "budget": budget}
        self.database.write(lambda connection: studies.change(connection, study_id, **columns))

    def delete_study(self, study_id: int) -> None:
        """Removes a study and its trials; its evaluations stay in the cache."""
        self.database.write(lambda connection: studies.delete(connection, study_id))

    def spent(self, study_id: int) -> Spent:
        """Returns what the study has used, in a time that does not depend on its number of trials."""
        return self.database.read(lambda connection: studies.spent(connection, study_id))

    # Trials

    def begin(self, study_id: int, num_trials: int = 1, **limits: int | None) -> tuple[Claim, ...]:
        """Adds trials, leased to this store, in one transaction; fewer where `claims.begin`'s limits say so."""
        attempts = [uuid.uuid4() for _ in range(num_trials)]
        begun = self.database.write(
            lambda connection: claims.begin(connection, study_id, attempts, self.tenant, **limits),
            recall=lambda connection: claims.begun(connection, attempts),
        )
        self.holdings.add(begun, are_new=True)
        return begun

    def reclaim(self, study_id: int) -> Claim | None:
        """Takes over a trial whose owner is gone, else the first queued one; else returns None.

        Its fence is one higher, so whatever its earlier owner still sends is refused.
        """
        return self._take(lambda connection, attempt: claims.take(connection, study_id, attempt, self.tenant))

    def claim_queued(self, trial_id: int) -> Claim | None:
        """Takes this trial if it is queued; else returns None."""
        return self._take(
            lambda connection, attempt: claims.take_queued(connection, trial_id, attempt, self.tenant)
        )

    def start(self, starts: Sequence[Start]) -> list[Claim]:
        """Sets trials RUNNING with what is known of them, in one transaction; returns the lost claims."""
        lost = self.database.write(
            lambda connection: outcomes.start(connection, starts, self.holdings, self.lease_s)
        )
        self.holdings.drop(lost)
        self.holdings.settle(one.claim for one in starts)
        for one in starts:
            if one.choices is not None:  # the draft is no longer what is stored; it is read again when needed
                self.holdings.drafts.pop(one.claim.trial_id, None)
        return lost

    def renew(self, held: Sequence[Claim], progress: Sequence[Progress] = ()) -> list[Claim]:
        """Prolongs leases and stores per-step metrics, in one transaction; returns the lost claims."""
        lost = self.database.write(lambda connection: claims.renew(connection, held, progress, self.lease_s))
        self.holdings.drop(lost)
        for step in progress:
            if INTERMEDIATE in step.metrics:
                self.holdings.report(step.claim, step.step, step.metrics[INTERMEDIATE])
        return lost

    def finish(self, ends: Sequence[Outcome], progress: Sequence[Progress] = ()) -> Finished:
        """Ends attempts, in one transaction; late ones are refused and logged. What is accepted is durable.

        Args:
            ends: at most one outcome per claim.
            progress: last steps, of these claims and of others that go on.

        Raises:
            BadRecord: an outcome that must not be stored; then none is.
        """
        ends = [self._storable(one) for one in ends]
        done = self.database.write(
            lambda connection: outcomes.finish(connection, ends, self.holdings, progress, self.lease_s),
            recall=lambda connection: outcomes.finished(connection, ends),
        )
        self.holdings.drop(one.claim for one in ends)
        for one in done.refused:
            logger.warning(
                "refused a late result of trial %d (number %d, fence %d): it has ended, or another has it",
                one.claim.trial_id,
                one.claim.number,
                one.claim.fence,
            )
        return done

    def release(self, held: Sequence[Claim], seconds: Mapping[str, float] | None = None) -> None:
        """Puts trials back into the queue; `seconds` are device seconds by `Claim.attempt`."""
        with_draft = [claim for claim in held if self.holdings.draft(claim) is not None]

        def work(connection: Connection) -> None:
            outcomes.flush(connection, with_draft, self.holdings)
            claims.release(connection, held, seconds or {})

        self.database.write(work)
        self.holdings.drop(held)

    def flush(self, held: Sequence[Claim]) -> None:
        """Writes what Optuna has set on these trials."""
        self.database.write(lambda connection: outcomes.flush(connection, held, self.holdings))
        self.holdings.settle(held)

    def trials(self, study_id: int, after_revision: int = 0) -> list[TrialRecord]:
        """Returns the study's trials that changed after a revision (`TrialRecord.revision`), by number."""
        return self.database.read(lambda connection: trials.of_study(connection, study_id, after_revision))

    def news(self, study_id: int, after_revision: int) -> tuple[Spent, list[TrialRecord]]:
        """Returns `spent` and `trials` from one reading: what a driver looks at before every decision."""
        return self.database.read(
            lambda connection: (
                studies.spent(connection, study_id),
                trials.of_study(connection, study_id, after_revision),
            )
        )

    def trial(self, trial_id: int) -> TrialRecord:
        """Returns one trial. Raises TrialMissing."""
        return self.database.read(lambda connection: trials.by_id(connection, trial_id))

    def attempts(self, trial_id: int) -> list[AttemptRecord]:
        """Returns the tries at a trial, first to last."""
        return self.database.read(lambda connection: trials.attempts(connection, trial_id))

    def metrics(self, trial_id: int) -> list[MetricRecord]:
        """Returns the per-step metrics of a trial, by step."""
        return self.database.read(lambda connection: of_trial(connection, trial_id))

    def curves(self, study_id: int, name: str) -> dict[int, dict[int, float]]:
        """Returns one per-step metric of all trials of a study, by trial number and step."""
        return self.database.read(lambda connection: curves(connection, study_id, name))

    def cached(self, key: EvaluationKey) -> Evaluation | None:
        """Returns the stored measurement of exactly this key, from whichever study."""
        return self.cached_all([key]).get(key)

    def cached_all(self, keys: Sequence[EvaluationKey]) -> dict[EvaluationKey, Evaluation]:
        """Returns the stored measurements of those of the keys that have one, from whichever study."""
        if not keys:
            return {}
        return self.database.read(lambda connection: trials.cached(connection, keys))

    def architecture(self, digest: str) -> str | None:
        """Returns the canonical JSON of an architecture by its digest."""
        return self.database.read(lambda connection: trials.document(connection, digest))

    # The Optuna view's, and the check

    def check(self, *, grace_s: float = LEASE_S, is_deep: bool = False) -> list[Violation]:
        """Returns every broken invariant of `runs.check`; an empty list is the proof that all hold.

        Args:
            grace_s: how long after its lease's end a trial may wait for somebody to take it over.
            is_deep: whether every artifact that a row names is read and hashed, not only looked for.
        """
        return violations(self.database, self.artifacts, grace_s=grace_s, is_deep=is_deep)

    def insert_trial(self, study_id: int, template: Template) -> Claim:
        """Adds a trial in whatever state the template has it; holds it if it is unfinished and not queued."""
        return self._take(
            lambda connection, attempt: optuna_rows.insert(
                connection, study_id, template, attempt, self.tenant
            ),
            is_held=template.state is TrialState.LEASED,
        )

    def _storable(self, end: Outcome) -> Outcome:
        hidden = secrets(self.database.url)
        return replace(
            end,
            message=plain(end.message, MAX_MESSAGE, hidden),
            traceback=plain(end.traceback, MAX_TRACEBACK, hidden),
        )

    def _create_study(self, name: str, directions: Sequence[str], **columns: Any) -> StudyRecord:
        uid = uuid.uuid4()
        return self.database.write(
            lambda connection: studies.create(connection, uid, name, directions, **columns),
            recall=lambda connection: studies.by_uid(connection, uid),
        )

    def _take(self, take: Callable[[Connection, uuid.UUID], C], *, is_held: bool = True) -> C:
        attempt = uuid.uuid4()

        def recalled(connection: Connection) -> Any:
            begun = claims.begun(connection, [attempt])
            return None if begun is None else begun[0]

        claim: C = self.database.write(lambda connection: take(connection, attempt), recall=recalled)
        if claim is not None and is_held:
            self.holdings.add([claim], are_new=False)
        return claim
