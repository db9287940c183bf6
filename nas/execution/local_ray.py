"""Ray for this process: a private one on the loopback interface, a cluster's, or the one it has already."""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
import secrets
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import ray
from ray._private import ray_constants, services
from ray._private import worker as ray_worker
from ray.exceptions import RayError

from nas.execution import ray_versions
from nas.execution.demands import Demands
from nas.execution.errors import ExecutorError

# The store holds the evaluator, once; results are a few hundred bytes. Ray's default is 30 % of all memory.
OBJECT_STORE_BYTES = 256 * 2**20

ANSWER_TIMEOUT_S = 5.0  # for the head of a cluster to take a connection; Ray itself tries for many minutes
CALL_TIMEOUT_S = 900.0  # of a single call: a cluster may have to grow for it

_LOOPBACK = "127.0.0.1"
_PACKAGES = ("nas", "runs", "search_space", "scaling_rules")  # what a worker needs of ours

logger = logging.getLogger(__name__)

# What Ray's own processes, and so the workers, find in their environment.
_ENVIRONMENT = {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # in spite of its name: every socket on the loopback interface
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_process_group_cleanup_enabled": "1",  # a worker's children and grandchildren end with it
}

# A worker has no business with the database, so it does not inherit the way there.
_WITHHELD = ("NAS_STORAGE", "PGPASSWORD", "PGPASSFILE", "PGSERVICEFILE")


def connect(address: str | None, *, num_cpus: int, num_gpus: float) -> bool:
    """Connects this process to Ray; returns whether it started one of its own, to be shut down by the caller.

    Args:
        address: of a running cluster; None starts a private Ray, unless this process has one already.
        num_cpus: that a private Ray offers, whatever the machine has.
        num_gpus: that a private Ray must have.

    Raises:
        ExecutorError: the cluster cannot be reached, or this machine lacks the GPUs.
    """
    if ray.is_initialized():
        return False
    with _handlers_kept(), _replaced(ray_worker, "listen_error_messages", _ignore_messages):
        if address is not None:
            _join(address)
            return False
        with _private_environment(), _replaced(ray_constants, "ENABLE_RAY_CLUSTER", False):
            ray.init(
                address="local",
                num_cpus=num_cpus,
                include_dashboard=False,
                log_to_driver=False,
                logging_level=logging.ERROR,
                object_store_memory=OBJECT_STORE_BYTES,
            )
    try:
        _check_private(num_gpus)
    except BaseException:
        ray.shutdown()
        raise
    return True


def head_answers() -> bool:
    """Returns whether something listens where the head of this process's Ray is; so the answer never waits for Ray."""
    untyped_ray: Any = ray
    if (
        untyped_ray.util.client.ray.is_connected()
    ):  # through a server there, which tells by itself when it is gone
        return True
    host, _, port = untyped_ray.get_runtime_context().gcs_address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=1.0).close()
    except OSError:
        return False
    return True


def _head(address: str) -> str:
    """Returns the address that `auto` stands for, else `address`; refuses one where nothing listens, within seconds."""
    try:
        found: str = services.get_ray_address_from_environment("auto", None) if address == "auto" else address
        host, _, port = found.removeprefix("ray://").rpartition(":")
        if not (host and port.isascii() and port.isdigit()):
            raise ConnectionError("it must be HOST:PORT, ray://HOST:PORT or auto")
        socket.create_connection((host.strip("[]"), int(port)), timeout=ANSWER_TIMEOUT_S).close()
    except (OSError, OverflowError) as error:
        raise _no_cluster(address, error) from error
    return found


def nodes(address: str) -> Sequence[Mapping[str, Any]]:
    """Joins the cluster at `address` and returns its nodes."""
    connect(address, num_cpus=1, num_gpus=0.0)
    untyped_ray: Any = ray
    listed: Sequence[Mapping[str, Any]] = untyped_ray.nodes()
    return listed


def on_worker(function: Callable[[Any], Any], given: Any, *, demands: Demands, address: str | None) -> Any:
    """Calls `function` in a process of its own; see `nas.execution.registry.on_worker`."""
    owns_ray = connect(address, num_cpus=demands.num_cpus, num_gpus=demands.num_gpus)
    untyped_ray: Any = ray
    try:
        call = untyped_ray.remote(function).options(**demands.options, max_retries=1).remote(given)
        return untyped_ray.get(call, timeout=CALL_TIMEOUT_S)
    except (RayError, ValueError) as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise ExecutorError(
            f"a process with {demands} must do its work within {CALL_TIMEOUT_S:g} s, got {reason[-1]};"
            " ask for less, or make room"
        ) from error
    finally:
        if owns_ray:
            ray.shutdown()


def _join(address: str) -> None:
    """Joins a cluster. Its workers get the code that runs here, through Ray itself: no shared disk is needed."""
    head = _head(address)
    _read_guard_again()
    environment = {"py_modules": [str(Path(package.__file__).parent) for package in _packages()]}
    try:
        if not head.startswith("ray://"):
            ray_versions.require_same(head)
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, runtime_env=environment)
    except ExecutorError:
        raise
    except (ConnectionError, ValueError, RuntimeError, RayError) as error:
        raise ray_versions.told(address, error) or _no_cluster(address, error) from error
    untyped_ray: Any = ray
    warning = unguarded(untyped_ray.util.get_node_ip_address(), os.environ)
    if warning is not None:
        logger.warning(warning)


def _no_cluster(address: str, error: Exception) -> ExecutorError:
    reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
    return ExecutorError(
        f"`address` must lead to a running Ray cluster, got {address!r} ({reason}); "
        "start one with `ray start --head`, or leave the address out for a local one"
    )


def unguarded(node_address: str, environment: Mapping[str, str]) -> str | None:
    """Returns what to say of a Ray that others can reach without a token; None where that is not so.

    Source: CVE-2023-48022: whoever reaches a Ray without a token runs code on all its nodes.
    """
    if node_address.startswith("127.") or environment.get("RAY_AUTH_MODE") == "token":
        return None
    return (
        f"Ray must ask for a token where others can reach it, got none at {node_address}: whoever reaches it runs code"
        " there; start it with RAY_AUTH_MODE=token (`ray get-auth-token --generate`), and set the same here"
    )


def _packages() -> Iterator[Any]:
    """Yields our packages; they lie beside each other wherever they are installed."""
    for name in _PACKAGES:
        yield importlib.import_module(name)


def _check_private(num_gpus: float) -> None:
    untyped_ray: Any = ray
    found_address = untyped_ray.util.get_node_ip_address()
    if found_address != _LOOPBACK:
        raise ExecutorError(
            f"a local Ray must listen on {_LOOPBACK} only, got {found_address}; "
            "set RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER=0 in the environment"
        )
    found_gpus = untyped_ray.cluster_resources().get("GPU", 0.0)
    if found_gpus < num_gpus:
        raise ExecutorError(
            f"the workers must fit on this machine's {found_gpus:g} GPUs, got {num_gpus:g} in all; "
            "lower num_workers or num_gpus_per_worker"
        )


def _read_guard_again() -> None:
    """Lets Ray take from the environment whether it asks for a token: else it knows what was there at its import."""
    native: Any = importlib.import_module("ray._raylet")  # compiled, without types
    native.Config.initialize("")
    native.AuthenticationTokenLoader.instance().reset_cache()


@contextlib.contextmanager
def _private_environment() -> Iterator[None]:
    """Gives the processes that start inside their environment, and this one its own back afterwards."""
    guard = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    names = (*_WITHHELD, *_ENVIRONMENT, *guard)
    before = {name: os.environ.pop(name) for name in names if name in os.environ}
    os.environ.update(_ENVIRONMENT | guard)
    _read_guard_again()
    try:
        yield
    finally:
        for name in names:
            os.environ.pop(name, None)
        os.environ.update(before)


@contextlib.contextmanager
def _replaced(module: ModuleType, name: str, value: object) -> Iterator[None]:
    """Sets a variable of a module for as long as it lasts.

    Two of Ray's settings have no public switch: whether it listens on loopback only is read from the
    environment when it is imported, which may have been long ago; and messages of its daemons are printed to
    stdout, where a command's JSON goes. What they say of a worker's death is in the `Failure` of its task.
    """
    before = getattr(module, name)
    setattr(module, name, value)
    try:
        yield
    finally:
        setattr(module, name, before)


def _ignore_messages(worker: object, threads_stopped: threading.Event) -> None:
    """Stands in for the thread that prints Ray's messages."""
    del worker, threads_stopped


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
