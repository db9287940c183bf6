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

from nas.cli.exits import CommandError, Exit, report
from nas.cli.session import Session, verb
from nas.flags import FLAGS, PLACES

LEAST_FREE_BYTES = 2 * 10**9  # checkpoints and weights of a long search of small networks
LARGEST_CLOCK_ERROR_S = 5.0
LEAST_PYTHON = (3, 11)
_LIBRARIES = ("torch", "optuna", "ray", "sqlalchemy", "datasets", "kornia")

Check = Callable[[Session], str]


def register(app: typer.Typer) -> None:
    """Adds the command to `app`."""
    verb(app, "doctor", flags=(*PLACES, *(flag for flag in FLAGS if flag.name == "address")))(doctor)


def doctor(session: Session) -> None:
    """Look at all that a search needs: versions, settings, storage, leases, clocks, disk, permissions, devices, Ray."""
    rows = list(_findings(session))
    session.rows(rows, columns=("check", "ok", "finding", "remedy"))
    if not all(row["ok"] for row in rows):
        raise typer.Exit(int(Exit.UNEXPECTED))


def _findings(session: Session) -> Iterator[dict[str, object]]:
    """Yields a row a check; what needs a storage is looked at where there is one, so that its want is told once."""
    has_storage = _has_storage(session)
    for name, check in CHECKS.items():
        if check in OF_STORAGE and not has_storage:
            yield {
                "check": name,
                "ok": True,
                "finding": "not looked at: there is no storage to open",
                "remedy": "",
            }
            continue
        try:
            yield {"check": name, "ok": True, "finding": check(session), "remedy": ""}
        except Exception as error:  # every kind of trouble is a finding, and the next check goes on
            told = report(error)
            yield {"check": name, "ok": False, "finding": told.message, "remedy": told.hint}


def _python(session: Session) -> str:
    if sys.version_info < LEAST_PYTHON:
        least = ".".join(map(str, LEAST_PYTHON))
        raise CommandError(
            f"Python must be {least} or newer, got {sys.version.split()[0]}; install a newer one"
        )
    return f"{sys.version.split()[0]} at {sys.executable}"


def _libraries(session: Session) -> str:
    missing = [name for name in _LIBRARIES if not _version(name)]
    if missing:
        raise CommandError(f"every library must be installed, {', '.join(missing)} is not; run `make venv`")
    return ", ".join(f"{name} {_version(name)}" for name in _LIBRARIES)


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _settings(session: Session) -> str:
    found = session.configuration()
    return f"{len(found.origins)} of them are set; `nas config show --origin` tells where"


def _has_storage(session: Session) -> bool:
    try:
        with session.store():
            return True
    except Exception:  # the check of the storage tells what it is
        return False


def _storage(session: Session) -> str:
    from runs.address import parse

    url = parse(session.configuration().storage)
    if url.get_backend_name() == "sqlite" and not (url.database and Path(url.database).exists()):
        return f"there is none yet at {url.database}; the first search makes it"
    with session.store() as store:
        violations = store.check()
        if violations:
            raise CommandError(
                f"the storage must hold together, got {len(violations)} violations; see `nas db check`"
            )
        return f"{store.url_safe} holds {len(store.studies())} studies, and holds together"


def _leases(session: Session) -> str:
    with session.store() as store:
        held = [one for record in store.studies() for one in store.holders(record.id)]
        over = [one for one in held if one.lease_left_s is not None and one.lease_left_s < 0]
        names = {record.id: record.name for record in store.studies()}
    if over:
        lost = ", ".join(f"{names[one.study_id]}/{one.number}" for one in over[:3])
        first = names[over[0].study_id]
        raise CommandError(
            f"every trial that is held must have a driver, {len(over)} have lost theirs ({lost});"
            f" `{session.command('resume', first)}` takes them over"
        )
    return f"{len(held)} trials are held, none has lost its driver"


def _artifacts(session: Session) -> str:
    """Looks at the place before there is a storage too; nothing is made where a search would make it."""
    from runs.address import artifacts_url, parse
    from runs.artifacts import ArtifactStore

    found = session.configuration()
    place = artifacts_url(parse(found.storage), found.settings.search.artifacts)
    artifacts = ArtifactStore(place)
    if "://" not in place and not Path(place).exists():
        return f"there is none yet at {place}; the first search makes it"
    digest = artifacts.put_bytes(b"nas doctor", kind="test")
    artifacts.get_bytes(digest)
    artifacts.delete(digest)
    return f"{artifacts} is written, read and verified"


def _disk(session: Session) -> str:
    found = []
    for folder in _folders(session):
        free = shutil.disk_usage(folder).free
        if free < LEAST_FREE_BYTES:
            raise CommandError(
                f"a disk must have {LEAST_FREE_BYTES / 1e9:g} GB free, got {free / 1e9:.2f} GB at {folder};"
                " free some, or name another place with --storage and --artifacts"
            )
        found.append(f"{free / 1e9:.1f} GB free at {folder}")
    return ", ".join(found)


def _permissions(session: Session) -> str:
    for folder in _folders(session):
        if not os.access(folder, os.W_OK | os.X_OK):
            raise CommandError(
                f"a folder must be writable, got {folder}, which is not for user {os.getuid()}; `chown` it, or name"
                " another place"
            )
    return f"user {os.getuid()} may write where studies and weights lie"


def _folders(session: Session) -> list[Path]:
    """Returns the folders on this machine in which a search writes."""
    from runs.address import parse

    found = session.configuration()
    url = parse(found.storage)
    places = [Path(url.database).parent] if url.get_backend_name() == "sqlite" and url.database else []
    if found.settings.search.artifacts and "://" not in found.settings.search.artifacts:
        places.append(Path(found.settings.search.artifacts))
    existing = [next(one for one in (place, *place.parents) if one.exists()) for place in places]
    return list(dict.fromkeys(path.resolve() for path in existing or [Path.cwd()]))


def _clock(session: Session) -> str:
    """The database's clock counts; ours is shown beside it, and a jump of ours ends no lease."""
    with session.store() as store:
        before = time.time()
        theirs = store.now()
        error = abs(theirs - (before + time.time()) / 2)
        where = "this host" if store.database.is_sqlite else store.url_safe
    if error > LARGEST_CLOCK_ERROR_S:
        raise CommandError(
            f"clocks must agree within {LARGEST_CLOCK_ERROR_S:g} s, got {error:.1f} s between here and {where};"
            " synchronise both with NTP (leases are safe: only the database's clock counts)"
        )
    return f"{time.strftime('%Y-%m-%d %H:%M:%S UTC', time.gmtime(before))}, {error:.1f} s from {where}"


def _devices(session: Session) -> str:
    import torch

    gpus = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return f"{os.cpu_count()} cores, {', '.join(gpus) or 'no GPU'}"


def _ray(session: Session) -> str:
    from nas.execution import cluster_nodes
    from nas.execution.local_ray import unguarded

    address = session.configuration().settings.search.address
    if address is None:
        return f"ray {_version('ray')}, started on the loopback interface with a token when a search needs it"
    host = address.partition("://")[2].rpartition(":")[0] or address
    warning = unguarded("127.0.0.1" if host in ("localhost", "[::1]") else host, os.environ)
    if warning is not None:
        raise CommandError(warning)
    num_nodes = sum(bool(node["Alive"]) for node in cluster_nodes(address))
    return f"ray {_version('ray')} here and at {address}, on {num_nodes} node{'' if num_nodes == 1 else 's'}"


CHECKS: dict[str, Check] = {
    "python": _python,
    "libraries": _libraries,
    "settings": _settings,
    "storage": _storage,
    "leases": _leases,
    "artifacts": _artifacts,
    "permissions": _permissions,
    "disk": _disk,
    "clock": _clock,
    "devices": _devices,
    "ray": _ray,
}
OF_STORAGE = (_leases, _clock)
