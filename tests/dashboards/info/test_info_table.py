"""The table of a study: it grows by what has changed, and keeps what it had."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dashboards.info.table import NONE, Table
from runs import FailureClass, TrialState
from runs.browsing import Glance


def glance(number: int, revision: int, state: TrialState = TrialState.COMPLETE, **changes: object) -> Glance:
    base = Glance(
        number,
        100 + number,
        state,
        1,
        revision,
        "ab" * 32,
        "{}",
        1.0,
        2.0,
        3.0,
        None,
        None,
        False,
        (0.5,),
        {"macs": 10.0, "params": 2.0},
        {"accuracy": 0.9, "latency_ms": 4.0},
    )
    return base._replace(**changes)


def test_a_table_has_one_row_a_trial_by_number() -> None:
    table = Table().updated([glance(2, 5), glance(0, 3)])
    assert len(table) == 3
    assert table["state"].tolist()[1] == NONE
    assert table["macs"][2] == 10.0 and table["latency_ms"][0] == 4.0
    assert table.revision == 5


def test_updating_leaves_the_older_table_as_it_was() -> None:
    older = Table().updated([glance(0, 1, TrialState.RUNNING)])
    newer = older.updated([glance(0, 2, fidelity="other")])
    assert not older.complete[0] and newer.complete[0]
    assert newer.fidelities == ("{}", "other")


def test_what_changed_after_a_revision_is_found() -> None:
    table = Table().updated([glance(n, n + 1) for n in range(5)])
    assert table.changed_after(3).tolist() == [3, 4]


def test_unknown_numbers_are_not_a_number() -> None:
    failed = glance(
        0, 1, TrialState.FAILED, objectives=None, metrics={}, costs={}, failure_class=FailureClass.DIVERGED
    )
    table = Table().updated([failed])
    assert np.isnan(table["accuracy"][0]) and np.isnan(table["macs"][0])
    assert table.costs() == ()


@given(st.permutations(range(6)), st.integers(1, 5))
def test_the_order_and_the_cuts_of_reading_do_not_matter(order: list[int], cut: int) -> None:
    glances = [glance(n, n + 1, metrics={"accuracy": n / 10}) for n in order]
    at_once = Table().updated(glances)
    in_parts = Table().updated(glances[:cut]).updated(glances[cut:])
    assert np.array_equal(at_once["accuracy"], in_parts["accuracy"])
    assert at_once.revision == in_parts.revision
