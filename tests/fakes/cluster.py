"""A Ray cluster of two nodes that asks for a token and whose processes can neither read nor keep any data.

    python -m tests.fakes.cluster PORT

Serves Ray's client at PORT, writes one line of JSON when it stands, and ends with its standard input.
"""

from __future__ import annotations

import json
import os
import sys

from ray.cluster_utils import Cluster

NOWHERE = "/proc/nowhere"  # where nobody can make a folder


def main(client_port: int) -> None:
    """Serves until the standard input is closed."""
    os.environ["XDG_CACHE_HOME"] = NOWHERE
    place = {"node_ip_address": "127.0.0.1", "include_dashboard": False}
    cluster = Cluster(
        initialize_head=True,
        head_node_args={**place, "num_cpus": 0, "ray_client_server_port": client_port},
    )
    for _ in range(2):
        cluster.add_node(num_cpus=1, **place)
    print(json.dumps({"address": cluster.address}), flush=True)
    sys.stdin.read()
    cluster.shutdown()


if __name__ == "__main__":
    main(int(sys.argv[1]))
