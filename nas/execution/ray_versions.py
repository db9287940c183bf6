"""Whether a cluster's Ray and Python are this environment's: asked before it is joined, and told in a sentence.

Ray demands one Ray at both ends and one Python: the same release on a node of the cluster, the same 3.x for its client.
"""

from __future__ import annotations

import importlib
import json
import re
from typing import Any

from ray._common.usage.usage_constants import CLUSTER_METADATA_KEY
from ray._private import ray_constants
from ray._private.utils import check_version_info

from nas.execution.errors import ExecutorError

_TIMEOUT_S = 10.0  # for the head's answer, once it has taken a connection


def require_same(address: str) -> None:
    """Asks the head at HOST:PORT which versions it was started with, and refuses others than ours.

    A server for Ray's clients (ray://) tells them only to who joins, and Ray compares them then.

    Raises:
        ExecutorError: they differ.
        RayError: the head does not answer, or not without another token.
    """
    native: Any = importlib.import_module("ray._raylet")  # compiled, without types
    found = native.GcsClient(address=address).internal_kv_get(
        CLUSTER_METADATA_KEY, namespace=ray_constants.KV_NAMESPACE_CLUSTER, timeout=_TIMEOUT_S
    )
    if found is None:  # the head has only just begun; Ray compares them itself
        return
    try:
        check_version_info(json.loads(found), "here")
    except RuntimeError as error:
        raise told(address, error) or error from error


def told(address: str, error: Exception) -> ExecutorError | None:
    """Returns Ray's refusal of other versions in one sentence with its remedy; None where it is another error.

    Example:
        >>> lines = ["Version mismatch: The cluster was started with:", "    Ray: 2.59.0", "    Python: 3.12.1"]
        >>> lines += ["This process on here was started with:", "    Ray: 2.60.0", "    Python: 3.12.1"]
        >>> print(str(told("h:1", RuntimeError("\\n".join(lines)))).partition(", got ")[2].partition("; ")[0])
        Ray 2.59.0 with Python 3.12.1 at 'h:1' and Ray 2.60.0 with Python 3.12.1 here
    """
    pairs = re.findall(r"Ray: (\S+)\s+Python: (\S+)", str(error))
    if "Version mismatch" not in str(error) or len(pairs) != 2:
        return None
    (ray_there, python_there), (ray_here, python_here) = pairs
    return ExecutorError(
        f"Ray and Python must be of the same versions at both ends, got Ray {ray_there} with Python {python_there} at"
        f" {address!r} and Ray {ray_here} with Python {python_here} here; start the cluster with"
        f" `pip install 'ray=={ray_here}'` under Python {python_here}, or run this in an environment with its versions"
    )
