"""The doctor: every check has a finding, every problem a remedy."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from ray._private.utils import check_version_info

from nas.cli import doctor
from nas.execution import ray_versions
from nas.execution.local_ray import unguarded
from runs import open_store
from tests.fakes.processes import free_port
from tests.nas.cli.conftest import Nas

ROOT = Path(__file__).parents[3]


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


def test_an_artifact_store_without_its_package_is_found_with_what_installs_it(
    nas: Nas, ledger: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    code, rows = findings(nas, "--artifacts", "s3://bucket/nas")
    assert code == 1 and "s3fs" in rows["artifacts"]["finding"]
    assert "pip install 'nas-compound[s3]'" in rows["artifacts"]["remedy"]


def test_a_ray_that_anybody_can_reach_is_found(
    nas: Nas, ledger: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NAS_ADDRESS", "ray://10.0.0.1:10001")
    code, rows = findings(nas)
    assert code == 1 and "RAY_AUTH_MODE=token" in rows["ray"]["remedy"]


def test_a_cluster_at_which_nothing_answers_is_found(nas: Nas, ledger: Path) -> None:
    address = f"127.0.0.1:{free_port()}"
    code, rows = findings(nas, "--address", address)
    assert code == 1 and address in rows["ray"]["finding"] and rows["ray"]["remedy"]


@pytest.mark.slow
def test_a_cluster_of_another_ray_is_told_in_a_sentence_by_doctor_and_search(tmp_path: Path) -> None:
    environment = os.environ | {"RAY_AUTH_MODE": "disabled"}

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "nas", *words, "--storage", f"sqlite:///{tmp_path}/nas.db"]
        return subprocess.run(
            command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False, timeout=600
        )

    python = ".".join(map(str, sys.version_info[:3]))
    program = [sys.executable, "-m", "tests.fakes.ray_head", str(tmp_path), "2.59.0", python]
    with subprocess.Popen(
        program, env=environment, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as head:
        assert head.stdin is not None and head.stdout is not None
        address = json.loads(head.stdout.readline())["address"]
        looked, searched = run("doctor", "--json", "--address", address), run("search", "--address", address)
        head.stdin.close()
    [row] = [row for row in json.loads(looked.stdout) if row["check"] == "ray"]
    finding = f"got Ray 2.59.0 with Python {python} at '{address}' and Ray {version('ray')} with Python {python} here"
    assert not row["ok"] and row["finding"].endswith(finding), row
    assert row["remedy"] == (
        f"start the cluster with `pip install 'ray=={version('ray')}'` under Python {python}, or run this in an"
        " environment with its versions"
    )
    assert searched.returncode == 2 and finding in " ".join(searched.stderr.split()), searched.stderr
    assert not (tmp_path / "nas.db").exists(), "nothing is kept"


@pytest.mark.parametrize("level", ["minor", "patch"])
def test_a_refusal_of_rays_own_is_the_same_sentence(level: str) -> None:
    told = {"ray_version": version("ray"), "python_version": "3.99.1"}
    with pytest.raises(RuntimeError) as refused:
        check_version_info(told, "Ray Client", python_version_match_level=level)
    sentence = str(ray_versions.told("ray://h:1", refused.value))
    assert f"got Ray {version('ray')} with Python 3.99.1 at 'ray://h:1' and Ray {version('ray')}" in sentence
    assert ray_versions.told("ray://h:1", RuntimeError("Ray: 1 Python: 2")) is None


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
