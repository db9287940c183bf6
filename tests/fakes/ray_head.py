"""The head of a Ray cluster, alone: Ray's own server of what a cluster is, which tells other versions than it has.

    python -m tests.fakes.ray_head FOLDER RAY_VERSION PYTHON_VERSION

Writes its address as a line of JSON when it stands, and ends with its standard input.
"""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from typing import Any

import ray
from ray._common.usage.usage_constants import CLUSTER_METADATA_KEY
from ray._private.ray_constants import KV_NAMESPACE_CLUSTER
from ray._private.services import GCS_SERVER_EXECUTABLE
from ray._raylet import GcsClient, NodeID

from tests.fakes.processes import free_port


def main(folder: str, ray_version: str, python_version: str) -> None:
    """Serves until the standard input is closed."""
    untyped_ray: Any = ray
    port = free_port()
    command = [
        GCS_SERVER_EXECUTABLE,
        f"--log_dir={folder}",
        f"--session-dir={folder}",
        "--session-name=s",
        f"--config_list={base64.b64encode(b'{}').decode()}",
        f"--gcs_server_port={port}",
        "--metrics-agent-port=0",
        "--node-ip-address=127.0.0.1",
        f"--node-id={NodeID.from_random().hex()}",
        f"--ray-commit={untyped_ray.__commit__}",
    ]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as serving:
        try:
            versions = json.dumps({"ray_version": ray_version, "python_version": python_version}).encode()
            head = GcsClient(address=f"127.0.0.1:{port}")
            head.internal_kv_put(
                CLUSTER_METADATA_KEY, versions, overwrite=True, namespace=KV_NAMESPACE_CLUSTER
            )
            print(json.dumps({"address": f"127.0.0.1:{port}"}), flush=True)
            sys.stdin.read()
        finally:
            serving.kill()


if __name__ == "__main__":
    main(*sys.argv[1:])
