"""The tables, once, for SQLite and PostgreSQL.

Times are UTC seconds since 1970 by the database's clock. JSON is stored as text (it may hold NaN and
Infinity, which PostgreSQL's own JSON type refuses). A change here needs a migration in
`runs/migrations/versions`.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from runs.states import FailureClass, TrialState

SCHEMA_VERSION = 1  # the newest migration; a database's own stands in its table VERSION_TABLE
VERSION_TABLE = "schema_info"

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")  # SQLite counts only INTEGER keys
Json = sa.Text
Seconds = sa.Double
Uuid = sa.String(36)
Digest = sa.String(64)

COUNTERS = (*(f"num_{state}" for state in TrialState if state.is_finished), "num_reused")


class utc_now(FunctionElement[float]):
    """The database's clock: UTC seconds since 1970, read when the statement runs."""

    type = sa.Double()
    inherit_cache = True
    name = "utc_now"


@compiles(utc_now, "postgresql")
def _postgresql_now(element: utc_now, compiler: Any, **options: Any) -> str:
    return "extract(epoch from clock_timestamp())::double precision"


@compiles(utc_now, "sqlite")
def _sqlite_now(element: utc_now, compiler: Any, **options: Any) -> str:
    return "utc_now()"  # registered on every connection by runs.database: one host, one clock


def _one_of(name: str, values: tuple[str, ...]) -> sa.CheckConstraint:
    listed = ", ".join(f"'{value}'" for value in values)
    return sa.CheckConstraint(f"{name} in ({listed})", name=name)


study = sa.Table(
    "study",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("uid", Uuid, nullable=False, unique=True),  # made by the client: recognises its own insert
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("name_key", sa.Text, nullable=False, unique=True),  # letter case ignored
    sa.Column("directions", Json, nullable=False),
    sa.Column("seed", sa.BigInteger),
    sa.Column("space", Json),  # null: made by plain Optuna, which renews no leases
    sa.Column("space_version", sa.Text),
    sa.Column("settings", Json, nullable=False),
    sa.Column("budget", Json, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("user_attrs", Json, nullable=False),
    sa.Column("system_attrs", Json, nullable=False),
    sa.Column("created", Seconds, nullable=False),
    sa.Column("code_version", sa.Text, nullable=False),
    sa.Column("schema_version", sa.Integer, nullable=False),
    # Every transaction that changes a study or its trials first raises `revision`. The row's lock then puts
    # the study's transactions in a line: revisions become visible in order and a reader misses none.
    sa.Column("revision", sa.BigInteger, nullable=False),
    sa.Column("num_trials", sa.BigInteger, nullable=False),  # the next trial's number
    # Finished trials by state, and how many of them reused a measurement.
    *(sa.Column(name, sa.BigInteger, nullable=False) for name in COUNTERS),
    sa.Column("device_seconds", Seconds, nullable=False),  # of ended attempts
    _one_of("state", ("active", "paused", "stopped", "finished")),
    sqlite_autoincrement=True,  # an id is never given twice, not even after a deletion
)

parameter = sa.Table(  # Optuna's distributions, once a study rather than once a trial
    "parameter",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("study_id", Id, sa.ForeignKey("study.id", ondelete="CASCADE"), nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("distribution", Json, nullable=False),
    sa.Column(
        "digest", Digest, nullable=False
    ),  # of name and distribution: both may exceed what an index holds
    sa.UniqueConstraint("study_id", "digest"),
    sqlite_autoincrement=True,
)

architecture = sa.Table(
    "architecture",
    metadata,
    sa.Column("digest", Digest, primary_key=True),
    sa.Column("document", Json, nullable=False),
    sa.Column("costs", Json, nullable=False),
    sa.Column("created", Seconds, nullable=False),
)

trial = sa.Table(
    "trial",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("study_id", Id, sa.ForeignKey("study.id", ondelete="CASCADE"), nullable=False),
    sa.Column("number", sa.BigInteger, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("fence", sa.Integer, nullable=False),
    sa.Column("owner", sa.Text),
    sa.Column("lease_until", Seconds),
    sa.Column("choices", Json, nullable=False),
    sa.Column(
        "parameters", Json, nullable=False
    ),  # parameter.id of each choice, in order; fewer when not Optuna's
    sa.Column("user_attrs", Json, nullable=False),
    sa.Column("system_attrs", Json, nullable=False),
    sa.Column("digest", Digest),
    sa.Column("data", sa.Text),
    sa.Column("recipe", sa.Text),
    sa.Column("fidelity", sa.Text),
    sa.Column("seed", sa.BigInteger),
    sa.Column("evaluation_key", Digest),
    sa.Column("costs", Json, nullable=False),
    sa.Column("started", Seconds),
    sa.Column("ended", Seconds),
    sa.Column("revision", sa.BigInteger, nullable=False),
    sa.UniqueConstraint("study_id", "number"),
    sa.Index(None, "study_id", "revision"),
    sa.Index(None, "evaluation_key"),
    # Only the unfinished are ever looked for by state, and they are few.
    sa.Index(
        "ix_trial_unfinished",
        "study_id",
        "state",
        "lease_until",
        sqlite_where=sa.text("ended is null"),
        postgresql_where=sa.text("ended is null"),
    ),
    _one_of("state", tuple(TrialState)),
    sqlite_autoincrement=True,
)

attempt = sa.Table(
    "attempt",
    metadata,
    sa.Column("id", Uuid, primary_key=True),  # made by the client before the transaction
    sa.Column("trial_id", Id, sa.ForeignKey("trial.id", ondelete="CASCADE"), nullable=False),
    sa.Column("fence", sa.Integer, nullable=False),
    sa.Column("owner", sa.Text, nullable=False),
    sa.Column("host", sa.Text, nullable=False),
    sa.Column("pid", sa.Integer, nullable=False),
    sa.Column("started", Seconds, nullable=False),
    sa.Column("ended", Seconds),
    sa.Column("seconds", Seconds, nullable=False),
    sa.Column("failure_class", sa.String(24)),
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("traceback", sa.Text, nullable=False),
    sa.Column("code_version", sa.Text, nullable=False),
    sa.Column("schema_version", sa.Integer, nullable=False),
    sa.UniqueConstraint("trial_id", "fence"),
    _one_of("failure_class", tuple(FailureClass)),
)

metric = sa.Table(
    "metric",
    metadata,
    sa.Column("trial_id", Id, primary_key=True),
    sa.Column("fence", sa.Integer, primary_key=True),
    sa.Column("step", sa.BigInteger, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.Double),  # null is NaN, which SQLite cannot store
    sa.ForeignKeyConstraint(["trial_id", "fence"], ["attempt.trial_id", "attempt.fence"], ondelete="CASCADE"),
    sqlite_with_rowid=False,
)

result = sa.Table(  # one per finished trial, by the key
    "result",
    metadata,
    sa.Column(
        "trial_id", Id, sa.ForeignKey("trial.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    ),
    sa.Column(
        "attempt_id", Uuid, sa.ForeignKey("attempt.id", ondelete="CASCADE"), nullable=False, unique=True
    ),
    sa.Column("objectives", Json),
    sa.Column("metrics", Json, nullable=False),
    sa.Column("constraints", Json, nullable=False),
    sa.Column("seconds", Seconds, nullable=False),  # device seconds of all attempts of the trial
    sa.Column("failure_class", sa.String(24)),
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("reused_from", Id),
    sa.Column("weights", Digest),
    sa.Column("created", Seconds, nullable=False),
    _one_of("failure_class", tuple(FailureClass)),
)

evaluation = sa.Table(  # the cache: shared by all studies, so it outlives the study that paid
    "evaluation",
    metadata,
    sa.Column("hash", Digest, primary_key=True),
    sa.Column("digest", Digest, nullable=False, index=True),
    sa.Column("data", sa.Text, nullable=False),
    sa.Column("recipe", sa.Text, nullable=False),
    sa.Column("fidelity", sa.Text, nullable=False),
    sa.Column("seed", sa.BigInteger, nullable=False),
    sa.Column("metrics", Json, nullable=False),
    sa.Column("seconds", Seconds, nullable=False),
    sa.Column("trial_id", Id, nullable=False),
    sa.Column("weights", Digest),
    sa.Column("created", Seconds, nullable=False),
    sa.Column("code_version", sa.Text, nullable=False),
    sa.Column("schema_version", sa.Integer, nullable=False),
)

artifact = sa.Table(
    "artifact",
    metadata,
    sa.Column("id", Uuid, primary_key=True),
    sa.Column("sha256", Digest, nullable=False, index=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("num_bytes", sa.BigInteger, nullable=False),
    sa.Column("trial_id", Id, sa.ForeignKey("trial.id", ondelete="CASCADE"), index=True),
    sa.Column("details", Json, nullable=False),
    sa.Column("created", Seconds, nullable=False),
    sa.Column("code_version", sa.Text, nullable=False),
)

run = sa.Table(  # a stage's execution; its lease says whether its driver lives
    "run",
    metadata,
    sa.Column("id", Uuid, primary_key=True),
    sa.Column("study_id", Id, sa.ForeignKey("study.id", ondelete="CASCADE"), index=True),
    sa.Column("stage", sa.Text, nullable=False),
    sa.Column("parent", Uuid, sa.ForeignKey("run.id", ondelete="SET NULL")),
    sa.Column("settings", Json, nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("owner", sa.Text, nullable=False),
    sa.Column("host", sa.Text, nullable=False),
    sa.Column("pid", sa.Integer, nullable=False),
    sa.Column("lease_until", Seconds, nullable=False),
    sa.Column("started", Seconds, nullable=False),
    sa.Column("ended", Seconds),
    sa.Column("code_version", sa.Text, nullable=False),
    sa.Column("schema_version", sa.Integer, nullable=False),
    _one_of("status", ("running", "done", "failed", "stopped")),
)

scaling_fit = sa.Table(
    "scaling_fit",
    metadata,
    sa.Column("id", Uuid, primary_key=True),
    sa.Column("study_id", Id, sa.ForeignKey("study.id", ondelete="CASCADE"), index=True),
    sa.Column("run_id", Uuid, sa.ForeignKey("run.id", ondelete="SET NULL")),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("fit", Json, nullable=False),
    sa.Column("created", Seconds, nullable=False),
    sa.Column("code_version", sa.Text, nullable=False),
    sa.Column("schema_version", sa.Integer, nullable=False),
)
