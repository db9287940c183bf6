"""Storage URLs: what may be opened, and how a URL is shown without its password."""

from __future__ import annotations

import ctypes
import os
import platform
from collections.abc import Callable
from pathlib import Path

import platformdirs
import sqlalchemy as sa
from sqlalchemy.engine import URL

from runs.errors import BadStorage

_DRIVERS = {
    "sqlite": "sqlite",
    "sqlite+pysqlite": "sqlite",
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
}

# f_type of statfs(2), for file systems on which SQLite's locks or shared memory are known not to hold.
_NETWORK_FILE_SYSTEMS = {
    0x6969: "NFS",
    0x517B: "SMB",
    0xFF534D42: "CIFS",
    0xFE534D42: "SMB2",
    0x5346414F: "AFS",
    0x73757245: "Coda",
    0x00C36400: "Ceph",
    0x0BD00BD0: "Lustre",
    0x47504653: "GPFS",
    0x19830326: "BeeGFS",
}


def parse(text: str) -> URL:
    """Returns the URL of a storage, with the driver named.

    Args:
        text: `sqlite:///relative.db`, `sqlite:////absolute.db`, `sqlite://` (in memory) or
            `postgresql://user:password@host/database`.

    Raises:
        BadStorage: another dialect, or no URL.

    >>> parse("postgresql://ada@localhost/nas").drivername
    'postgresql+psycopg'
    """
    try:
        url = sa.make_url(text)
    except (sa.exc.ArgumentError, ValueError):
        raise BadStorage(
            "a storage must be a URL such as `sqlite:///nas.db` or `postgresql://user@host/database`,"
            " got something else (not shown: it may hold a password); write `sqlite:///` before a file's path"
        ) from None
    if url.drivername not in _DRIVERS:
        raise BadStorage(
            f"a storage must be SQLite or PostgreSQL (psycopg), got `{url.drivername}`;"
            " use `sqlite:///nas.db` or `postgresql://user@host/database`"
        )
    url = url.set(drivername=_DRIVERS[url.drivername])
    return url.set(database=None) if url.database == ":memory:" else url


def safe_text(url: URL) -> str:
    """Returns the URL as it may be shown and logged: the password, also one in its query, is three stars.

    >>> safe_text(parse("postgresql://ada:secret@localhost/nas?password=secret"))
    'postgresql+psycopg://ada:***@localhost/nas?password=***'
    """
    hidden = {key: "***" for key in url.query if "password" in key.lower()}
    return url.update_query_dict(hidden).render_as_string(hide_password=True).replace("%2A%2A%2A", "***")


def artifacts_url(url: URL, given: str | None) -> str:
    """Returns where the artifacts of a storage lie: where it was said, beside the SQLite file, or in the user's folder.

    A PostgreSQL storage that several hosts use needs a place that they all reach; it has to be said.

    >>> artifacts_url(parse("sqlite:///study.db"), None)
    'study.db.artifacts'
    """
    if given is not None:
        return given
    if url.get_backend_name() != "sqlite":
        return str(platformdirs.user_data_path("nas") / "artifacts")
    return f"{url.database}.artifacts" if url.database else "memory://artifacts"


def secrets(url: URL) -> tuple[str, ...]:
    """Returns the texts of the URL that no message may contain."""
    values = [url.password, *(value for key, value in url.query.items() if "password" in key.lower())]
    return tuple(str(value) for value in values if value)


def prepare_file(url: URL, *, magic: Callable[[Path], int | None] | None = None) -> None:
    """Makes sure that a SQLite file may lie where the URL says, and creates it for its owner's eyes only.

    Args:
        url: of SQLite; in memory nothing is done.
        magic: returns a folder's file system type as statfs(2) does; given by tests.

    Raises:
        BadStorage: a network file system, or a path that cannot hold a file.
    """
    if not url.database:
        return
    path = Path(url.database)
    if path.is_dir():
        raise BadStorage(
            f"a SQLite storage must be a file, got the folder {path}; name a file in it, {path}/nas.db"
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        name = _NETWORK_FILE_SYSTEMS.get((magic or file_system_magic)(path.parent) or 0)
        if name is not None:
            raise BadStorage(
                f"a SQLite storage must be on a local disk, got {path} on {name}, where locks do not hold;"
                " use a local path, or PostgreSQL for several hosts"
            )
        os.close(os.open(path, os.O_CREAT | os.O_RDONLY, 0o600))
    except OSError as error:
        raise BadStorage(
            f"a SQLite storage must be a file that can be created or read, got {path} ({error.strerror});"
            " check the path and its permissions"
        ) from error


def file_system_magic(folder: Path) -> int | None:
    """Returns statfs(2)'s f_type of `folder`; None where the system has no such call."""
    if platform.system() != "Linux":
        return None
    buffer = ctypes.create_string_buffer(
        512
    )  # struct statfs is 120 bytes on 64 bits; f_type is its first word
    if ctypes.CDLL(None, use_errno=True).statfs(os.fsencode(folder), buffer) != 0:
        return None
    return int(ctypes.c_ulong.from_buffer(buffer).value & 0xFFFFFFFF)
