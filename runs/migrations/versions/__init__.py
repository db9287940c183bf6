"""Migrations, in order. A published one is never edited; a change to `runs.schema` adds the next."""
