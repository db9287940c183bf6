"""How many workers one driver can serve: trials a second on SQLite and PostgreSQL, and whether a trial's cost is flat.

A thousand pretended workers finish far more trials a second than a driver can record, in virtual time that passes as
the driver's own does, so the driver never waits: what is measured is the driver, its sampler and the ledger alone.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass

from benchmarks.row import Row
from nas.execution.simulations import Modelled
from nas.execution.virtual import VirtualClock, VirtualExecutor
from nas.reward import Reward
from nas.settings import DataSettings, Fidelity, Recipe
from nas.stages.budget import Budget
from nas.stages.driver import Driver
from nas.stages.proposals import Proposal, SampledSource, Source
from nas.stages.rules import Rules
from nas.strategies.registry import make_sampler
from nas.strategies.rungs import make_rungs
from runs import Claim, open_store
from runs.errors import StudyExists
from search_space import open_space
from tests.postgres_server import PostgresServer, program_folders

NAME = "cluster"
PRETENDED = "pretended"  # the study of a pretended search

NUM_WORKERS = 1_000
MEAN_SECONDS = 2.0  # so that the workers could finish 500 trials a second
NUM_TRIALS = 8_000  # at least 8 times the workers: the first quarter also fills them
MIN_PER_SECOND = 200.0
MAX_GROWTH = 1.25  # of a trial's processor time, from the second quarter to the third


@dataclass(frozen=True, slots=True)
class Pace:
    """How a driver went: wall and processor seconds of each quarter of the trials."""

    num_trials: int
    wall_s: tuple[float, ...]
    processor_s: tuple[float, ...]

    @property
    def per_second(self) -> float:
        """Trials a second of the wall clock."""
        return self.num_trials / sum(self.wall_s)

    @property
    def growth(self) -> float:
        """Processor seconds of the third quarter over those of the second: the first fills the workers, the last
        empties them.
        """
        return self.processor_s[2] / self.processor_s[1]


def run() -> list[Row]:
    """Returns the rows for SQLite, and for PostgreSQL where its server programs are installed."""
    with tempfile.TemporaryDirectory(prefix="nas-bench-") as folder:
        rows = _rows("SQLite", f"sqlite:///{folder}/nas.db")
    if not program_folders():
        print("PostgreSQL's programs are missing: its rows are left out", file=sys.stderr)
        return rows
    with PostgresServer(program_folders()[0]) as server, server.database() as url:
        return rows + _rows("PostgreSQL", url)


def _rows(name: str, url: str) -> list[Row]:
    found = pace(url, num_trials=NUM_TRIALS)
    processor = found.num_trials / sum(found.processor_s)
    what = f"{name}: {NUM_TRIALS:,} trials of {NUM_WORKERS:,} pretended workers under one driver"
    target = MIN_PER_SECOND if name == "PostgreSQL" else None
    return [
        Row(
            f"{what}, trials/s (peer: a second of its processor time)",
            found.per_second,
            processor,
            found.per_second,
            target,
            None if target is None else found.per_second >= target,
            "trials/s",
        ),
        Row(
            f"{what}: processor time of a trial in the third quarter over the second",
            found.processor_s[2] / (found.num_trials / 4) * 1e3,
            found.processor_s[1] / (found.num_trials / 4) * 1e3,
            found.growth,
            MAX_GROWTH,
            found.growth <= MAX_GROWTH,
            "ms",
        ),
    ]


def pace(url: str, *, num_trials: int, strategy: str = "random", num_workers: int = NUM_WORKERS) -> Pace:
    """Runs a whole search of pretended trainings in the ledger at `url`, which must be empty.

    Args:
        url: of the storage.
        num_trials: a multiple of 4.
        strategy: that proposes.
        num_workers: pretended ones.
    """
    laps: list[_Laps] = []

    def watched(source: Source) -> Source:
        laps.append(_Laps(source, num_trials))
        return laps[0]

    pretend(url, num_trials=num_trials, strategy=strategy, num_workers=num_workers, watched=watched)
    laps[0].mark()
    with open_store(url) as store:
        violations = store.check()
    assert not violations, violations
    return Pace(num_trials, laps[0].differences(time.perf_counter), laps[0].differences(time.process_time))


def pretend(
    url: str,
    *,
    num_trials: int,
    strategy: str = "random",
    num_workers: int = NUM_WORKERS,
    watched: Callable[[Source], Source] = lambda source: source,
) -> None:
    """Runs a search of pretended trainings until it has so many trials, or goes on with one.

    Args:
        url, num_trials, strategy, num_workers: as for `pace`.
        watched: what the driver is given in place of its source.
    """
    clock = VirtualClock(drag=1.0)
    space = open_space("mnasnet", resolution=16, num_classes=10, input_channels=1, width=0.25)
    reward, fidelity = Reward("soft", 5e6, "macs"), Fidelity(epochs=1)
    sampler = make_sampler(strategy, seed=0, space=space, reward=reward, num_trials=num_trials)
    rules = Rules(
        data=DataSettings(),
        fingerprint="pretended",
        recipe=Recipe(),
        reward=reward,
        rungs=make_rungs("none", max_epochs=1),
        budget=Budget(num_trials),
    )
    executor = VirtualExecutor(Modelled(MEAN_SECONDS), clock, num_slots=num_workers)
    with open_store(url, clock=clock.clock) as store:
        with suppress(StudyExists):
            store.create_study(
                PRETENDED, directions=reward.directions, seed=0, space=space.describe(), settings={}
            )
        study = store.study(PRETENDED)
        source = watched(SampledSource(store, study, space, sampler, fidelity))
        run = store.open_run(study.id, "search", {})
        Driver(store, study, run, source, executor, rules).drive()
        store.close_run(run.id, "done")


class _Laps:
    """A source that passes another one's proposals on, and notes both clocks at each quarter of them."""

    num_trials: int | None = None

    def __init__(self, source: Source, num_trials: int) -> None:
        self._source, self._quarter = source, num_trials // 4
        self._num_proposed = 0
        self._marks: list[tuple[float, float]] = []

    def propose(self, claim: Claim) -> Proposal:
        if self._num_proposed % self._quarter == 0 and len(self._marks) < 4:
            self.mark()
        self._num_proposed += 1
        return self._source.propose(claim)

    def one_history(self) -> AbstractContextManager[None]:
        return self._source.one_history()

    def mark(self) -> None:
        """Notes both clocks."""
        self._marks.append((time.perf_counter(), time.process_time()))

    def differences(self, clock: Callable[[], float]) -> tuple[float, ...]:
        """Returns the seconds of each quarter by one of the two clocks."""
        index = 0 if clock is time.perf_counter else 1
        times = [mark[index] for mark in self._marks]
        return tuple(later - earlier for earlier, later in zip(times, times[1:], strict=False))
