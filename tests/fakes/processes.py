"""What /proc knows of processes: who descends from whom, who is gone, and where they listen."""

from __future__ import annotations

import ipaddress
import os
import socket
import struct
import time
from collections.abc import Callable, Iterable
from pathlib import Path

DEADLINE_S = 180.0  # a machine may be busy with other tests
_LISTEN = "0A"  # the state, in /proc/net/tcp


def wait_until(condition: Callable[[], bool], deadline_s: float = DEADLINE_S) -> None:
    """Polls `condition` until it holds."""
    give_up_at = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < give_up_at, "the condition never held"
        time.sleep(0.05)


def wait_until_gone(pids: Iterable[int], deadline_s: float = DEADLINE_S) -> None:
    """Waits until none of the processes runs."""
    waited_for = list(pids)
    wait_until(lambda: not any(_runs(pid) for pid in waited_for), deadline_s)


def free_port() -> int:
    """Returns a port of the loopback interface where nobody listens now."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def descendants(pid: int) -> dict[int, str]:
    """Returns the process ids below `pid`, each with its command line."""
    parents = {int(folder.name): _parent(folder) for folder in Path("/proc").glob("[0-9]*")}
    found: dict[int, str] = {}
    layer = {pid}
    while layer:
        layer = {child for child, parent in parents.items() if parent in layer}
        found |= {child: _command(child) for child in layer}
    return found


def listening_addresses(pids: Iterable[int]) -> set[str]:
    """Returns the IP addresses on which the processes accept TCP connections."""
    inodes = {inode for pid in pids for inode in _socket_inodes(pid)}
    addresses = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            _, local, _, state, *_, inode = line.split()[:10]
            if state == _LISTEN and inode in inodes:
                addresses.add(_address(local.partition(":")[0]))
    return addresses


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except (FileNotFoundError, ProcessLookupError):
        return False


def _parent(folder: Path) -> int:
    try:
        return int((folder / "stat").read_text().rpartition(")")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return 0


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ").strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def _socket_inodes(pid: int) -> set[str]:
    try:
        links = [os.readlink(entry) for entry in os.scandir(f"/proc/{pid}/fd")]
    except (FileNotFoundError, ProcessLookupError):
        return set()
    return {link.removeprefix("socket:[").removesuffix("]") for link in links if link.startswith("socket:")}


def _address(hexadecimal: str) -> str:
    """Returns the readable address: the kernel writes it as 32-bit words in the machine's byte order."""
    words = [int(hexadecimal[at : at + 8], 16) for at in range(0, len(hexadecimal), 8)]
    packed = ipaddress.ip_address(struct.pack(f"={len(words)}I", *words))
    return str(getattr(packed, "ipv4_mapped", None) or packed)
