"""The artifact store: weights, exports and checkpoints as files that are verified when they are read.

    <url>/objects/<sha256>                          content-addressed; names the same bytes for ever
    <url>/checkpoints/<sha256 of key>/<epoch>       the newest two of each piece of work, until it is done

Workers write here, and workers have no database: the folder explains itself, and rows that refer to it come
later. Names are hashes of our own; what a user typed is never a path. No file is a pickle, but a store may be
sent to another process: it is its URL.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from runs.artifact_errors import ArtifactCorrupt, ArtifactMissing, BadArtifact
from runs.checkpoints import Checkpoint, decoded, encoded
from runs.durable_files import Files, Fs, LocalFiles, OsFs
from runs.object_files import absolute_url, open_files, safe_url

MAX_BYTES = 4 << 30  # a billion parameters in float32; files are read into memory
NUM_KEPT = 2  # a checkpoint that turns out damaged has one before it
LEFTOVER_AGE_S = 86_400.0  # no write takes a day: what is older was left by a killed writer
_SHA256 = re.compile(r"[0-9a-f]{64}")
_EPOCH = re.compile(r"[0-9]{8}")
_log = logging.getLogger(__name__)


def log_refusal(reason: ArtifactCorrupt) -> None:
    """Logs a warning that a checkpoint was refused; what `load_checkpoint` does unless told otherwise."""
    _log.warning("%s", reason)


@dataclass(frozen=True, slots=True)
class ArtifactStore:
    """Verified files at a URL. Safe for any number of processes; the same store in every working folder.

    Args:
        url: a folder, or `file://`, `s3://`, `gs://`, `az://`, `abfs://`; made by the first write.
        max_bytes: size above which a file is neither written nor read.
        fs: the system calls below a local folder.

    Every method raises `ArtifactStorageFailed` (class `storage`) when the disk or the service fails.

    >>> store = ArtifactStore("memory://example")
    >>> store.get_bytes(store.put_bytes(b"weights", kind="weights"))
    b'weights'
    """

    url: str
    max_bytes: int = MAX_BYTES
    fs: Fs = field(default=OsFs(), repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "url", absolute_url(self.url))

    def __str__(self) -> str:
        return safe_url(self.url)

    __repr__ = __str__

    def put_bytes(self, data: bytes, *, kind: str) -> str:
        """Stores `data` and returns its sha256; returns only when it is durable. Again is harmless.

        Args:
            kind: what it is ("weights", "export"), for messages.

        Raises:
            BadArtifact: when it is larger than `max_bytes`.
        """
        self._check_size(len(data), kind)
        sha256 = hashlib.sha256(data).hexdigest()
        # Also when it is there already: that file may be damaged, or not yet durable.
        self._files().write(_object(sha256), [data])
        return sha256

    def get_bytes(self, sha256: str) -> bytes:
        """Returns what was stored under `sha256`, verified.

        Raises:
            ArtifactMissing: when nothing is.
            ArtifactCorrupt: when the bytes do not have this hash (class `checkpoint_corrupt`).
        """
        data = self._files().read(_object(sha256), self.max_bytes)
        if data is None:
            raise ArtifactMissing(f"no artifact {sha256} in {self}; is this the store it was written to?")
        if len(data) > self.max_bytes or hashlib.sha256(data).hexdigest() != sha256:
            raise ArtifactCorrupt(f"artifact {sha256} in {self} does not have its hash; make it again")
        return data

    def path(self, sha256: str) -> Path:
        """Returns where a local store keeps the artifact, whether it is there or not. Not verified.

        Raises:
            BadArtifact: when the store is not a local folder.
        """
        files = self._files()
        if not isinstance(files, LocalFiles):
            raise BadArtifact(f"only a local folder has paths, and the store is {self}; use `get_bytes`")
        return files.root / _object(sha256)

    def exists(self, sha256: str) -> bool:
        """Returns whether something is stored under `sha256`; not whether it is sound."""
        return self._files().read(_object(sha256), 0) is not None

    def digests(self) -> frozenset[str]:
        """Returns what is stored, by its sha256; not whether it is sound."""
        return frozenset(name for name in self._files().names("objects") if _SHA256.fullmatch(name))

    def delete(self, sha256: str) -> None:
        """Removes the artifact; nothing happens when it is absent."""
        self._files().remove(_object(sha256))

    def save_checkpoint(
        self, key: str, epoch: int, files: Mapping[str, bytes], *, labels: Mapping[str, str] | None = None
    ) -> None:
        """Stores the state of the work `key` after `epoch`; returns only when it is durable.

        Of the epochs up to this one the newest two are kept. Later ones are let be: they may be damaged, or
        another process's that is ahead.

        Args:
            files: the parts by name: letters, digits, `_`, `.`, `-`.
            labels: words that are given back with the checkpoint (versions, digests).

        Raises:
            BadArtifact: when a part's name or the size breaks a rule.
        """
        chunks = encoded(Checkpoint(key, epoch, files, labels or {}))
        self._check_size(sum(map(len, chunks)), "checkpoint")
        store = self._files()
        store.write(f"{_folder(key)}/{epoch:08d}", chunks)
        earlier = [name for name in _epochs(store, key) if int(name) <= epoch]
        for name in earlier[NUM_KEPT:]:
            store.remove(f"{_folder(key)}/{name}")

    def load_checkpoint(
        self, key: str, *, refused: Callable[[ArtifactCorrupt], None] = log_refusal
    ) -> Checkpoint | None:
        """Returns the newest sound checkpoint of the work `key`, or None: start from scratch.

        Args:
            refused: is told of each newer one that is damaged or belongs to other work.
        """
        store = self._files()
        for name in _epochs(store, key):
            data = store.read(f"{_folder(key)}/{name}", self.max_bytes)
            if data is None:  # dropped since it was listed
                continue
            try:
                return decoded(data, key=key, epoch=int(name))
            except ArtifactCorrupt as error:
                refused(ArtifactCorrupt(f"the checkpoint of epoch {int(name)} of {key} is refused: {error}"))
        return None

    def drop_checkpoints(self, key: str) -> None:
        """Removes all checkpoints of the work `key`, once it is done."""
        store = self._files()
        for name in _epochs(store, key):
            store.remove(f"{_folder(key)}/{name}")
        store.remove(_folder(key))

    def sweep(self, *, older_than_s: float = LEFTOVER_AGE_S) -> int:
        """Removes temporary files that killed writers left; returns how many."""
        store = self._files()
        folders = ["objects", *(f"checkpoints/{name}" for name in store.names("checkpoints"))]
        return sum(store.sweep(folder, older_than_s) for folder in folders)

    def _files(self) -> Files:
        return open_files(self.url, self.fs)

    def _check_size(self, num_bytes: int, kind: str) -> None:
        if num_bytes > self.max_bytes:
            raise BadArtifact(
                f"a stored file must have at most {self.max_bytes} bytes, got {kind} of {num_bytes};"
                " split it or open the store with a larger `max_bytes`"
            )


def _object(sha256: str) -> str:
    if _SHA256.fullmatch(sha256) is None:
        raise BadArtifact(f"an artifact's name is 64 hexadecimal digits, got {sha256[:80]!a}; copy it whole")
    return f"objects/{sha256}"


def _folder(key: str) -> str:
    return f"checkpoints/{hashlib.sha256(key.encode()).hexdigest()}"


def _epochs(files: Files, key: str) -> list[str]:
    """The names of the stored epochs of `key`, the newest first."""
    return [name for name in reversed(files.names(_folder(key))) if _EPOCH.fullmatch(name)]
