"""What can go wrong with stored files.

`failure_class` is the class under which an evaluation that ended by the error is filed.
"""

from __future__ import annotations

from typing import ClassVar

from runs.errors import LedgerError
from runs.states import FailureClass


class ArtifactError(LedgerError):
    """Anything that is wrong with a stored file or its store."""


class BadArtifact(ArtifactError, ValueError):
    """A store's URL, an artifact's name or its size that breaks a rule."""

    exit_code = 2


class ArtifactMissing(ArtifactError, LookupError):
    """No file is stored under this hash."""

    exit_code = 3


class ArtifactCorrupt(ArtifactError):
    """What is stored is not what was written: the bytes do not have their hash."""

    exit_code = 9
    failure_class: ClassVar[FailureClass] = FailureClass.CHECKPOINT_CORRUPT


class ArtifactStorageFailed(ArtifactError):
    """The store did not read or write: disk full, input/output error, no permission, no connection."""

    exit_code = 5
    failure_class: ClassVar[FailureClass] = FailureClass.STORAGE
