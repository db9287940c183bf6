"""Who writes: the identity of a process, from which another process of the host can see that it is gone."""

from __future__ import annotations

import os
import socket
import uuid
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from runs.revision import checkout_revision, installed_revision

PACKAGE = "nas-compound"


@dataclass(frozen=True, slots=True)
class Owner:
    """One opened store in one process; `token` stands in the rows that it owns."""

    token: str
    host: str
    pid: int


def this_owner() -> Owner:
    """Returns a new identity for this process: world, process id, start time, and a part never repeated.

    >>> this_owner() != this_owner()
    True
    """
    pid = os.getpid()
    token = f"{_world()}/{pid}/{_started(pid) or 0}/{uuid.uuid4().hex[:12]}"
    return Owner(token, socket.gethostname(), pid)


def is_known_dead(token: str) -> bool:
    """Returns whether the owner ran in this world (boot and process namespace) and has ended.

    False means unknown as well as alive: only the lease decides then.

    >>> is_known_dead(this_owner().token)
    False
    """
    world, pid, started, _ = (token.split("/") + ["", "", "", ""])[:4]
    if not world or world != _world() or not pid.isdigit():
        return False
    return _started(int(pid)) != started


@cache
def code_version() -> str:
    """Returns the version of the installed code, with its git revision where that is known: `0.1.0+g1a2b3c4d5e6f`.

    "unknown" where it is not installed; `.dirty` at the end where files of the checkout were changed.
    """
    try:
        found = version(PACKAGE)
    except PackageNotFoundError:
        found = "unknown"
    revision = checkout_revision(Path(__file__).parents[1]) or installed_revision(PACKAGE)
    return f"{found}+g{revision}" if revision else found


@cache
def _world() -> str:
    """Boot and process namespace: where process ids mean the same. Empty where the system does not tell."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        namespace = os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""
    return f"{boot[:13]}.{namespace.strip('pid:[]')}"


def _started(pid: int) -> str | None:
    """The process's start time in clock ticks since boot; None when it is gone or a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields[19]
