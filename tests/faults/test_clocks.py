"""Drivers whose clocks are wrong: by an hour, in either direction, beside one whose clock is right."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fakes.drivers import driving, heal
from tests.fakes.ledgers import write_ledger

pytestmark = pytest.mark.faults


@pytest.mark.parametrize("offset", ["+1h", "-1h"])
def test_a_clock_that_is_an_hour_off_costs_no_healthy_trial_its_lease(
    url: str, tmp_path: Path, faketime: Path, offset: str
) -> None:
    gate = tmp_path / "gate"
    with (
        driving(url, 10, seconds=0.3, lease_s=10.0, gate=str(gate)) as right,
        driving(url, 10, seconds=0.3, lease_s=10.0, gate=str(gate), before=(faketime, "-f", offset)) as wrong,
    ):
        for driver in (right, wrong):
            driver.wait_for("accepted")
        gate.touch()
        assert [right.end(), wrong.end()] == [0, 0], right.errors + wrong.errors
    for history in (right.history, wrong.history):
        assert history.accepted, "both must have worked"
        assert not history.said("refused") and not history.said("reclaim")
    heal(url, 10, [right.history, wrong.history])


@pytest.mark.parametrize("words", [("best", "s", "--json"), ("trials", "s", "--json")])
def test_what_is_stored_reads_the_same_in_every_zone_and_language(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    url = f"sqlite:///{tmp_path}/nas.db"
    write_ledger(url)
    said = []
    for place in ({"TZ": "UTC", "LC_ALL": "C.UTF-8"}, {"TZ": "Asia/Kolkata", "LC_ALL": "C"}):
        done = subprocess.run(
            [sys.executable, "-m", "nas.cli", *words, "--storage", url],
            check=True,
            capture_output=True,
            env=os.environ | place,
        )
        said.append(done.stdout)
    assert said[0] == said[1]
