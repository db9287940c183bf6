"""Exports noted in the ledger: what was written of which trial, in which formats and where, with its manifest."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from nas.exporting.folder import MANIFEST, Entry, Manifest
from nas.exporting.subject import Origin, Subject
from runs import open_store
from runs.errors import LedgerError
from runs.records import EXPORT

SAME = ("folder", "content")  # what makes two exports of one trial the same


def note(
    subjects: Sequence[Subject],
    manifest: Manifest,
    words: Sequence[str],
    place: str,
    watch: Callable[[str], None],
) -> None:
    """Notes an export with each trial that it is of, and keeps its manifest with the artifacts.

    The same export again adds nothing. A ledger that cannot be written leaves the export as it is: `watch` is told.

    Args:
        subjects: what was exported; those that no ledger has are passed over.
        manifest: of the folder.
        words: its formats and variants.
        place: the folder, as the user said it.
        watch: is told why nothing was noted.
    """
    details = {
        "file_name": f"{manifest.name}.{MANIFEST}",
        "folder": place,
        "formats": list(words),
        "content": content_digest(manifest.files),
    }
    try:
        for origin in (one.origin for one in subjects):
            if origin is not None:
                _note(origin, manifest.to_json().encode(), details)
    except LedgerError as error:
        watch(f"the export is kept, but its study does not know of it: {error}")


def content_digest(files: Sequence[Entry]) -> str:
    """Returns the sha256 of all that was written, but for manifests: they tell the time."""
    lines = [f"{one.sha256} {one.path}" for one in files if PurePosixPath(one.path).name != MANIFEST]
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()


def _note(origin: Origin, content: bytes, details: Mapping[str, Any]) -> None:
    with open_store(origin.storage, artifacts=origin.artifacts) as store:
        noted = [one.details for one in store.artifact_records(origin.trial_id) if one.kind == EXPORT]
        if any(all(one.get(key) == details[key] for key in SAME) for one in noted):
            return
        sha256 = store.artifacts.put_bytes(content, kind=EXPORT)
        store.add_artifact(
            sha256, kind=EXPORT, num_bytes=len(content), trial_id=origin.trial_id, details=details
        )
