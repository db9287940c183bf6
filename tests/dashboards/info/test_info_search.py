"""What the search page says: the best so far, the front, the budget, the compute, the choices and the curves."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboards.info import curves, front, importances, progress, timeline
from dashboards.info.rewards import Weighing
from dashboards.info.table import Table
from runs import FailureClass, TrialState
from runs.browsing import Head
from runs.records import JOINS, AttemptRecord, RunRecord, hours_at_work
from tests.dashboards.info.test_info_table import glance

PLAIN = Weighing("soft", 5e6, "macs", 0.0)
POINTS = st.lists(st.tuples(st.floats(0, 1), st.floats(1, 1e6)), max_size=30)


def test_the_best_so_far_steps_at_improvements_in_the_order_of_endings() -> None:
    accuracies = [(0.5, 30.0), (0.7, 10.0), (0.6, 20.0), (0.9, 40.0)]
    table = Table().updated(
        [glance(n, n + 1, metrics={"accuracy": a}, ended=end) for n, (a, end) in enumerate(accuracies)]
    )
    found = progress.climb(table, PLAIN)
    assert found.numbers.tolist() == [1, 3]
    assert found.ranks.tolist() == [1, 4]
    assert found.last == 4


def test_nothing_has_climbed_before_a_result() -> None:
    assert progress.climb(Table(), PLAIN).last == 0


@given(POINTS)
def test_no_point_beats_one_on_the_front(points: list[tuple[float, float]]) -> None:
    accuracies, costs = [a for a, _ in points], [c for _, c in points]
    best = front.front(accuracies, costs)
    for a, c in ((accuracies[i], costs[i]) for i in best):
        assert not any(other >= a and cost <= c and (other, cost) != (a, c) for other, cost in points)
    assert (len(best) > 0) == bool(points)


def test_a_sample_keeps_the_whole_front() -> None:
    rng = np.random.default_rng(0)
    glances = [
        glance(n, n + 1, metrics={"accuracy": float(a)}, costs={"macs": float(c)})
        for n, (a, c) in enumerate(zip(rng.random(500), rng.random(500) * 1e6 + 1, strict=True))
    ]
    table = Table().updated(glances)
    shown = front.scatter(table, "macs", limit=50)
    assert shown.num_all == 500 and len(shown.numbers) < 100
    assert set(shown.on_front.tolist()) <= set(shown.numbers.tolist())


def test_reference_networks_are_marked_apart_from_each_other() -> None:
    marks = front.marks("macs", 1e7, 1e9)
    assert 1 <= len(marks) <= 6
    assert all(1e7 <= mark.cost <= 1e9 for mark in marks)
    assert front.marks("latency_ms", 1.0, 2.0) == []


def test_compute_is_told_by_outcome_and_reuse_by_what_it_saved() -> None:
    table = Table().updated(
        [
            glance(0, 1, seconds=10.0),
            glance(1, 2, TrialState.PRUNED, seconds=4.0, metrics={}),
            glance(2, 3, TrialState.FAILED, seconds=1.0, failure_class=FailureClass.DIVERGED, metrics={}),
            glance(3, 4, TrialState.INFEASIBLE, seconds=0.0, metrics={}),
            glance(4, 5, seconds=0.0, reused_from=100),
        ]
    )
    found = {row.outcome: (row.num_trials, row.seconds) for row in progress.spending(table)}
    assert found == {
        "trained": (1, 10.0),
        "pruned": (1, 4.0),
        "failed": (1, 1.0),
        "refused": (1, 0.0),
        "reused": (1, 10.0),
    }


def test_throughput_counts_every_trial_that_ended_once() -> None:
    table = Table().updated([glance(n, n + 1, ended=1000.0 + 7 * n) for n in range(300)])
    found = progress.throughput(table)
    assert found is not None
    assert found.trained.sum() == 300 and len(found.begins) <= progress.MAX_BINS + 2
    assert progress.throughput(Table()) is None


def run(stage: str, status: str, **changes: Any) -> RunRecord:
    base: dict[str, Any] = {
        "id": "x",
        "study_id": 1,
        "stage": stage,
        "parent": None,
        "settings": {},
        "status": status,
        "owner": "o",
    }
    base |= {"host": "h", "pid": 1, "lease_until": 100.0, "started": 0.0, "ended": None, "code_version": "1"}
    return RunRecord(**(base | changes))


def test_the_newest_run_says_how_far_a_stage_came() -> None:
    runs = [run("search", "stopped"), run("search", "done"), run("fit", "running")]
    runs.append(run("fit", "stopped", settings={JOINS: True}))
    found = progress.stages(runs, has_trials=True, has_fits=False, has_exports=True)
    assert found == {"search": "done", "fit": "running", "grow": "none", "export": "done"}


def test_a_driver_that_died_counts_until_its_lease_ended_and_is_silent_since() -> None:
    assert hours_at_work([run("search", "running", lease_until=3600.0)], 7200.0) == 1.0
    [driver] = timeline.drivers([run("search", "running", lease_until=100.0)], now=160.0)
    assert driver.silent_s == 60.0


def test_an_arms_limits_are_those_that_its_last_session_was_given() -> None:
    head = Head(
        id=1,
        name="s.grow",
        state="finished",
        revision=9,
        created=0.0,
        directions=("maximize",),
        settings={"search": {"trials": 120}},
        num_trials=3,
        counts=dict.fromkeys(TrialState, 0) | {TrialState.COMPLETE: 3},
        num_reused=0,
        device_seconds=7200.0,
        last_change=None,
    )
    given = {"trials": None, "hours": None, "device_hours": 4.0}
    sessions = [
        run("grow", "done", settings={"budget": {"trials": 16}}),
        run("grow", "done", settings={"budget": given}),
    ]
    trials, _, device_hours = progress.uses(head, sessions, now=0.0)
    assert (trials.used, trials.limit) == (3, None)
    assert (device_hours.used, device_hours.limit, device_hours.share) == (2.0, 4.0, 0.5)
    assert progress.uses(head, [], now=0.0)[0].limit == 120, "without a session, the settings' own"


def test_a_choice_that_decides_everything_explains_everything() -> None:
    rng = np.random.default_rng(0)
    rows = [
        {"kernel": int(k), "noise": int(n)}
        for k, n in zip(rng.integers(2, size=200), rng.integers(5, size=200), strict=True)
    ]
    found = importances.importances(rows, np.array([float(row["kernel"]) for row in rows]))
    assert found[0].name == "kernel" and found[0].share == pytest.approx(1.0) and found[0].best == "1"
    assert found[1].share < 0.1


def test_few_trials_say_nothing_about_choices() -> None:
    num = importances.MIN_TRIALS - 1
    assert importances.importances([{"a": k % 2} for k in range(num)], np.arange(num) % 2.0) == []


def test_a_number_of_many_values_matters_by_its_ranges() -> None:
    rng = np.random.default_rng(0)
    rates, noise = rng.uniform(0.0, 1.0, 400), rng.uniform(0.0, 1.0, 400)
    rows = [{"rate": float(rate), "noise": float(other)} for rate, other in zip(rates, noise, strict=True)]
    first, second = importances.importances(rows, rates**2)
    assert first.name == "rate" and first.share > 0.7 and first.num_options == importances.NUM_RANGES
    assert first.best.startswith("0.797") and first.best.endswith(" to 0.9972")
    assert second.name == "noise" and second.share < 0.05


def test_forecasts_are_no_choices() -> None:
    rows = [{"width": 1.0 + k % 2, "expected": float(k % 2)} for k in range(40)]
    assert [one.name for one in importances.importances(rows, np.arange(40) % 2.0)] == ["width"]


def attempt(
    trial_id: int, started: float, ended: float | None, host: str = "h", **changes: Any
) -> AttemptRecord:
    base: dict[str, Any] = {
        "id": str(trial_id),
        "trial_id": trial_id,
        "fence": 1,
        "owner": "o",
        "host": host,
        "pid": 1,
        "seconds": 1.0,
    }
    base |= {
        "started": started,
        "ended": ended,
        "failure_class": None,
        "message": "",
        "traceback": "",
        "code_version": "",
    }
    return AttemptRecord(**(base | changes))


def test_attempts_at_once_lie_in_lanes_of_their_host() -> None:
    table = Table().updated([glance(n, n + 1) for n in range(3)])
    bars = timeline.bars([attempt(100, 0, 10), attempt(101, 5, None), attempt(102, 10, 12)], table, now=20.0)
    assert [bar.lane for bar in bars] == ["h · 1", "h · 2", "h · 1"]
    assert [bar.outcome for bar in bars] == ["complete", "running", "complete"]
    assert bars[1].end == 20.0


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0.1, 10)), max_size=20))
def test_bars_of_one_lane_never_overlap(spans: list[tuple[float, float]]) -> None:
    table = Table().updated([glance(n, n + 1) for n in range(len(spans))])
    attempts = [attempt(100 + n, begin, begin + length) for n, (begin, length) in enumerate(spans)]
    bars = timeline.bars(attempts, table, now=1e3)
    for lane in {bar.lane for bar in bars}:
        own = sorted((bar.begin, bar.end) for bar in bars if bar.lane == lane)
        assert all(earlier[1] <= later[0] for earlier, later in zip(own, own[1:], strict=False))


def test_running_and_best_trials_have_their_curves_drawn_first() -> None:
    table = Table().updated(
        [
            glance(0, 1, metrics={"accuracy": 0.9}),
            glance(1, 2, TrialState.RUNNING, metrics={}),
            glance(2, 3, digest="b"),
        ]
    )
    assert curves.chosen(table, PLAIN)[:2] == [1, 0]
    [drawn] = curves.curves(table, {100: {2: 0.5, 1: 0.4}})
    assert (drawn.number, drawn.steps, drawn.values) == (0, (1, 2), (0.4, 0.5))
