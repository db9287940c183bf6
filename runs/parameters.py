"""Optuna's distributions as rows: written once a study, named by number in its trials."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from runs.schema import parameter
from runs.text import dump


def parameter_ids(
    connection: Connection,
    study_id: int,
    distributions: Mapping[str, str],
    known: Mapping[tuple[str, str], int],
) -> list[int]:
    """Returns the ids of these names and distributions, in order; new ones are stored.

    Args:
        distributions: their texts by name.
        known: ids that an earlier transaction has read. The caller holds the study's lock.
    """
    pairs = list(distributions.items())
    if all(pair in known for pair in pairs):
        return [known[pair] for pair in pairs]
    by_digest = {_digest(*pair): pair for pair in pairs}
    stored = _stored(connection, study_id, list(by_digest))
    new = [
        {"study_id": study_id, "name": name, "distribution": text, "digest": digest}
        for digest, (name, text) in by_digest.items()
        if digest not in stored
    ]
    if new:
        connection.execute(parameter.insert(), new)
        stored = _stored(connection, study_id, list(by_digest))
    return [stored[digest] for digest in by_digest]


def _stored(connection: Connection, study_id: int, digests: list[str]) -> dict[str, int]:
    rows = connection.execute(
        sa.select(parameter.c.digest, parameter.c.id).where(
            parameter.c.study_id == study_id, parameter.c.digest.in_(digests)
        )
    )
    return {row.digest: row.id for row in rows}


def _digest(name: str, distribution: str) -> str:
    return hashlib.sha256(dump([name, distribution]).encode()).hexdigest()
