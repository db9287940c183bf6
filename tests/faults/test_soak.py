"""A random mixture of faults on several drivers of one study, from a seed, for as long as asked; then the judgement.

pytest tests/faults/test_soak.py --soak-seconds 3600 --soak-seed 17
"""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from runs import open_store
from tests.fakes.drivers import TIMEOUT_S, Driver, heal, injected
from tests.fakes.processes import wait_until
from tests.fakes.proxy import CommitCutter, cutting
from tests.postgres_server import PostgresServer

pytestmark = pytest.mark.faults

NUM_DRIVERS = 3
ENDLESS = 1_000_000  # trials
LEASE_S = 4.0
NOTHING = "found no checkpoint"

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


@dataclass(frozen=True)
class Damage:
    """Flips a bit in the middle of a checkpoint of whichever training has one now."""

    artifacts: Path

    def __call__(self, rng: random.Random, driver: Driver) -> str:
        paths = sorted(path for path in self.artifacts.glob("checkpoints/*/*") if path.suffix == "")
        try:
            path = rng.choice(paths)
            data = bytearray(path.read_bytes())
            data[len(data) // 2] ^= 1
            path.write_bytes(data)
        except (IndexError, FileNotFoundError):  # there is none, or it was dropped just now
            return NOTHING
        return "damaged"


@dataclass(frozen=True)
class Mixture:
    """What a soak does, and what it is to be found again by.

    Args:
        seconds: how long drivers are harmed.
        before: words before a driver's command: one of these, by chance.
    """

    seed: int
    seconds: float
    artifacts: Path
    faults: tuple[Fault, ...] = ()
    before: tuple[tuple[str, ...], ...] = ((),)

    @classmethod
    def asked(cls, request: pytest.FixtureRequest, artifacts: Path) -> Mixture:
        """Returns a mixture of no faults, of the seed and for half the seconds that the user asks for."""
        seed, seconds = (request.config.getoption(f"--soak-{name}") for name in ("seed", "seconds"))
        print(f"once more: make test-faults SOAK={seconds:g} SEED={seed}, or")
        print(f"pytest {request.node.nodeid} --soak-seconds {seconds:g} --soak-seed {seed}")
        return cls(seed, seconds / 2, artifacts)


def soak(url: str, mixture: Mixture) -> None:
    """Keeps drivers at work and harms one after another; at the end an unharmed one finishes, and all is judged."""
    rng = random.Random(mixture.seed)
    artifacts = str(mixture.artifacts)
    drivers: list[Driver] = []
    ended: list[Driver] = []
    done: dict[str, int] = {}

    def refill() -> None:
        while len(drivers) < NUM_DRIVERS:
            words = rng.choice(mixture.before)
            options = {"seconds": 0.02, "lease_s": LEASE_S, "timeout_s": 30.0, "artifacts": artifacts}
            drivers.append(Driver(url, ENDLESS, before=words, **options))
            done["started"] = done.get("started", 0) + 1

    def are_at_work() -> bool:
        return all(driver.history.accepted or driver.process.poll() is not None for driver in drivers)

    try:
        refill()
        wait_until(are_at_work, TIMEOUT_S)  # however long a busy machine takes to start them
        give_up_at = time.monotonic() + mixture.seconds
        while time.monotonic() < give_up_at:
            refill()
            time.sleep(rng.uniform(0.5, 4.0))
            name = rng.choice(mixture.faults)(rng, rng.choice(drivers))
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
    print(f"soak with seed {mixture.seed}: {done}")
    assert done.keys() - {"started", NOTHING}, "no fault fired"
    with open_store(url) as store:
        begun = len(store.trials(store.study("s").id))
    histories = [driver.history for driver in [*ended, *drivers]]
    heal(url, begun + 2, histories, lease_s=LEASE_S, artifacts=artifacts)


def test_drivers_on_one_file_under_random_faults(
    tmp_path: Path, strace: Path, faketime: Path, request: pytest.FixtureRequest
) -> None:
    asked = Mixture.asked(request, tmp_path / "artifacts")
    rng = random.Random(asked.seed)
    before = [(), (), (str(faketime), "-f", rng.choice(["+1h", "-1h"]))]
    for call, fault in (
        ("pwrite64", "error=ENOSPC"),
        ("fdatasync", "error=EIO"),
        ("pwrite64", "signal=KILL"),
    ):
        before.append(injected(strace, call, f"{fault}:when={rng.randint(20, 200)}"))
    faults = (kill, kill, pause, terminate, Damage(asked.artifacts))
    mixture = replace(asked, faults=faults, before=tuple(before))
    soak(f"sqlite:///{tmp_path}/nas.db", mixture)


@pytest.mark.postgres
def test_drivers_on_one_server_under_random_faults(
    tmp_path: Path,
    postgres_server: PostgresServer,
    postgres_database: str,
    request: pytest.FixtureRequest,
) -> None:
    asked = Mixture.asked(request, tmp_path / "artifacts")

    def restart(rng: random.Random, driver: Driver) -> str:
        postgres_server.stop(immediate=True)
        time.sleep(rng.uniform(0.0, 3.0))
        postgres_server.start()
        return "restarted"

    mixture = replace(asked, faults=(kill, pause, restart, Damage(asked.artifacts)))
    with cutting(CommitCutter(postgres_server.port, before=0.03, after=0.03, seed=mixture.seed)) as proxy:
        soak(postgres_database.replace(f":{postgres_server.port}/", f":{proxy.listening_port}/"), mixture)
        assert proxy.num_before + proxy.num_after > 0
