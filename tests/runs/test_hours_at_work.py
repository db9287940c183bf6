"""Hours by the clock: the union of sessions, which may overlap."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runs.records import RunRecord, hours_at_work

NOW = 50
Span = tuple[int, int, bool]  # begin, length, whether it has ended


def run(begun: float, until: float, *, has_ended: bool) -> RunRecord:
    return RunRecord(
        id="x",
        study_id=1,
        stage="search",
        parent=None,
        settings={},
        status="done" if has_ended else "running",
        owner="o",
        host="h",
        pid=1,
        lease_until=until,
        started=begun,
        ended=until if has_ended else None,
        code_version="1",
    )


@given(st.lists(st.tuples(st.integers(0, NOW), st.integers(0, 20), st.booleans()), max_size=8))
def test_a_second_counts_once_however_many_were_at_work_in_it(spans: list[Span]) -> None:
    sessions, seconds = [], set[int]()
    for begun, length, has_ended in spans:
        until = min(begun + length, NOW) if has_ended else begun + length
        sessions.append(run(begun, until, has_ended=has_ended))
        seconds |= set(range(begun, min(until, NOW)))
    assert hours_at_work(sessions, NOW) == pytest.approx(len(seconds) / 3600)
