"""For programs that look at a storage for days: an outage is told at once and tried in one place, and a SQLite file is
followed when another is put in its place.

The first is a circuit breaker (M. Nygard, "Release It!", 2nd edition, 2018, chapter 5): after a failure nobody waits
any more; once in a while one caller tries, and its success lets all through again.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from runs.errors import StorageAway, StorageUnreachable

T = TypeVar("T")

RETRY_S = 2.0  # between tries while the storage is away
STATEMENT_TIMEOUT_S = 20  # a reader's statement takes a second or two at 100,000 trials


class Breaker:
    """Lets work through while the storage answers. Safe to use from several threads.

    Args:
        utc: tells since when the storage is away, in seconds since 1970.
        monotonic: measures when it is tried again.
    """

    def __init__(self, utc: Callable[[], float], monotonic: Callable[[], float]) -> None:
        self._utc, self._monotonic = utc, monotonic
        self._lock = threading.Lock()
        self._away: StorageAway | None = None
        self._next_try = 0.0

    def call(self, work: Callable[[], T]) -> T:
        """Returns what `work` returns.

        Raises:
            StorageAway: at once while the storage is known to be away, or because `work` could not reach it.
        """
        with self._lock:
            if self._away is not None:
                if self._monotonic() < self._next_try:
                    raise _repeated(self._away)
                self._next_try = float("inf")  # this caller tries; the others are told meanwhile
        try:
            done = work()
        except StorageUnreachable as error:
            raise self._opened(error) from None
        except BaseException:
            self._closed()  # it did answer, or we do not know: the next one will see
            raise
        self._closed()
        return done

    def _opened(self, error: StorageUnreachable) -> StorageAway:
        with self._lock:
            since = self._utc() if self._away is None else self._away.since
            self._next_try = self._monotonic() + RETRY_S
            self._away = StorageAway(_sentence(since, error), since)
            return _repeated(self._away)

    def _closed(self) -> None:
        with self._lock:
            self._away = None


class WatchedFile:
    """Which file lies at a path: a program that holds one open would go on reading it after it was deleted.

    Args:
        path: of the file, which is there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._accepted: tuple[int, int] | None = self._identity()

    def has_changed(self) -> bool:
        """Returns whether a file lies there that was not accepted. Raises StorageUnreachable: none does."""
        if self._identity() != self._accepted:
            self._accepted = None  # for good: who closes the old file frees its number for a third one
        return self._accepted is None

    def accept(self) -> None:
        """Takes the file that lies there now for the right one."""
        self._accepted = self._identity()

    def _identity(self) -> tuple[int, int]:
        try:
            found = os.stat(self.path)
        except OSError as error:
            raise StorageUnreachable(
                f"the storage's file must be where it was, got none that can be read at {self.path}"
                f" ({error.strerror}); put it back"
            ) from None
        return found.st_dev, found.st_ino


def _sentence(since: float, error: StorageUnreachable) -> str:
    clock = time.strftime("%H:%M:%S UTC", time.gmtime(since))
    return f"The storage is away since {clock}, and is tried again every {RETRY_S:g} s: {error}"


def _repeated(away: StorageAway) -> StorageAway:
    """Returns the error anew: one that several threads raised would gather all their tracebacks."""
    return StorageAway(str(away), away.since)
