"""What all pages read from: one storage, and a table of each study that follows the ledger by its revision.

The table is read once, in chunks, and then only what has changed; all viewers share it. A request never waits for
more than one chunk: a page that is opened on a large study shows what has been read so far, and says so.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from dashboards.info.table import Table
from runs import Store, TrialState
from runs.artifacts import ArtifactStore
from runs.browsing import Browsing, Head
from runs.errors import LedgerError, StudyMissing

MAX_STUDIES = 8  # tables kept at once
FIRST_CHUNK = 20_000  # rows that a first request waits for
POLL_S = 0.05  # between looks at how far a table has been read


@dataclass(frozen=True, slots=True)
class Reading:
    """A study's table at one moment; `is_whole` is False while older trials are still being read."""

    table: Table
    is_whole: bool


class Reader:
    """Reads one storage for all viewers. Safe to use from several threads.

    Args:
        store: the open ledger.
        now: the clock that ages are measured by; tests give their own.
    """

    def __init__(self, store: Store, *, now: Callable[[], float] = time.time) -> None:
        self.store = store
        self.browse = Browsing(store.database)
        self.now = now
        self._lock = threading.Lock()
        self._followers: OrderedDict[int, _Follower] = OrderedDict()

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
        with self._lock:
            follower = self._followers.pop(study_id, None) or _Follower(self.browse, study_id)
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

    def is_moving(self, study_id: int) -> bool:
        """Returns whether trials of a study are under way, whose curves and leases change without a revision."""
        return bool(self.table(study_id).are(TrialState.LEASED, TrialState.RUNNING).any())

    def table(self, study_id: int) -> Table:
        """Returns the study's table as far as it has been read."""
        return self.read(study_id).table


class _Follower:
    """One study's table. The first chunk is read by whoever asks first, the rest by a thread of its own."""

    def __init__(self, browse: Browsing, study_id: int) -> None:
        self._browse, self._study_id = browse, study_id
        self._lock = threading.Lock()
        self._table = Table()
        self._is_whole = False
        self._filling: threading.Thread | None = None

    def read(self) -> Reading:
        if self._filling is None or not self._filling.is_alive():
            with self._lock:
                if not self._step():
                    self._filling = threading.Thread(target=self._fill, daemon=True, name="dashboard-reader")
                    self._filling.start()
        return self.last()

    def last(self) -> Reading:
        return Reading(self._table, self._is_whole)

    def _step(self) -> bool:
        """Reads one chunk; returns whether it was the last."""
        glances = self._browse.changed(self._study_id, self._table.revision, limit=FIRST_CHUNK)
        self._table = self._table.updated(glances)
        self._is_whole = len(glances) < FIRST_CHUNK
        return self._is_whole

    def _fill(self) -> None:
        try:
            with self._lock:
                while not self._step():
                    pass
        except LedgerError:
            return  # the next reader tries again, and shows why it cannot
