"""Where an exported network came from, read again from its folder, so that an export of an export tells it too."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, TypeAdapter, ValidationError

from nas.exporting.errors import ExportError
from nas.exporting.folder import CARD_JSON, read_manifest, require_unchanged
from runs.names import study_name
from search_space import Architecture

LINEAGE = "lineage"  # the card's key
MAX_CARD_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class _Forecast:
    accuracy: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class _Parameter:
    name: str
    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class _Scaling:
    rule: str
    size: str
    equation: str
    parameters: tuple[_Parameter, ...]
    expected: _Forecast | None
    depth: float | None = None
    width: float | None = None
    resolution: float | None = None


@dataclass(frozen=True, slots=True)
class _Training:
    seed: int | None
    accuracy: float


_Table = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Settings:
    search: _Table | None = None
    data: _Table | None = None
    recipe: _Table | None = None
    fidelity: _Table | None = None
    fit: _Table | None = None
    grow: _Table | None = None


@dataclass(frozen=True, slots=True)
class _Lineage:
    """What a card and a file's docstring read of a lineage; it may have more."""

    study: Annotated[str, AfterValidator(study_name)]
    trial: int
    arm: Mapping[str, str | None] | None = None
    settings: _Settings | None = None
    choices: Mapping[str, str | int | float | bool | None] | None = None
    trainings: tuple[_Training, ...] = ()
    runs: tuple[str, ...] = ()
    metrics: Mapping[str, float] | None = None
    splits: Mapping[str, int] | None = None
    fingerprint: str | None = None
    scaling: _Scaling | None = None


def lineage_beside(weights: Path, architecture: Architecture) -> dict[str, Any]:
    """Returns what the card of the export that a file of weights lies in says of its origin.

    Empty where it lies in no export of this architecture, or where the file or the card is not as it was written.

    Args:
        weights: the file.
        architecture: that it is for.
    """
    for folder in (weights.parent, weights.parent.parent):
        try:
            manifest = read_manifest(folder)
            path = weights.relative_to(folder).as_posix()
            entries = [one for one in manifest.files if one.path in (path, CARD_JSON)]
            require_unchanged(folder, entries)
        except ExportError:
            continue
        own = manifest.kind == "export" and manifest.architecture == architecture.to_json()
        if own and {one.path for one in entries} == {path, CARD_JSON}:
            return _read(folder / CARD_JSON)
    return {}


def _read(card: Path) -> dict[str, Any]:
    try:
        if card.stat().st_size > MAX_CARD_BYTES:
            return {}
        found = json.loads(card.read_bytes()).get(LINEAGE) or {}
        if found:
            TypeAdapter(_Lineage).validate_python(found)
        return dict(found)
    except (OSError, ValueError, TypeError, AttributeError, RecursionError, ValidationError):
        return {}
