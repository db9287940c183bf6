"""From a URL to files: a folder of this machine, or an object store through fsspec.

An object store's single put is atomic and durable by its provider's promise; only such stores are admitted.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fsspec
from fsspec.core import split_protocol

from runs.artifact_errors import BadArtifact
from runs.durable_files import Files, Fs, LocalFiles, storage_failures

LOCAL_PROTOCOLS = ("file", "local")
OBJECT_PROTOCOLS = ("s3", "gs", "az", "abfs", "memory")
# The package that fsspec needs for a protocol, and what to install for it.
_PACKAGES = {
    "s3": ("s3fs", "'nas-compound[s3]'"),
    "gs": ("gcsfs", "'nas-compound[gcs]'"),
    "az": ("adlfs", "adlfs"),
    "abfs": ("adlfs", "adlfs"),
}


@dataclass(frozen=True, slots=True)
class ObjectFiles:
    """`Files` in an object store, or in this process's memory (`memory://`, for trying things out)."""

    fs: Any  # fsspec.AbstractFileSystem, which has no types
    root: str

    def write(self, name: str, chunks: Sequence[bytes]) -> None:
        with storage_failures(f"write {name}", Exception):
            self.fs.pipe_file(self._path(name), b"".join(chunks))

    def read(self, name: str, max_bytes: int) -> bytes | None:
        with storage_failures(f"read {name}", Exception):
            try:
                size = int(self.fs.size(self._path(name)))
                return bytes(self.fs.cat_file(self._path(name), 0, max_bytes + 1)) if size else b""
            except FileNotFoundError:
                return None

    def names(self, folder: str) -> tuple[str, ...]:
        with storage_failures(f"list {folder}", Exception):
            self.fs.invalidate_cache()  # others write too
            try:
                paths = self.fs.ls(self._path(folder), detail=False)
            except FileNotFoundError:
                return ()
            return tuple(sorted(str(path).rstrip("/").rpartition("/")[2] for path in paths))

    def remove(self, name: str) -> None:
        with storage_failures(f"remove {name}", Exception):
            with suppress(FileNotFoundError):
                if self.fs.isfile(self._path(name)):  # object stores have no folders to remove
                    self.fs.rm_file(self._path(name))

    def sweep(self, folder: str, older_than_s: float) -> int:
        del folder, older_than_s  # a single put leaves nothing behind
        return 0

    def _path(self, name: str) -> str:
        return f"{self.root}/{name}"


def absolute_url(url: str) -> str:
    """Returns the URL of a folder or object store so that it means the same in every process.

    Args:
        url: a path, absolute or relative to the working folder, or `file://`, `s3://`, `gs://`, `az://`, `abfs://`.

    Raises:
        BadArtifact: when it is empty or of another kind.

    >>> absolute_url("/data/../data/artifacts")
    'file:///data/artifacts'
    """
    protocol, path = split_protocol(url)
    if protocol in OBJECT_PROTOCOLS and "::" not in url and path.strip("/"):
        return f"{protocol}://{path.rstrip('/')}"
    if (protocol is None or protocol in LOCAL_PROTOCOLS) and "::" not in url and path and "\0" not in path:
        return f"file://{os.path.abspath(os.path.expanduser(path))}"
    known = ", ".join(f"{name}://" for name in ("file", *OBJECT_PROTOCOLS))
    raise BadArtifact(
        f"an artifact store is a folder or a URL of {known}, got {safe_url(url)!r}; give one of these"
    )


def safe_url(url: str) -> str:
    """Returns the URL without its password and query, for messages.

    >>> safe_url("s3://key:secret@bucket/a?token=1")
    's3://***@bucket/a'
    """
    return re.sub(r"(?<=://)[^/]*@", "***@", url.partition("?")[0])


def open_files(url: str, fs: Fs) -> Files:
    """Returns the files below `url`; `fs` makes the system calls of a local folder.

    Raises:
        BadArtifact: when the URL is of an unknown kind, or the package for its kind is not installed.
    """
    protocol, path = split_protocol(absolute_url(url))
    if protocol in LOCAL_PROTOCOLS:
        return LocalFiles(Path(path), fs)
    try:
        remote, root = fsspec.url_to_fs(absolute_url(url))
    except ImportError as error:
        package, wanted = _PACKAGES[protocol]
        raise BadArtifact(
            f"{protocol}:// must have the package {package}, which cannot be imported for {safe_url(url)}; run"
            f" `pip install {wanted}` beside the driver and on the workers"
        ) from error
    return ObjectFiles(remote, str(root))
