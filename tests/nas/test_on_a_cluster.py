"""The whole job on a cluster of several nodes that have neither our code nor any data: both come with Ray."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from runs import TrialState, open_store
from tests.fakes.processes import free_port

ROOT = Path(__file__).parents[2]
SETTINGS = """
[search]
study = "c"
width = 0.1
target = "0.5M"
trials = 3
finalists = 1
repeats = 1
packing = "probe"
[data]
resolution = 16
num_samples = 200
[fidelity]
epochs = 1
[fit]
budget = 16
largest = 3.0
[grow]
phi = [0, 1]
epochs = 2
processes = 2
"""
WHERE_IS_OUR_CODE = """
import nas
from inspect import getfile
from nas.execution import on_worker
from nas.execution.demands import Demands
import sys
print(on_worker(getfile, nas, demands=Demands(), address=sys.argv[1]))
"""


@contextmanager
def cluster(environment: dict[str, str]) -> Iterator[dict[str, str]]:
    """Yields the addresses of a cluster, by how it is reached."""
    port = free_port()
    with subprocess.Popen(
        [sys.executable, "-m", "tests.fakes.cluster", str(port)],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as serving:
        assert serving.stdin is not None and serving.stdout is not None
        try:
            told = json.loads(serving.stdout.readline())
            yield {"client": f"ray://127.0.0.1:{port}", "node": told["address"]}
        finally:
            serving.stdin.close()
            serving.wait(60)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_whole_job_through_rays_client_on_nodes_without_code_or_data(tmp_path: Path) -> None:
    guard = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    environment = (
        os.environ | guard | {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
    )  # on the loopback interface alone
    (tmp_path / "nas.toml").write_text(SETTINGS)
    storage = f"sqlite:///{tmp_path / 'nas.db'}"
    with cluster(environment) as address:
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "nas",
                "run",
                "nas.toml",
                "--address",
                address["client"],
                "--storage",
                storage,
            ],
            cwd=tmp_path,
            env=environment,
            check=False,
            capture_output=True,
            text=True,
            timeout=800,
        )
        assert done.returncode == 0, done.stderr
        for way in address.values():
            asked = [sys.executable, "-c", WHERE_IS_OUR_CODE, way]
            said = subprocess.run(
                asked, cwd=tmp_path, env=environment, check=False, capture_output=True, text=True
            )
            assert "py_modules" in said.stdout, said.stderr
    told = done.stdout + done.stderr
    assert "warning" not in told, "the cluster asks for a token"
    assert "packed by a probe: a step takes" in told and "kinds of nodes" not in told, "the nodes are alike"
    assert "workers as many as the cluster has room for, each with 2 processes of 1 core" in told
    with open_store(storage) as store:
        assert list(store.check()) == []
        states = {study.name: [trial.state for trial in store.trials(study.id)] for study in store.studies()}
    assert set(states) >= {"c", "c.fit", "c.grow"}
    assert states["c.grow"] == [TrialState.COMPLETE] * 2
    assert states["c.fit"] == [TrialState.COMPLETE] * 16
    assert (tmp_path / "export" / "c_grow_1" / "c_grow_1.safetensors").exists()
