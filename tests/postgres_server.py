"""A real PostgreSQL server for tests: its own cluster, its own port, started and stopped at will.

The cluster is made by `initdb` in a temporary folder and runs as an unprivileged user, as it refuses root.
The server is a child of the test process and ends with it, so that a killed test run leaves no server behind.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psycopg

_USER = "nas"
_START_S = 120.0  # recovery after an immediate stop, on a loaded machine


def program_folders() -> tuple[Path, ...]:
    """Returns Debian's folders of PostgreSQL's programs, the newest version first."""
    folders = Path("/usr/lib/postgresql").glob("[0-9]*/bin")
    return tuple(sorted(folders, key=lambda folder: float(folder.parent.name), reverse=True))


class PostgresServer:
    """One cluster. Use as a context manager; `url(database)` is what `open_store` takes.

    Args:
        programs: the folder with `initdb`, `postgres` and `pg_isready`.
        fsync: False trades durability for speed; fault tests keep True.
    """

    def __init__(self, programs: Path, *, fsync: bool = True) -> None:
        self._programs = programs
        self._fsync = fsync
        self._process: subprocess.Popen[bytes] | None = None
        # A child's death signal is bound to the *thread* that made it: this one lives as long as we do.
        self._starter = ThreadPoolExecutor(max_workers=1, thread_name_prefix="postgres")
        self.password = secrets.token_hex(16)  # also a canary: it must show up in no output of ours
        self.port = _free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="nas-pg-", dir="/tmp"))  # short, for the socket's path
        self._initialise()

    def __enter__(self) -> PostgresServer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop(immediate=True)
        self._starter.shutdown()
        shutil.rmtree(self.folder)

    def url(self, database: str = "postgres", *, driver: str = "postgresql+psycopg") -> str:
        """Returns the URL of a database, password and all."""
        return f"{driver}://{_USER}:{self.password}@127.0.0.1:{self.port}/{database}"

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Starts the server and waits until it takes connections; nothing happens when it runs already."""
        if self.is_running:
            return
        options = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": str(self.folder),
            "fsync": "on" if self._fsync else "off",
            "max_connections": "200",
        }
        command = [str(self._programs / "postgres"), "-D", str(self.folder / "data"), "-p", str(self.port)]
        command += [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        self._process = self._starter.submit(self._spawn, command).result()
        self._wait_until_ready()

    def stop(self, *, immediate: bool = False) -> None:
        """Stops the server: cuts all connections and checkpoints or, `immediate`, drops all as in a crash."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGQUIT if immediate else signal.SIGINT)
        self._process.wait(timeout=_START_S)
        self._process = None

    def restart(self, *, immediate: bool = False) -> None:
        """Stops and starts the server on the same port; committed data stay."""
        self.stop(immediate=immediate)
        self.start()

    @contextmanager
    def database(self) -> Iterator[str]:
        """Makes an empty database of a new name, yields its URL and drops it, whoever is connected."""
        name = f"test_{secrets.token_hex(8)}"
        self._execute(f"CREATE DATABASE {name}")
        try:
            yield self.url(name)
        finally:
            self.start()  # a fault test may have left the server down
            self._execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def _execute(self, statement: str) -> None:
        with psycopg.connect(self.url(driver="postgresql"), autocommit=True) as connection:
            connection.execute(statement)

    def _initialise(self) -> None:
        password_file = self.folder / "password"
        password_file.write_text(self.password)
        if os.geteuid() == 0:
            for path in (self.folder, password_file):
                shutil.chown(path, "postgres", "postgres")
        command = [str(self._programs / "initdb"), "-D", str(self.folder / "data"), "--no-sync"]
        command += ["-U", _USER, "-A", "scram-sha-256", "--pwfile", str(password_file)]
        command += ["-E", "UTF8", "--locale", "C.UTF-8"]
        subprocess.run(_unprivileged(command), cwd=self.folder, check=True, capture_output=True)
        password_file.unlink()

    def _spawn(self, command: list[str]) -> subprocess.Popen[bytes]:
        with open(self.folder / "log", "ab") as log:
            return subprocess.Popen(
                _unprivileged(command),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                process_group=0,  # Ctrl-C ends the tests, which then stop the server
            )

    def _wait_until_ready(self) -> None:
        ready = [str(self._programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        deadline = time.monotonic() + _START_S
        while subprocess.run(ready, check=False).returncode != 0:
            if not self.is_running or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL did not start:\n{(self.folder / 'log').read_text()[-4000:]}")
            time.sleep(0.02)


def _unprivileged(command: list[str]) -> list[str]:
    """Returns `command` as user postgres runs it when we are root, ended with the thread that started it."""
    prefix = ["setpriv", "--pdeathsig", "QUIT"]
    if os.geteuid() == 0:
        prefix += ["--reuid=postgres", "--regid=postgres", "--clear-groups"]
    return [*prefix, "--", *command]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
