"""The bookkeeping that every executor shares: tasks that wait, keys in hand, requests to stop."""

from __future__ import annotations

from collections import deque

from nas.interfaces import Event, Progress, Stopped, Task


class DuplicateTask(ValueError):
    """The same work was submitted twice at once, so its events could not be told apart."""


class Backlog:
    """Tasks between `submit` and their last event. A key is in hand from the one to the other.

    A task that is stopped while it waits ends here, without ever being started.
    """

    def __init__(self) -> None:
        self._waiting: deque[Task] = deque()
        self._in_hand: set[str] = set()
        self._stopping: set[str] = set()
        self._ended: list[Event] = []

    def add(self, task: Task) -> None:
        """Queues `task`, last. Raises DuplicateTask when its key is in hand."""
        if task.key in self._in_hand:
            raise DuplicateTask(
                f"a task's key must not be in hand already, got {task.key!r} again; "
                "submit it after its last event"
            )
        self._in_hand.add(task.key)
        self._waiting.append(task)

    def next(self) -> Task | None:
        """Takes the task that has waited longest."""
        return self._waiting.popleft() if self._waiting else None

    def stop(self, key: str) -> None:
        """Ends a waiting task, marks a running one; a key that is not in hand was quicker and is ignored."""
        for task in self._waiting:
            if task.key == key:
                self._waiting.remove(task)
                self._ended.append(Stopped(key, epoch=0, seconds=0.0))
                return
        if key in self._in_hand:
            self._stopping.add(key)

    def goes_on(self, key: str) -> bool:
        """Whether nobody has asked the running task to stop."""
        return key not in self._stopping

    def end_without_running(self, event: Event) -> None:
        """Keeps the last event of a task that no worker ran until `ended` hands it out."""
        self._ended.append(event)

    def ended(self) -> list[Event]:
        """Takes the last events of tasks that no worker ran."""
        events, self._ended = self._ended, []
        return events

    def settle(self, events: list[Event]) -> tuple[Event, ...]:
        """Returns `events` for the driver, and lets go of the keys that end with them."""
        for event in events:
            if not isinstance(event, Progress):
                self._in_hand.discard(event.key)
                self._stopping.discard(event.key)
        return tuple(events)

    def __bool__(self) -> bool:
        return bool(self._in_hand)

    @property
    def is_waiting(self) -> bool:
        """Whether a task waits for a slot."""
        return bool(self._waiting)
