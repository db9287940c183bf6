"""Placeholder replaced below."""

from __future__ import annotations

from runs.database import Database
from runs.owner import code_version
from runs.schema import SCHEMA_VERSION, metadata, schema_info, utc_now
import sqlalchemy as sa

def ensure(database: Database) -> None:
    with database.connection(write=True) as c:
        if not sa.inspect(c).has_table("schema_info"):
            metadata.create_all(c)
            c.execute(schema_info.insert().values(id=1, version=SCHEMA_VERSION, code_version=code_version(), created=utc_now()))
