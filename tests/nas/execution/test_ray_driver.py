"""The Ray executor seen from outside its driver: what is interrupted, killed, left, and who can connect."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.processes import descendants, listening_addresses, wait_until_gone

ROOT = Path(__file__).parents[3]
CANARY = "postgresql://ann:canary-password@db/nas"

# Ray's agents wait a minute for their dead server before they end; what costs or computes is gone in seconds.
AGENTS = ("DashboardAgent", "RuntimeEnvAgent")
AGENTS_DEADLINE_S = 150.0


@contextlib.contextmanager
def driver(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Runs `tests.fakes.ray_driver` in a session of its own, as a terminal would, and kills it at the end."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.fakes.ray_driver", *arguments],
        cwd=ROOT,
        env={**os.environ, "NAS_STORAGE": CANARY, "PGPASSWORD": "canary-password"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        with process:
            try:
                yield process
            finally:
                process.kill()
    finally:
        process.wait()


def said(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Returns the driver's next line; a line that is not its JSON fails the test: nothing else may print."""
    assert process.stdout is not None
    facts: dict[str, Any] = json.loads(process.stdout.readline())
    return facts


def go_on(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


@pytest.mark.slow
def test_a_private_ray_is_quiet_reachable_from_nowhere_else_and_leaves_nothing_behind() -> None:
    with driver("look") as process:
        facts = said(process)
        assert facts == {
            "threads": 1,
            "knows_storage": 0,
            "knows_path": 1,
            "handler_kept": True,
            "death": "preempted",
        }
        started = descendants(process.pid)
        assert any("raylet" in command for command in started.values())
        assert any("WorkerActor" in command for command in started.values())
        assert listening_addresses([process.pid, *started]) == {"127.0.0.1"}
        for pid in started:
            with contextlib.suppress(
                FileNotFoundError, ProcessLookupError
            ):  # a helper of Ray's that has ended
                assert b"canary-password" not in Path(f"/proc/{pid}/environ").read_bytes()
        go_on(process)
        assert said(process) == {"closed": True}
        wait_until_gone(started)


@pytest.mark.slow
def test_an_interrupt_of_the_terminal_leaves_the_workers_to_the_driver() -> None:
    with driver("train") as process:
        assert said(process) == {"training": True}
        os.killpg(process.pid, signal.SIGINT)
        assert said(process) == {"interrupted": True}
        assert said(process) == {"ends": ["Measurement", "Measurement"]}
        assert said(process) == {"closed": True}


@pytest.mark.faults
@pytest.mark.parametrize("waits_for_agents", [False, pytest.param(True, marks=pytest.mark.long)])
def test_when_the_driver_is_killed_its_workers_and_their_children_end(
    tmp_path: Path, waits_for_agents: bool
) -> None:
    """Grandchildren are the exception: whoever would have ended them with the worker was killed itself."""
    with driver("hang", str(tmp_path)) as process:
        assert said(process) == {"hanging": True}
        started = descendants(process.pid)
        child, grandchild = sorted(int(line) for line in (tmp_path / "family").read_text().split())
        assert {child, grandchild} <= set(started)
        process.kill()
        process.wait()
        agents = {pid for pid, command in started.items() if any(agent in command for agent in AGENTS)}
        wait_until_gone(set(started) - agents - {grandchild})
        os.kill(grandchild, signal.SIGKILL)
        for agent in agents if not waits_for_agents else ():
            with contextlib.suppress(ProcessLookupError):
                os.kill(agent, signal.SIGKILL)
        wait_until_gone(agents, AGENTS_DEADLINE_S)


@pytest.mark.faults
@pytest.mark.long
def test_a_lost_node_costs_its_own_task_and_a_new_node_takes_its_place(tmp_path: Path) -> None:
    with driver("lose-node", str(tmp_path)) as process:
        assert process.stdout is not None
        lines = [line for line in process.stdout if line.startswith("{")]
        assert [json.loads(line) for line in lines] == [{"lost": "preempted", "again": 1, "slots": 2}]
