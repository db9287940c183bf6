"""Three viewers of one search at once: each sees every trial, and together they read each change once."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from runs import Outcome, TrialState
from runs.browsing import Browsing
from tests.dashboards.serving import watched
from tests.dashboards.viewer import Viewer
from tests.fakes.ledgers import write_ledger

NUM_VIEWERS, NUM_NEW = 3, 6


def test_three_viewers_follow_a_search_and_read_each_trial_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path / 'nas.db'}"
    write_ledger(url)
    read: list[tuple[int, int]] = []
    changed = Browsing.changed

    def noted(self: Browsing, study_id: int, after: int, *, limit: int) -> Any:
        found = changed(self, study_id, after, limit=limit)
        read.extend((one.number, one.revision) for one in found)
        return found

    monkeypatch.setattr(Browsing, "changed", noted)
    with watched(url) as (store, address):
        viewers = [Viewer(address) for _ in range(NUM_VIEWERS)]
        for viewer in viewers:
            viewer.open("/s/1")
        failures: list[BaseException] = []
        may_end = threading.Event()
        give_up_at = time.monotonic() + 120.0

        def is_newest(viewer: Viewer) -> bool:
            """Returns whether a viewer has seen the last change: what is read is fresh for a moment."""
            return bool(viewer.values["pulse.data"]["revision"] == Browsing(store.database).revision(1))

        def look(viewer: Viewer) -> None:
            try:
                count = 0
                while not may_end.is_set() or (not is_newest(viewer) and time.monotonic() < give_up_at):
                    count += 1
                    viewer.tick(count)
            except BaseException as error:
                failures.append(error)

        looking = [threading.Thread(target=look, args=(viewer,)) for viewer in viewers]
        for thread in looking:
            thread.start()
        for _ in range(NUM_NEW):
            store.finish([Outcome(store.begin(1)[0], TrialState.COMPLETE, (0.5,))])
        may_end.set()
        for thread in looking:
            thread.join()
        assert not failures
        newest = Browsing(store.database).revision(1)
        assert [viewer.values["pulse.data"]["revision"] for viewer in viewers] == [newest] * NUM_VIEWERS
        assert all(not viewer.values.get("banner.children") for viewer in viewers)
        assert len(read) == len(set(read))
