"""Command `doctor`: looks at everything that a search needs, and says what is wrong."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import typer

from nas.cli.exits import Exit, report
from nas.cli.session import Session, verb

LEAST_FREE_BYTES = 2 * 10**9  # checkpoints and weights of a long search of small networks
LARGEST_CLOCK_ERROR_S = 5.0
_LIBRARIES = ("torch", "optuna", "ray", "sqlalchemy", "datasets", "kornia")

Check = Callable[[Session], str]


def register(app: typer.Typer) -> None:
    """Adds the command to `app`."""
    verb(app, "doctor")(doctor)


def doctor(session: Session) -> None:
    """Check Python, libraries, settings, storage, clock, disk, cores and GPUs."""
    rows = list(_findings(session))
    session.rows(rows, columns=("check", "ok", "finding"))
    if not all(row["ok"] for row in rows):
        raise typer.Exit(int(Exit.UNEXPECTED))


def _findings(session: Session) -> Iterator[dict[str, object]]:
    for name, check in CHECKS.items():
        try:
            finding, ok = check(session), True
        except Exception as error:  # every kind of trouble is a finding, and the next check goes on
            finding, ok = report(error).sentence, False
        yield {"check": name, "ok": ok, "finding": finding}


def _python(session: Session) -> str:
    return f"{sys.version.split()[0]} at {sys.executable}"


def _libraries(session: Session) -> str:
    missing = [name for name in _LIBRARIES if not _version(name)]
    if missing:
        raise ValueError(f"every library must be installed, {', '.join(missing)} is not; run `make venv`")
    return ", ".join(f"{name} {_version(name)}" for name in _LIBRARIES)


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _settings(session: Session) -> str:
    found = session.configuration()
    return f"{len(found.origins)} of them are set; `nas config show --origin` tells where"


def _storage(session: Session) -> str:
    with session.store(create=True) as store:
        return f"{store.url_safe} holds {len(store.studies())} studies"


def _artifacts(session: Session) -> str:
    with session.store(create=True) as store:
        digest = store.artifacts.put_bytes(b"nas doctor", kind="test")
        store.artifacts.get_bytes(digest)
        store.artifacts.delete(digest)
        return f"{store.artifacts} is written, read and verified"


def _disk(session: Session) -> str:
    folder = Path.cwd()
    free = shutil.disk_usage(folder).free
    if free < LEAST_FREE_BYTES:
        raise OSError(None, f"{free:,} bytes are free, {LEAST_FREE_BYTES:,} should be", str(folder))
    return f"{free / 1e9:.1f} GB free at {folder}"


def _clock(session: Session) -> str:
    before, wall = time.monotonic(), time.time()
    elapsed = time.monotonic() - before
    error = abs(time.time() - wall - elapsed)
    if error > LARGEST_CLOCK_ERROR_S:
        raise ValueError(f"the clock must run steadily, it jumped by {error:.1f} s; synchronise it with NTP")
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(wall))


def _devices(session: Session) -> str:
    import torch

    gpus = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return f"{os.cpu_count()} cores, {', '.join(gpus) or 'no GPU'}"


CHECKS: dict[str, Check] = {
    "python": _python,
    "libraries": _libraries,
    "settings": _settings,
    "storage": _storage,
    "artifacts": _artifacts,
    "disk": _disk,
    "clock": _clock,
    "devices": _devices,
}
