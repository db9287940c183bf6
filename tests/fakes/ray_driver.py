"""A driver in a process of its own, for tests that interrupt it, kill it, or look at what it leaves behind.

    python -m tests.fakes.ray_driver VERB

Writes one line of JSON to its output whenever it has something to say.
"""

from __future__ import annotations

import contextlib
import json
import signal
import sys
import time
from pathlib import Path
from typing import Any

import ray
from ray import cloudpickle
from ray.cluster_utils import Cluster

from nas.execution import open_executor
from nas.interfaces import Event, Executor, Failure, Measurement, Progress
from tests.fakes import evaluators
from tests.fakes.evaluators import Scripted, task


def say(**facts: Any) -> None:
    print(json.dumps(facts), flush=True)


def end(executor: Executor) -> Event:
    """Returns the next event that ends a task."""
    while True:
        for event in executor.events(1.0):
            if not isinstance(event, Progress):
                return event


def ask(executor: Executor, question: str) -> int:
    """Returns what a worker says of itself."""
    executor.submit(task(question, question))
    event = end(executor)
    assert isinstance(event, Measurement), event
    return event.num_examples


def look(executor: Executor) -> None:
    """Says what the workers are like, lets one die, then waits for a line of input to go on."""
    facts = {
        "threads": ask(executor, "threads"),
        "knows_storage": ask(executor, "knows NAS_STORAGE"),
        "knows_path": ask(executor, "knows PATH"),
        "handler_kept": signal.getsignal(signal.SIGTERM) is _on_terminate,
    }
    executor.submit(task("dying", "die"))
    event = end(executor)
    assert isinstance(event, Failure)
    say(**facts, death=event.failure_class)
    sys.stdin.readline()


def train(executor: Executor) -> None:
    """Starts two long epochs, and says when it is interrupted and how they end."""
    for key in ("first", "second"):
        executor.submit(task(key, "sleep 3"))
    executor.events(0.5)
    try:
        say(training=True)
        time.sleep(60)
    except KeyboardInterrupt:
        say(interrupted=True)
    say(ends=[type(end(executor)).__name__ for _ in range(2)])


def hang(executor: Executor) -> None:
    """Starts a worker's stubborn family and a hanging worker, and waits to be killed."""
    folder = Path(sys.argv[2])
    executor.submit(task("family", f"hang-with-children {folder / 'family'}"))
    executor.submit(task("alone", f"hang {folder / 'alone'}"))
    while not all((folder / name).exists() for name in ("family", "alone")):
        executor.events(0.2)
    while len((folder / "family").read_text().split()) < 2:
        time.sleep(0.05)
    say(hanging=True)
    sys.stdin.readline()


def lose_node(executor: Executor, cluster: Cluster, node: object) -> None:
    """Has a task on each of two nodes, kills one of them, and says what becomes of task and pool."""
    folder = Path(sys.argv[2])
    for key in ("first", "second"):
        executor.submit(task(key, f"hang {folder / key}"))
    while not all((folder / key).exists() for key in ("first", "second")):
        executor.events(0.2)
    cluster.remove_node(node, allow_graceful=False)
    lost = end(executor)
    assert isinstance(lost, Failure)
    cluster.add_node(num_cpus=1)
    say(lost=lost.failure_class, again=ask(executor, "knows PATH"), slots=executor.num_slots)


def _on_terminate(signum: int, frame: object) -> None:
    """The driver's own handler, which opening an executor must not replace."""


def _lose_node() -> None:
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    _, node = cluster.add_node(num_cpus=1), cluster.add_node(num_cpus=1)
    executor = open_executor("ray", Scripted(), num_workers=2, address=cluster.address)
    with contextlib.closing(executor):
        lose_node(executor, cluster, node)
    ray.shutdown()
    cluster.shutdown()


if __name__ == "__main__":
    cloudpickle.register_pickle_by_value(evaluators)
    if sys.argv[1] == "lose-node":
        _lose_node()
        sys.exit()
    signal.signal(signal.SIGTERM, _on_terminate)
    with contextlib.closing(open_executor("ray", Scripted(), num_workers=2)) as opened:
        {"look": look, "train": train, "hang": hang}[sys.argv[1]](opened)
    say(closed=True)
    sys.stdin.readline()
