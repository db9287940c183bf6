"""The verbs of `Store` that are about stages: their runs, their fits, their artifacts."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from runs import stages
from runs.claims import Tenant
from runs.database import Database
from runs.records import ArtifactRecord, FitRecord, Holder, RunRecord
from runs.schema import utc_now


class StageVerbs:
    """A part of `Store`, in a file of its own; `Store` sets the three attributes."""

    database: Database
    lease_s: float
    tenant: Tenant

    def open_run(
        self,
        study_id: int | None,
        stage: str,
        settings: Mapping[str, Any],
        *,
        parent: str | None = None,
        is_exclusive: bool = True,
    ) -> RunRecord:
        """Stores that a stage has begun; runs of the study whose driver is gone are closed as failed.

        One whose settings say JOINS works beside a driver: it does not keep others from the study.

        Raises:
            StudyBusy: exclusive, and another live driver has the study.
        """
        run_id = uuid.uuid4()
        return self.database.write(
            lambda connection: stages.open_run(
                connection,
                run_id,
                self.tenant,
                study_id=study_id,
                stage=stage,
                settings=settings,
                parent=parent,
                is_exclusive=is_exclusive,
            ),
            recall=lambda connection: stages.by_id(connection, run_id),
        )

    def check_idle(self, study_id: int) -> None:
        """Does nothing unless a driver is at work on a study: for what comes before a run, and changes the study.

        Raises:
            StudyBusy: one is, and lives as far as is known.
        """
        self.database.read(lambda connection: stages.check_idle(connection, study_id))

    def at_work(self, study_id: int) -> list[str]:
        """Returns on which of a study and its arms drivers are at work, by name, the latest last.

        Those that have joined another are not among them.
        """
        return self.database.read(lambda connection: stages.at_work(connection, study_id))

    def renew_run(self, run_id: str) -> bool:
        """Prolongs a run's lease; returns False when it was closed by another driver."""
        return self.database.write(lambda connection: stages.renew_run(connection, run_id, self.lease_s))

    def close_run(self, run_id: str, status: str) -> None:
        """Ends a run as "done", "failed" or "stopped"."""
        self.database.write(lambda connection: stages.close_run(connection, run_id, status))

    def runs(self, study_id: int | None = None) -> list[RunRecord]:
        """Returns the runs of a study, or all, oldest first."""
        return self.database.read(lambda connection: stages.runs_of(connection, study_id))

    def now(self) -> float:
        """Returns UTC seconds by the database's clock, the only one that counts."""
        return float(self.database.read(lambda connection: connection.scalar(sa.select(utc_now())) or 0.0))

    def holders(self, study_id: int) -> list[Holder]:
        """Returns the study's unfinished trials that somebody holds, by number."""
        return self.database.read(lambda connection: stages.holders(connection, study_id))

    def add_fit(
        self, kind: str, fit: Mapping[str, Any], *, study_id: int | None = None, run_id: str | None = None
    ) -> FitRecord:
        """Stores a fitted law or rule."""
        fit_id = uuid.uuid4()
        return self.database.write(
            lambda connection: stages.add_fit(connection, fit_id, kind, fit, study_id, run_id),
            recall=lambda connection: stages.fit_by_id(connection, fit_id),
        )

    def fits(self, study_id: int | None = None) -> list[FitRecord]:
        """Returns the fits of a study, or all, oldest first."""
        return self.database.read(lambda connection: stages.fits_of(connection, study_id))

    def add_artifact(
        self,
        sha256: str,
        *,
        kind: str,
        num_bytes: int,
        trial_id: int | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> ArtifactRecord:
        """Notes a file of the artifact store; to be called once the file is durable."""
        artifact_id = uuid.uuid4()
        return self.database.write(
            lambda connection: stages.add_artifact(
                connection, artifact_id, sha256, kind, num_bytes, trial_id, details or {}
            ),
            recall=lambda connection: stages.artifact_by_id(connection, artifact_id),
        )

    def exports(self, study_id: int) -> list[tuple[int, ArtifactRecord]]:
        """Returns what was exported of a study, oldest first, each with its trial's number."""
        return self.database.read(lambda connection: stages.exports_of(connection, study_id))

    def artifact_records(self, trial_id: int | None = None) -> list[ArtifactRecord]:
        """Returns the artifacts of a trial, or all, oldest first."""
        return self.database.read(lambda connection: stages.artifacts_of(connection, trial_id))
