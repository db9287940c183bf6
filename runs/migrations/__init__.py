"""The database's history: one file per schema version, run by alembic under a lock (see `runs.migrate`)."""
