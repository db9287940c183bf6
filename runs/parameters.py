"""Optuna's distributions as rows: written once a study, named by number in its trials."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from runs.metrics import dialect_insert
from runs.schema import parameter
from runs.text import dump


def parameter_ids(connection: Connection, study_id: int, distributions: Mapping[str, str]) -> list[int]:
    """Returns the ids of these (name, distribution) pairs, in order; new ones are stored.

    The caller holds the study's lock, so that two writers never store one twice.
    """
    if not distributions:
        return []
    digests = {_digest(name, text): (name, text) for name, text in distributions.items()}
    known = _known(connection, study_id, list(digests))
    if len(known) < len(digests):
        new = [
            {"study_id": study_id, "name": name, "distribution": text, "digest": digest}
            for digest, (name, text) in digests.items()
            if digest not in known
        ]
        connection.execute(dialect_insert(connection, parameter).on_conflict_do_nothing(), new)
        known = _known(connection, study_id, list(digests))
    return [known[digest] for digest in digests]


def _known(connection: Connection, study_id: int, digests: list[str]) -> dict[str, int]:
    rows = connection.execute(
        sa.select(parameter.c.digest, parameter.c.id).where(
            parameter.c.study_id == study_id, parameter.c.digest.in_(digests)
        )
    )
    return {row.digest: row.id for row in rows}


def _digest(name: str, distribution: str) -> str:
    return hashlib.sha256(dump([name, distribution]).encode()).hexdigest()
