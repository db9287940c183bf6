"""The doctor: every check has a finding, every problem a remedy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nas.cli import doctor
from nas.execution.local_ray import unguarded
from runs import open_store
from tests.nas.cli.conftest import Nas


def findings(nas: Nas, *words: str) -> tuple[int, dict[str, Any]]:
    ended = nas("doctor", "--json", *words)
    return ended.code, {row["check"]: row for row in json.loads(ended.out)}


def test_a_healthy_place_has_no_remedies(nas: Nas, ledger: Path) -> None:
    code, rows = findings(nas)
    assert code == 0 and set(rows) == set(doctor.CHECKS)
    assert all(row["ok"] and row["finding"] and not row["remedy"] for row in rows.values())


def test_a_trial_without_a_driver_is_found_with_the_command_that_takes_it_over(
    nas: Nas, ledger: Path
) -> None:
    with open_store(f"sqlite:///{ledger}", lease_s=1e-3) as store:
        store.begin(store.study("s").id)
    code, rows = findings(nas)
    assert code == 1 and not rows["leases"]["ok"]
    assert "s/7" in rows["leases"]["finding"] and "nas resume s" in rows["leases"]["remedy"]


def test_a_small_disk_is_found(nas: Nas, ledger: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "LEAST_FREE_BYTES", 10**18)
    code, rows = findings(nas)
    assert code == 1 and "free" in rows["disk"]["finding"] and rows["disk"]["remedy"]


def test_a_ray_that_anybody_can_reach_is_found(
    nas: Nas, ledger: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NAS_ADDRESS", "ray://10.0.0.1:10001")
    code, rows = findings(nas)
    assert code == 1 and "RAY_AUTH_MODE=token" in rows["ray"]["remedy"]
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    assert findings(nas)[1]["ray"]["ok"]


def test_loopback_and_tokens_are_guards() -> None:
    assert unguarded("127.0.0.1", {}) is None
    assert unguarded("10.0.0.1", {"RAY_AUTH_MODE": "token"}) is None
    assert "10.0.0.1" in (unguarded("10.0.0.1", {}) or "")
