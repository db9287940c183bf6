"""The doctor: every check has a finding, every problem a remedy."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from nas.cli import doctor
from nas.execution.local_ray import unguarded
from runs import open_store
from tests.fakes.processes import free_port
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


def test_a_cluster_is_asked_whether_it_answers(nas: Nas, ledger: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = f"127.0.0.1:{listening.getsockname()[1]}"
        code, rows = findings(nas, "--address", address)
        assert code == 0 and f"{address} answers" in rows["ray"]["finding"]
    code, rows = findings(nas, "--address", address)
    assert code == 1 and address in rows["ray"]["finding"] and rows["ray"]["remedy"]


def test_what_is_looked_at_is_not_made(nas: Nas, tmp_path: Path) -> None:
    code, rows = findings(nas, "--storage", f"sqlite:///{tmp_path}/mistyped/nas.db")
    assert code == 0 and "none yet" in rows["storage"]["finding"]
    assert not (tmp_path / "mistyped").exists()


def test_a_storage_that_is_away_is_one_problem(nas: Nas) -> None:
    code, rows = findings(nas, "--storage", f"postgresql://ann@127.0.0.1:{free_port()}/nas")
    assert code == 1 and [name for name, row in rows.items() if not row["ok"]] == ["storage"]


def test_loopback_and_tokens_are_guards() -> None:
    assert unguarded("127.0.0.1", {}) is None
    assert unguarded("10.0.0.1", {"RAY_AUTH_MODE": "token"}) is None
    assert "10.0.0.1" in (unguarded("10.0.0.1", {}) or "")
