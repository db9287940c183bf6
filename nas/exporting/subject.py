"""What is exported: an architecture, its weights where it has some, its data, and where it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nas.settings import DataSettings
from search_space import Architecture
from search_space.export.preprocessing import Preprocessing


@dataclass(frozen=True, slots=True)
class Origin:
    """The trial of a ledger that a network was read from, where its export is noted.

    Args:
        trial_id: of the ledger.
        storage: its URL, which may hold a password.
        artifacts: fsspec URL of the artifacts, where they are not beside the ledger.
    """

    trial_id: int
    storage: str = field(repr=False)
    artifacts: str | None = None


@dataclass(frozen=True, slots=True)
class Subject:
    """What is exported.

    Args:
        name: of the files: a Python identifier.
        architecture: without auxiliary classifiers, at the side that it was trained at.
        weights: safetensors by our names; None where nothing was trained.
        data: that it was trained on, or is to be checked on; None where that is not known.
        lineage: where it comes from, as JSON can hold it; empty for a reference network or a file of no export.
        preprocessing: as the file says it was exported with; None where none does.
        files: that it was read from; none for what the ledger or the zoo has.
        origin: the trial that it was read from; None for what no ledger has.
    """

    name: str
    architecture: Architecture
    weights: bytes | None = field(default=None, repr=False)
    data: DataSettings | None = None
    lineage: Mapping[str, Any] = field(default_factory=dict)
    preprocessing: Preprocessing | None = None
    files: tuple[Path, ...] = ()
    origin: Origin | None = None

    @property
    def is_file(self) -> bool:
        """Returns whether somebody named files, and not a trial."""
        return bool(self.files)
