"""What all pages read from: one storage, and a table of each study that follows the ledger by its revision.

The table is read once, in chunks, and then only what has changed. A request never waits for more than one chunk: a
page that is opened on a large study shows what has been read so far, and says so.

All viewers share the table, look at the ledger together no more than twice a second, and share what is made of one
revision: three of them cost a search hardly more than one.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from typing import TypeVar, cast

from dashboards.info.table import Table
from runs import Store, TrialState
from runs.artifacts import ArtifactStore
from runs.browsing import Browsing, Head
from runs.errors import LedgerError, StudyMissing

MAX_STUDIES = 8  # tables kept at once
FIRST_CHUNK = 20_000  # rows that a first request waits for
POLL_S = 0.05  # between looks at how far a table has been read
FRESH_S = 0.5  # for which what was read is new enough for everybody
MAX_SHARED = 32  # values made of tables that are kept for other viewers

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Reading:
    """A study's table at one moment.

    Args:
        table: the trials.
        is_whole: False while older trials are still being read.
        revision: of the study; None: it was deleted.
    """

    table: Table
    is_whole: bool
    revision: int | None

    @property
    def is_moving(self) -> bool:
        """Returns whether trials are under way, whose curves and leases change without a revision."""
        return bool(self.table.are(TrialState.LEASED, TrialState.RUNNING).any())


class Reader:
    """Reads one storage for all viewers. Safe to use from several threads.

    Args:
        store: the open ledger.
        now: the clock that ages are measured by; tests give their own.
        fresh_s: for how many seconds what was read is new enough.
    """

    def __init__(
        self, store: Store, *, now: Callable[[], float] = time.time, fresh_s: float = FRESH_S
    ) -> None:
        self.store = store
        self._fresh_s = fresh_s
        self.browse = Browsing(store.database)
        self.now = now
        self._lock = threading.Lock()
        self._followers: OrderedDict[int, _Follower] = OrderedDict()
        self._shared: OrderedDict[Hashable, _Once] = OrderedDict()
        self._opening = store.database.num_openings

    def opening(self) -> int:
        """Returns which database is read, counted from 1: what was read of one that was replaced is forgotten."""
        found = self.store.database.read(lambda _: self.store.database.num_openings)
        with self._lock:
            if found != self._opening:
                self._followers.clear()
                self._shared.clear()
                self._opening = found
        return found

    @property
    def artifacts(self) -> ArtifactStore:
        """Where checkpoints and exports lie."""
        return self.store.artifacts

    def head(self, study_id: int) -> Head:
        """Returns one study's counters. Raises StudyMissing."""
        found = self.browse.heads(study_id)
        if not found:
            raise StudyMissing(f"a study must exist before it is shown, got id {study_id}; was it deleted?")
        return found[0]

    def read(self, study_id: int) -> Reading:
        """Returns the study's table as new as the ledger, or as far as it has been read."""
        self.opening()
        with self._lock:
            follower = self._followers.pop(study_id, None)
            follower = follower or _Follower(self.browse, study_id, self._fresh_s)
            self._followers[study_id] = follower
            if len(self._followers) > MAX_STUDIES:
                self._followers.popitem(last=False)
        return follower.read()

    def known(self, study_id: int) -> Reading | None:
        """Returns what was read of a study before; None where nothing was."""
        follower = self._followers.get(study_id)
        return None if follower is None else follower.last()

    def whole(self, study_id: int) -> Table:
        """Returns the study's whole table, however long that takes: for files, not for pages."""
        while not (reading := self.read(study_id)).is_whole:
            time.sleep(POLL_S)
        return reading.table

    def shared(self, key: Hashable, make: Callable[[], T]) -> T:
        """Returns what `make` returns, made once for all viewers that ask for the same key.

        Args:
            key: must name all that the value depends on, such as the study and its revision.
            make: called by whoever asks first; the others wait for it.
        """
        with self._lock:
            once = self._shared.pop(key, None) or _Once()
            self._shared[key] = once
            if len(self._shared) > MAX_SHARED:
                self._shared.popitem(last=False)
        return cast(T, once.value(make))

    def table(self, study_id: int) -> Table:
        """Returns the study's table as far as it has been read."""
        return self.read(study_id).table


class _Once:
    """A value that is made by whoever asks for it first; one that could not be made is tried again by the next."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: list[object] = []

    def value(self, make: Callable[[], object]) -> object:
        with self._lock:
            if not self._made:
                self._made.append(make())
            return self._made[0]


class _Follower:
    """One study's table. The first chunk is read by whoever asks first, the rest by a thread of its own."""

    def __init__(self, browse: Browsing, study_id: int, fresh_s: float) -> None:
        self._browse, self._study_id, self._fresh_s = browse, study_id, fresh_s
        self._lock = threading.Lock()
        self._last = Reading(Table(), is_whole=False, revision=0)
        self._looked = -fresh_s  # when, by the monotonic clock
        self._filling: threading.Thread | None = None

    def read(self) -> Reading:
        if self._filling is None or not self._filling.is_alive():
            with self._lock:
                if time.monotonic() - self._looked >= self._fresh_s:
                    self._look()
        return self._last

    def last(self) -> Reading:
        return self._last

    def _look(self) -> None:
        """Asks for the revision, by its key, and reads only where it has moved."""
        revision = self._browse.revision(self._study_id)
        if revision is None:
            self._last = replace(self._last, revision=None)
        elif (revision != self._last.revision or not self._last.is_whole) and not self._step(revision):
            self._filling = threading.Thread(target=self._fill, daemon=True, name="dashboard-reader")
            self._filling.start()
        self._looked = time.monotonic()

    def _step(self, revision: int) -> bool:
        """Reads one chunk; returns whether it was the last."""
        table = self._last.table
        glances = self._browse.changed(self._study_id, table.revision, limit=FIRST_CHUNK)
        is_whole = len(glances) < FIRST_CHUNK
        self._last = Reading(table.updated(glances), is_whole, revision if is_whole else 0)
        return is_whole

    def _fill(self) -> None:
        try:
            with self._lock:
                while not self._step(self._browse.revision(self._study_id) or 0):
                    pass
        except LedgerError:
            return  # the next reader tries again, and shows why it cannot
