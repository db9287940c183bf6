"""What can go wrong with the ledger: one tree of errors, each one sentence with rule, value and remedy.

`exit_code` is what a command line ends with: 2 usage, 3 not found, 4 conflict, 5 unreachable, 6 schema.
"""

from __future__ import annotations

from typing import ClassVar


class LedgerError(Exception):
    """Anything the ledger refuses; its text is made to be shown to a person and holds no credentials."""

    exit_code: ClassVar[int] = 1


class BadName(LedgerError, ValueError):
    """A study name that breaks the rule of `runs.names`."""

    exit_code = 2


class BadStorage(LedgerError, ValueError):
    """A storage URL that cannot be used: unknown dialect, network file system, a folder for a file."""

    exit_code = 2


class BadRecord(LedgerError, ValueError):
    """A value that the ledger must not store, such as an infinite objective of a complete trial."""

    exit_code = 2


class StudyMissing(LedgerError, LookupError):
    """No study has this name or id."""

    exit_code = 3


class TrialMissing(LedgerError, LookupError):
    """No trial has this id or number."""

    exit_code = 3


class StudyExists(LedgerError, ValueError):
    """A study of this name (letter case ignored) is already there."""

    exit_code = 4


class StudyBusy(LedgerError):
    """Another driver, alive, owns the study."""

    exit_code = 4


class StorageUnreachable(LedgerError):
    """The database did not answer within the storage timeout, or refused the connection."""

    exit_code = 5


class StorageFull(StorageUnreachable):
    """The disk under the database is full; nothing is lost, work goes on when space is freed."""


class StorageReadOnly(StorageUnreachable):
    """The database can be read but not written."""


class StorageAway(StorageUnreachable):
    """The database is known not to answer since a while; told without asking it again (see `runs.outage`).

    Args:
        sentence: for people, with the time.
        since: UTC seconds.
    """

    def __init__(self, sentence: str, since: float) -> None:
        super().__init__(sentence)
        self.since = since


class SchemaError(LedgerError):
    """The database is not one that this version of the code may write."""

    exit_code = 6


class NewerSchema(SchemaError):
    """Written by a newer version of the code; left untouched."""


class OlderSchema(SchemaError):
    """Written by an older version; upgraded only on request."""


class NotALedger(SchemaError):
    """The database holds tables of something else, or the file is no database."""


class BackupNeeded(SchemaError):
    """An upgrade that must not begin before the user has made a backup."""
