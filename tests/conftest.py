"""Fixtures that several packages' tests share: a real PostgreSQL server, and the programs of fault tests."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.postgres_server import PostgresServer, program_folders
from tests.programs import missing, program

# No test asserts on time: a loaded machine must not fail a law.
settings.register_profile("suite", deadline=None)
settings.load_profile("suite")


# One thread a process, in what tests start too: two workers of a pool of threads each would wait for each other's.
os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_configure() -> None:
    """Gives Ctrl-C its meaning back where a shell in the background took it away: what we start would inherit that."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    """What a user may ask of the long and the fault tests."""
    parser.addoption("--long", action="store_true", help="also run what is marked long")
    parser.addoption("--soak-seconds", type=float, default=60.0, help="how long the soak goes on")
    parser.addoption("--soak-seed", type=int, default=0, help="of the soak; a failing one is printed")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves long tests out unless they are asked for, begins with the slow files, and marks every test that asks
    for the server, so that `-m "not postgres"` leaves none out.
    """
    if not config.getoption("--long"):
        long = [item for item in items if item.get_closest_marker("long")]
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in long]
    # Side by side (`-n 2 --dist loadfile`), the files that take longest must not come last.
    long_files = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in long_files)
    for item in items:
        if "postgres_server" in getattr(item, "fixturenames", ()):
            item.add_marker("postgres")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """The session's PostgreSQL server. Who stops it starts it again (`postgres_database` does so too)."""
    programs = program("initdb", package="postgresql", folders=program_folders()).parent
    with PostgresServer(programs) as server:
        yield server


@pytest.fixture(scope="session")
def postgres_url(postgres_server: PostgresServer) -> str:
    """The URL of the server's maintenance database: for making databases, not for tables."""
    return postgres_server.url()


@pytest.fixture
def postgres_database(postgres_server: PostgresServer) -> Iterator[str]:
    """The URL of an empty database of this test's own, dropped afterwards."""
    postgres_server.start()
    with postgres_server.database() as url:
        yield url


@pytest.fixture(scope="session")
def strace() -> Path:
    """strace, where the kernel lets us trace."""
    path = program("strace", package="strace")
    trial = subprocess.run([path, "-f", "-qq", "-o", "/dev/null", "true"], check=False, capture_output=True)
    if trial.returncode != 0:
        missing("leave to trace processes", "run where ptrace is permitted (docker: --cap-add SYS_PTRACE)")
    return path


@pytest.fixture(scope="session")
def faketime() -> Path:
    """faketime, which gives a process another clock."""
    return program("faketime", package="faketime")


@pytest.fixture(scope="session")
def chromium() -> Path:
    """Chromium, for tests that drive a real browser."""
    return program("chromium", package="chromium")
