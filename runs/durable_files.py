"""Files that are there, whole, once a write has returned: the interface, and a folder of this machine.

A write is: temporary file in the same folder, write, fsync, rename, fsync of the folder. The system calls
stand behind `Fs`, so that a test can take the power away between any two of them (as SQLite's tests do).
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from runs.artifact_errors import ArtifactStorageFailed

TEMPORARY_SUFFIX = ".tmp"


class Files(Protocol):
    """Named files. Names are relative paths with `/`, of our own making.

    Guarantees: once `write` has returned, the file is whole and survives power loss; a `write` that raised or
    was cut short leaves the old file or the new one, never a part. Every failure of the world is an
    `ArtifactStorageFailed`.
    """

    def write(self, name: str, chunks: Sequence[bytes]) -> None: ...

    def read(self, name: str, max_bytes: int) -> bytes | None:
        """Returns the first `max_bytes` + 1 bytes (one more, so that too large shows); None if absent."""
        ...

    def names(self, folder: str) -> tuple[str, ...]:
        """Returns the names in the folder, without it, sorted; none when the folder is absent."""
        ...

    def remove(self, name: str) -> None:
        """Removes a file, or an empty folder; absent ones and folders in use are let be."""
        ...

    def sweep(self, folder: str, older_than_s: float) -> int:
        """Removes what killed writers left in the folder; returns how many files that were."""
        ...


class Fs(Protocol):
    """The system calls behind `LocalFiles`."""

    def make_folder(self, path: Path) -> bool:
        """Makes one folder; returns whether it was not there."""
        ...

    def create(self, path: Path) -> int: ...

    def write(self, handle: int, data: bytes) -> None: ...

    def fsync(self, handle: int) -> None: ...

    def close(self, handle: int) -> None: ...

    def rename(self, old: Path, new: Path) -> None: ...

    def fsync_folder(self, path: Path) -> None: ...

    def read(self, path: Path, max_bytes: int) -> bytes: ...

    def names(self, path: Path) -> list[str]: ...

    def age_s(self, path: Path) -> float: ...

    def remove(self, path: Path) -> None: ...


@dataclass(frozen=True, slots=True)
class OsFs:
    """The operating system. Folders are 0700, files 0600; symbolic links are not followed."""

    def make_folder(self, path: Path) -> bool:
        try:
            os.mkdir(path, 0o700)
        except FileExistsError:
            return False
        return True

    def create(self, path: Path) -> int:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)

    def write(self, handle: int, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(handle, rest) :]

    def fsync(self, handle: int) -> None:
        os.fsync(handle)

    def close(self, handle: int) -> None:
        os.close(handle)

    def rename(self, old: Path, new: Path) -> None:
        os.rename(old, new)

    def fsync_folder(self, path: Path) -> None:
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def read(self, path: Path, max_bytes: int) -> bytes:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        with open(handle, "rb") as file:
            return file.read(max_bytes)

    def names(self, path: Path) -> list[str]:
        return os.listdir(path)

    def age_s(self, path: Path) -> float:
        return time.time() - os.lstat(path).st_mtime

    def remove(self, path: Path) -> None:
        if stat.S_ISDIR(os.lstat(path).st_mode):
            os.rmdir(path)
        else:
            os.unlink(path)


@dataclass(frozen=True, slots=True)
class LocalFiles:
    """`Files` in a folder of this machine, made with its parents when the first file is written."""

    root: Path
    fs: Fs = field(default=OsFs())

    def write(self, name: str, chunks: Sequence[bytes]) -> None:
        with storage_failures(f"write {self.root / name}"):
            self._write(self.root / name, chunks)

    def read(self, name: str, max_bytes: int) -> bytes | None:
        with storage_failures(f"read {self.root / name}"):
            try:
                return self.fs.read(self.root / name, max_bytes + 1)
            except FileNotFoundError:
                return None

    def names(self, folder: str) -> tuple[str, ...]:
        with storage_failures(f"list {self.root / folder}"):
            try:
                return tuple(sorted(self.fs.names(self.root / folder)))
            except FileNotFoundError:
                return ()

    def remove(self, name: str) -> None:
        with storage_failures(f"remove {self.root / name}"):
            try:
                self.fs.remove(self.root / name)
            except OSError as error:
                if error.errno not in (errno.ENOENT, errno.ENOTEMPTY):
                    raise

    def sweep(self, folder: str, older_than_s: float) -> int:
        num_removed = 0
        for name in self.names(folder):
            if name.endswith(TEMPORARY_SUFFIX):
                with suppress(FileNotFoundError):  # its writer lives, and was quicker
                    if self.fs.age_s(self.root / folder / name) > older_than_s:
                        self.remove(f"{folder}/{name}")
                        num_removed += 1
        return num_removed

    def _write(self, path: Path, chunks: Sequence[bytes]) -> None:
        self._make_folders(path.parent)
        temporary = path.with_name(f"{secrets.token_hex(8)}{TEMPORARY_SUFFIX}")
        try:
            handle = self.fs.create(temporary)
            try:
                for chunk in chunks:
                    self.fs.write(handle, chunk)
                self.fs.fsync(handle)  # one failure is final: the kernel forgets it, a second fsync would lie
            finally:
                self.fs.close(handle)
            self.fs.rename(temporary, path)
        except BaseException:
            with suppress(OSError):
                self.fs.remove(temporary)
            raise
        self.fs.fsync_folder(path.parent)

    def _make_folders(self, folder: Path) -> None:
        """Makes the folder and its parents; a new folder's name is durable once its parent is synced."""
        try:
            made = self.fs.make_folder(folder)
        except FileNotFoundError:
            self._make_folders(folder.parent)
            made = self.fs.make_folder(folder)
        if made:
            self.fs.fsync_folder(folder.parent)


@contextmanager
def storage_failures(action: str, kind: type[Exception] = OSError) -> Iterator[None]:
    """Turns the world's failures into ours; each object store has exceptions of its own, hence `kind`."""
    try:
        yield
    except kind as error:
        raise ArtifactStorageFailed(
            f"the artifact store could not {action}: {error}; check its space, permissions and connection"
        ) from error
