"""Ray for this process: a private one on the loopback interface, a cluster's, or the one that is already connected."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator

import ray
from ray._private import ray_constants

from nas.execution.errors import ExecutorError

# Results are a few hundred bytes; the store holds the evaluator, once. Ray's default is 30 % of the machine's memory.
OBJECT_STORE_BYTES = 256 * 2**20

_LOOPBACK = "127.0.0.1"

# What Ray's own processes, and so the workers, find in their environment.
_ENVIRONMENT = {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # in spite of its name: every socket on the loopback interface
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_process_group_cleanup_enabled": "1",  # a worker's children and grandchildren end with it
}

# A worker has no business with the database, so it does not inherit the way there.
_WITHHELD = ("NAS_STORAGE", "PGPASSWORD", "PGPASSFILE", "PGSERVICEFILE")


def connect(address: str | None, *, num_cpus: int, num_gpus: float) -> bool:
    """Connects this process to Ray and returns whether it started a Ray of its own, which it then has to shut down.

    Args:
        address: of a running cluster; None starts a private Ray, unless this process has one already.
        num_cpus: that a private Ray offers, whatever the machine has.
        num_gpus: that a private Ray must have.

    Raises:
        ExecutorError: the cluster cannot be reached, or this machine lacks the GPUs.
    """
    if ray.is_initialized():
        return False
    if address is not None:
        with _handlers_kept():
            _join(address)
        return False
    with _handlers_kept(), _private_environment():
        ray.init(
            address="local",
            num_cpus=num_cpus,
            include_dashboard=False,
            log_to_driver=False,
            logging_level="error",
            object_store_memory=OBJECT_STORE_BYTES,
        )
    try:
        _check_private(num_gpus)
    except BaseException:
        ray.shutdown()
        raise
    return True


def _join(address: str) -> None:
    try:
        ray.init(address=address, log_to_driver=False, logging_level="error")
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise ExecutorError(
            f"`address` must lead to a running Ray cluster, got {address!r} ({error}); "
            "start one with `ray start --head`, or leave the address out for a local one"
        ) from error


def _check_private(num_gpus: float) -> None:
    found_address = ray.util.get_node_ip_address()
    if found_address != _LOOPBACK:
        raise ExecutorError(
            f"a local Ray must listen on {_LOOPBACK} only, got {found_address}; "
            "set RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER=0 in the environment"
        )
    found_gpus = ray.cluster_resources().get("GPU", 0.0)
    if found_gpus < num_gpus:
        raise ExecutorError(
            f"the workers must fit on this machine's {found_gpus:g} GPUs, got {num_gpus:g} in all; "
            "lower num_workers or num_gpus_per_worker"
        )


@contextlib.contextmanager
def _private_environment() -> Iterator[None]:
    """Gives the processes that start inside their environment, and this one its own back afterwards.

    Ray reads its loopback switch when it is imported, which may have been long ago, into the constant set here.
    """
    before = dict(os.environ)
    enabled_before = ray_constants.ENABLE_RAY_CLUSTER
    for name in _WITHHELD:
        os.environ.pop(name, None)
    os.environ.update(_ENVIRONMENT)
    ray_constants.ENABLE_RAY_CLUSTER = False
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = enabled_before
        for name in (*_WITHHELD, *_ENVIRONMENT):
            os.environ.pop(name, None)
            if name in before:
                os.environ[name] = before[name]


@contextlib.contextmanager
def _handlers_kept() -> Iterator[None]:
    """Keeps the driver's handler of SIGTERM, which `ray.init` replaces by one that exits."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
