"""The test server itself: isolation, durability across a crash, and no leftovers when its owner is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

from tests.postgres_server import PostgresServer


def _libpq(url: str) -> str:
    return url.replace("postgresql+psycopg://", "postgresql://")


def test_committed_rows_survive_an_immediate_stop(
    postgres_server: PostgresServer, postgres_database: str
) -> None:
    with psycopg.connect(_libpq(postgres_database)) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    postgres_server.stop(immediate=True)
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(_libpq(postgres_database))
    postgres_server.start()
    with psycopg.connect(_libpq(postgres_database)) as connection:
        assert connection.execute("SELECT answer FROM kept").fetchall() == [(42,)]
        assert connection.execute("SHOW fsync").fetchone() == ("on",)


def test_each_database_is_its_own_and_is_dropped_even_while_in_use(postgres_server: PostgresServer) -> None:
    with postgres_server.database() as first, postgres_server.database() as second:
        assert first != second
        lingering = psycopg.connect(_libpq(first))
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(_libpq(first))
    lingering.close()


def test_the_server_ends_with_a_killed_owner(postgres_server: PostgresServer) -> None:
    script = (
        "import sys, time; from pathlib import Path; from tests.postgres_server import PostgresServer\n"
        "server = PostgresServer(Path(sys.argv[1])); server.start()\n"
        "print(server._process.pid, server.folder, flush=True); time.sleep(600)"
    )
    programs = postgres_server._programs
    owner = subprocess.Popen([sys.executable, "-c", script, programs], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    pid, folder = owner.stdout.readline().split()
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    owner.stdout.close()
    deadline = time.monotonic() + 60
    while Path(f"/proc/{pid}").exists() and "postgres" in Path(f"/proc/{pid}/cmdline").read_text():
        assert time.monotonic() < deadline, "the server outlived its owner"
        time.sleep(0.05)
    assert os.path.isdir(folder)
    subprocess.run(["rm", "-r", folder], check=True)
