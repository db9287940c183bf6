"""A disk in memory that loses power: what was not synced survives in part, by chance (how SQLite tests).

A file's bytes are durable after `fsync` of the file, a folder's entries after `fsync_folder` of the folder;
each other change survives or not, independently of the rest, and a write may survive in part or as zeros.
"""

from __future__ import annotations

import errno
import itertools
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np


class PowerLoss(BaseException):
    """The machine is off: nothing of the program runs on, not even its `except OSError`."""


@dataclass
class Folder:
    """Names and what they stand for; `pending` holds changes that no sync has made durable."""

    entries: dict[str, File | Folder] = field(default_factory=dict)
    durable: dict[str, File | Folder] = field(default_factory=dict)
    pending: list[dict[str, File | Folder | None]] = field(default_factory=list)

    def change(self, change: dict[str, File | Folder | None]) -> None:
        _apply(self.entries, change)
        self.pending.append(change)

    def sync(self) -> None:
        self.durable, self.pending = dict(self.entries), []

    def rebooted(self, rng: np.random.Generator) -> Folder:
        entries = dict(self.durable)
        for change in self.pending:
            if rng.random() < 0.5:
                _apply(entries, change)
        after = {name: node.rebooted(rng) for name, node in entries.items()}
        return Folder(dict(after), dict(after))


@dataclass
class File:
    """A file's bytes, as the program sees them and as the disk has them."""

    data: bytes = b""
    durable: bytes = b""

    def sync(self) -> None:
        self.durable = self.data

    def rebooted(self, rng: np.random.Generator) -> File:
        unsynced = self.data[len(self.durable) :]
        kept = int(rng.integers(len(unsynced) + 1))
        survivors = (b"", unsynced, unsynced[:kept], bytes(len(unsynced)))
        data = self.durable + survivors[int(rng.integers(len(survivors)))]
        return File(data, data)


def _apply(entries: dict[str, File | Folder], change: dict[str, File | Folder | None]) -> None:
    for name, node in change.items():
        if node is None:
            entries.pop(name, None)
        else:
            entries[name] = node


@dataclass
class PowerLossFs:
    """A `runs.durable_files.Fs`. The power goes when `num_operations` changes or syncs have been made.

    `ignored` names one kind of sync that does nothing: with it the tests must fail, or they prove nothing.
    """

    root: Folder = field(default_factory=Folder)
    num_operations: float = float("inf")
    ignored: str = ""
    num_done: int = 0
    _handles: dict[int, File] = field(default_factory=dict)
    _next: Callable[[], int] = field(default_factory=lambda: itertools.count(3).__next__)

    def after_reboot(self, rng: np.random.Generator) -> PowerLossFs:
        return PowerLossFs(self.root.rebooted(rng))

    def make_folder(self, path: Path) -> bool:
        parent = self._folder(path.parent)
        if path.name in parent.entries or path == Path("/"):
            return False
        self._spend()
        parent.change({path.name: Folder()})
        return True

    def create(self, path: Path) -> int:
        self._spend()
        parent, file, handle = self._folder(path.parent), File(), self._next()
        assert path.name not in parent.entries
        parent.change({path.name: file})
        self._handles[handle] = file
        return handle

    def write(self, handle: int, data: bytes) -> None:
        self._spend()
        self._handles[handle].data += data

    def fsync(self, handle: int) -> None:
        self._spend()
        if self.ignored != "fsync":
            self._handles[handle].sync()

    def close(self, handle: int) -> None:
        del self._handles[handle]

    def rename(self, old: Path, new: Path) -> None:
        self._spend()
        parent = self._folder(old.parent)
        assert old.parent == new.parent
        parent.change({old.name: None, new.name: parent.entries[old.name]})

    def fsync_folder(self, path: Path) -> None:
        self._spend()
        if self.ignored != "fsync_folder":
            self._folder(path).sync()

    def read(self, path: Path, max_bytes: int) -> bytes:
        node = self._node(path)
        assert isinstance(node, File)
        return node.data[:max_bytes]

    def names(self, path: Path) -> list[str]:
        return list(self._folder(path).entries)

    def age_s(self, path: Path) -> float:
        self._node(path)
        return 0.0

    def remove(self, path: Path) -> None:
        node = self._node(path)
        if isinstance(node, Folder) and node.entries:
            raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY), str(path))
        self._spend()
        self._folder(path.parent).change({path.name: None})

    def _spend(self) -> None:
        if self.num_done >= self.num_operations:
            raise PowerLoss
        self.num_done += 1

    def _folder(self, path: Path) -> Folder:
        node = self._node(path)
        assert isinstance(node, Folder)
        return node

    def _node(self, path: Path) -> File | Folder:
        node: File | Folder = self.root
        for name in path.parts[1:]:
            assert isinstance(node, Folder)
            if name not in node.entries:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
            node = node.entries[name]
        return node
