"""The inline executor: its contract, and what is its own."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.execution import open_executor
from nas.execution.errors import ExecutorError
from nas.execution.inline import InlineExecutor
from nas.interfaces import Event, Executor, Measurement, Progress, Stopped
from tests.contracts.executor_contract import ExecutorContract, collect, end, finish
from tests.fakes.evaluators import Scripted, task


@pytest.fixture
def executor() -> Iterator[InlineExecutor]:
    with contextlib.closing(InlineExecutor(Scripted())) as opened:
        yield opened


class TestInlineExecutor(ExecutorContract):
    def test_nothing_runs_between_two_calls_of_events(self, executor: Executor) -> None:
        executor.submit(task("first"))
        executor.submit(task("second"))
        assert [type(event) for event in executor.events(1.0)] == [Progress]
        assert [event.key for event in executor.events(1.0)] == ["first"]
        assert [type(event) for event in executor.events(1.0)] == [Progress]

    def test_an_interrupt_reaches_the_driver_and_the_task_goes_on(self, executor: Executor) -> None:
        executor.submit(task("trained", "sleep 1"))
        threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
        with pytest.raises(KeyboardInterrupt):
            executor.events(60.0)
        histories: dict[str, list[Event]] = {"trained": []}
        collect(executor, histories, 1)
        assert isinstance(end(histories["trained"]), Measurement)

    @given(st.lists(st.tuples(st.integers(1, 4), st.integers(0, 4)), min_size=1, max_size=8))
    def test_any_tasks_and_stops_give_every_task_one_end(self, plan: list[tuple[int, int]]) -> None:
        """A plan has for each task its epochs, and the epoch at which it is stopped (0: never)."""
        with contextlib.closing(InlineExecutor(Scripted())) as executor:
            for number, (epochs, _) in enumerate(plan):
                executor.submit(task(str(number), epochs=epochs))
            ends: dict[str, Event] = {}
            while events := executor.events(5.0):
                for event in events:
                    if not isinstance(event, Progress):
                        assert event.key not in ends
                        ends[event.key] = event
                    elif event.epoch == plan[int(event.key)][1]:
                        executor.stop(event.key)
        for number, (epochs, stop_at) in enumerate(plan):
            expected = Stopped if 0 < stop_at <= epochs else Measurement
            assert isinstance(ends[str(number)], expected)


def test_open_executor_opens_it_by_name() -> None:
    with contextlib.closing(open_executor("inline", Scripted())) as executor:
        assert isinstance(end(finish(executor, [task("one")])["one"]), Measurement)


def test_it_refuses_what_a_pool_can_do() -> None:
    with pytest.raises(ExecutorError, match="one worker"):
        open_executor("inline", Scripted(), num_workers=2)
    with pytest.raises(ExecutorError, match="no address"):
        open_executor("inline", Scripted(), address="auto")
