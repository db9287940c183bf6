"""A random mixture of faults on several drivers of one study, from a seed, for as long as asked; then the judgement.

pytest tests/faults/test_soak.py --soak-seconds 3600 --soak-seed 17
"""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from runs import open_store
from tests.fakes.drivers import Driver, heal, injected
from tests.fakes.proxy import CommitCutter, cutting
from tests.postgres_server import PostgresServer

pytestmark = pytest.mark.faults

NUM_DRIVERS = 3
ENDLESS = 1_000_000  # trials
LEASE_S = 4.0

Fault = Callable[[random.Random, Driver], str]


def kill(rng: random.Random, driver: Driver) -> str:
    driver.kill()
    return "killed"


def pause(rng: random.Random, driver: Driver) -> str:
    driver.kill(signal.SIGSTOP)
    time.sleep(rng.choice([0.5, 2.5 * LEASE_S]))
    driver.kill(signal.SIGCONT)
    return "paused"


def terminate(rng: random.Random, driver: Driver) -> str:
    driver.kill(signal.SIGTERM)
    return "terminated"


def soak(url: str, seconds: float, seed: int, faults: list[Fault], before: list[tuple[str, ...]]) -> None:
    """Keeps drivers at work and harms one after another; at the end an unharmed one finishes, and all is judged."""
    rng = random.Random(seed)
    drivers: list[Driver] = []
    ended: list[Driver] = []
    done: dict[str, int] = {}
    give_up_at = time.monotonic() + seconds
    try:
        while time.monotonic() < give_up_at:
            while len(drivers) < NUM_DRIVERS:
                words = rng.choice(before)
                drivers.append(
                    Driver(url, ENDLESS, before=words, seconds=0.02, lease_s=LEASE_S, timeout_s=30.0)
                )
                done["started"] = done.get("started", 0) + 1
            time.sleep(rng.uniform(0.5, 4.0))
            name = rng.choice(faults)(rng, rng.choice(drivers))
            done[name] = done.get(name, 0) + 1
            for driver in [one for one in drivers if one.process.poll() is not None]:
                assert driver.end() in (-signal.SIGKILL, -signal.SIGTERM, 137, 143, 5), driver.errors
                drivers.remove(driver)
                ended.append(driver)
    finally:
        for driver in drivers:
            driver.kill(signal.SIGCONT)
            driver.kill()
            driver.end()
    print(f"soak with seed {seed}: {done}")
    assert sum(count for name, count in done.items() if name != "started") > 0, "no fault fired"
    with open_store(url) as store:
        begun = len(store.trials(store.study("s").id))
    heal(url, begun + 2, [driver.history for driver in [*ended, *drivers]], lease_s=LEASE_S)


def test_drivers_on_one_file_under_random_faults(
    tmp_path: Path, strace: Path, request: pytest.FixtureRequest
) -> None:
    seed = int(request.config.getoption("--soak-seed"))
    rng = random.Random(seed)
    before: list[tuple[str, ...]] = [(), ()]
    for call, fault in (
        ("pwrite64", "error=ENOSPC"),
        ("fdatasync", "error=EIO"),
        ("pwrite64", "signal=KILL"),
    ):
        before.append(injected(strace, call, f"{fault}:when={rng.randint(20, 200)}"))
    seconds = float(request.config.getoption("--soak-seconds")) / 2
    soak(f"sqlite:///{tmp_path}/nas.db", seconds, seed, [kill, kill, pause, terminate], before)


@pytest.mark.postgres
def test_drivers_on_one_server_under_random_faults(
    postgres_server: PostgresServer, postgres_database: str, request: pytest.FixtureRequest
) -> None:
    seed = int(request.config.getoption("--soak-seed"))

    def restart(rng: random.Random, driver: Driver) -> str:
        postgres_server.stop(immediate=True)
        time.sleep(rng.uniform(0.0, 3.0))
        postgres_server.start()
        return "restarted"

    with cutting(CommitCutter(postgres_server.port, before=0.01, after=0.01, seed=seed)) as proxy:
        url = postgres_database.replace(f":{postgres_server.port}/", f":{proxy.listening_port}/")
        seconds = float(request.config.getoption("--soak-seconds")) / 2
        soak(url, seconds, seed, [kill, pause, restart], [()])
        assert proxy.num_before + proxy.num_after > 0
