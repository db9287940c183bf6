"""Figures for Prometheus: what the ledger says, on this machine only, and to nobody whom another site sent."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from nas.metrics import HOST, PATH, exposition, serve
from runs import FailureClass, Outcome, Store, TrialState, open_store
from tests.fakes.ledgers import write_study


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(f"sqlite:///{tmp_path}/nas.db") as opened:
        write_study(opened)
        yield opened


def test_the_figures_are_the_ledgers(store: Store) -> None:
    store.begin(store.study("s").id)
    lines = exposition(store).splitlines()
    for expected in (
        'nas_trials{study="s",state="complete"} 3',
        'nas_trials{study="s",state="queued"} 1',
        'nas_trials{study="s",state="leased"} 1',
        'nas_device_seconds_total{study="s"} 27',
        'nas_reused_trials_total{study="s"} 1',
        'nas_held_trials{study="s"} 1',
        'nas_drivers{study="s"} 0',
        "# TYPE nas_trials gauge",
    ):
        assert expected in lines


def test_large_figures_keep_their_digits(store: Store) -> None:
    record = store.study("s")
    [claim] = store.begin(record.id)
    lost = Outcome(
        claim, TrialState.FAILED, failure_class=FailureClass.DIVERGED, message="m", seconds=1_234_567.25
    )
    store.finish([lost])
    assert 'nas_device_seconds_total{study="s"} 1234594.25' in exposition(store).splitlines()


@pytest.mark.parametrize(
    ("host", "path", "status"),
    [(HOST, PATH, 200), ("localhost", PATH, 200), (HOST, "/", 404), ("evil.example", PATH, 421)],
)
def test_only_who_asks_for_this_machine_is_answered(store: Store, host: str, path: str, status: int) -> None:
    with serve(lambda: exposition(store), 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        connection = http.client.HTTPConnection(HOST, server.server_port, timeout=30)
        connection.request("GET", path, headers={"Host": f"{host}:{server.server_port}"})
        answer = connection.getresponse()
        assert (answer.status, b"nas_trials" in answer.read()) == (status, status == 200)
        connection.close()
        server.shutdown()
        thread.join()
