"""A whole search without training, as a process to be harmed: the real driver, sampler and ledger, and a formula.

Usage: python -m tests.fakes.ledger_driver URL NUM_TRIALS [OPTIONS AS JSON]

Writes what it asks of the ledger and what it is answered as lines of JSON to its output (see `tests.fakes.histories`),
each by one system call, so that a killed process leaves whole lines.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from nas.execution.inline import InlineExecutor
from nas.interfaces import Executor, Measurement, Progress, StopTraining, Task
from nas.reward import Reward
from nas.settings import DataSettings, Fidelity, Recipe
from nas.stages.budget import Budget
from nas.stages.driver import Driver
from nas.stages.history import History
from nas.stages.proposals import SampledSource
from nas.stages.rules import Rules
from nas.strategies.registry import make_sampler
from nas.strategies.rungs import make_rungs
from runs import Claim, Outcome, Store, open_store
from runs.artifacts import ArtifactStore
from runs.errors import StudyExists
from search_space import open_space
from tests.fakes.histories import say

SPACE = open_space("mnasnet", resolution=16, num_classes=10, input_channels=1, width=0.25)
REWARD = Reward("soft", 5e6, "macs")


@dataclass(frozen=True)
class Options:
    """What a test may ask of the process."""

    seconds: float = 0.0  # of an epoch
    epochs: int = 2
    lease_s: float = 5.0
    timeout_s: float = 60.0
    exclusive: bool = False
    stop_at: str = ""  # a moment of `_Watched`, at which the process stops itself with `stop_signal`
    stop_signal: str = "SIGKILL"
    artifacts: str | None = None
    cluster: bool = False  # on a Ray cluster of this process with a head and two nodes of one core each
    harm: str = ""  # what happens to the cluster once three trials have ended: a method of `HarmedCluster`
    gate: str = ""  # a file that must exist before the process evaluates more than one trial
    hold_at: int = 0  # the first worker to keep a checkpoint of this epoch stands still then; see `held_pid`


@dataclass(frozen=True)
class Kept:
    """Reports a formula's accuracy, keeps a checkpoint of every epoch, and goes on from the last one."""

    seconds: float
    gate: str = ""
    hold_at: int = 0
    begun: list[str] = field(default_factory=list)  # keys of the tasks so far

    def evaluate(self, task: Task, report: Callable[[Progress], bool]) -> Measurement:
        assert task.checkpoints is not None
        store = ArtifactStore(task.checkpoints)
        self.begun.append(task.key)
        while self.gate and len(self.begun) > 1 and not Path(self.gate).exists():
            time.sleep(0.02)
        found = store.load_checkpoint(task.key)
        begun = found.epoch if found else 0
        final = int(task.key[:6], 16) / 0x1000000
        for epoch in range(begun + 1, task.fidelity.epochs + 1):
            time.sleep(self.seconds)
            store.save_checkpoint(task.key, epoch, {"state": str(epoch).encode() * 1000})
            if epoch == self.hold_at:
                _hold(Path(task.checkpoints.removeprefix("file://")))
            if not report(Progress(task.key, epoch, final, 1 - final, self.seconds * (epoch - begun))):
                raise StopTraining
        seconds = self.seconds * (task.fidelity.epochs - begun)
        return Measurement(task.key, final, 1 - final, task.fidelity.epochs, seconds, 100, begun)


def _hold(folder: Path) -> None:
    """Stands still until it is killed, with its process id in the file `held`; only the first to come here does."""
    with contextlib.suppress(FileExistsError), (folder / "held").open("x") as file:
        print(os.getpid(), file=file, flush=True)
        time.sleep(3600)


def held_pid(folder: Path) -> int | None:
    """Returns the process id of the worker that stands still; None before one does."""
    text = (folder / "held").read_text() if (folder / "held").exists() else ""
    return int(text) if text.endswith("\n") else None


class _Watched(Store):
    """A store that says what it is asked, and what it answers."""

    options: Options

    def begin(self, study_id: int, num_trials: int = 1, **limits: int | None) -> tuple[Claim, ...]:
        say("invoke", "begin", count=num_trials)
        claims = super().begin(study_id, num_trials, **limits)
        say("ok", "begin", claims=[(claim.number, claim.fence) for claim in claims])
        self._pass("after_claim")
        return claims

    def reclaim(self, study_id: int) -> Claim | None:
        claim = super().reclaim(study_id)
        if claim is not None:
            say("ok", "reclaim", claims=[(claim.number, claim.fence)])
            self._pass("after_claim")
        return claim

    def finish(self, ends: Sequence[Outcome], progress: Sequence[Any] = ()) -> Any:
        named = [(end.claim.number, end.claim.fence, end.state, end.objectives) for end in ends]
        say("invoke", "finish", ends=named)
        self._pass("before_finish")
        done = super().finish(ends, progress)
        for kind in ("accepted", "requeued", "refused"):
            for end in getattr(done, kind):
                say("ok", kind, number=end.claim.number, fence=end.claim.fence, objectives=end.objectives)
        self._pass("after_finish")
        return done

    def _pass(self, moment: str) -> None:
        if moment == self.options.stop_at:
            say("info", "stopping", at=moment)
            os.kill(os.getpid(), signal.Signals[self.options.stop_signal])


def main(url: str, num_trials: int, options: Options) -> None:
    """Searches until the study has so many trials; exits with an error's exit code."""
    rules = Rules(
        data=DataSettings(),
        fingerprint="formula",
        recipe=Recipe(),
        reward=REWARD,
        rungs=make_rungs("none", max_epochs=options.epochs),
        budget=Budget(num_trials),
    )
    with open_store(
        url, artifacts=options.artifacts, lease_s=options.lease_s, timeout_s=options.timeout_s
    ) as opened:
        store = _Watched(opened.database, artifacts=options.artifacts, lease_s=options.lease_s)
        store.options = options
        try:
            store.create_study("s", directions=REWARD.directions, seed=0, space=SPACE.describe(), settings={})
        except StudyExists:
            pass
        study = store.study("s")
        sampler = make_sampler("random", seed=0, space=SPACE, reward=REWARD, num_trials=num_trials)
        source = SampledSource(store, study, SPACE, sampler, Fidelity(epochs=options.epochs))
        given = {"budget": asdict(rules.budget)}
        run = store.open_run(study.id, "search", given, is_exclusive=options.exclusive)
        say("info", "working", pid=os.getpid())
        with contextlib.ExitStack() as stack:
            executor, watch = _workers(options, stack)
            ending = Driver(store, study, run, source, executor, rules, watch=watch).drive()
        store.close_run(run.id, "done")
        say("info", "ended", ending=ending.kind)


def _workers(options: Options, stack: contextlib.ExitStack) -> tuple[Executor, Callable[[History], None]]:
    """Returns the executor, and what does harm to its cluster when three trials have ended."""
    if not options.cluster:
        return InlineExecutor(Kept(options.seconds, options.gate)), lambda history: None
    # Ray is loaded only where it is wanted.
    harmed = importlib.import_module("tests.fakes.harmed_cluster").HarmedCluster(options.harm)
    stack.callback(harmed.close)
    executor = harmed.executor(Kept(options.seconds, options.gate, options.hold_at))
    stack.callback(executor.close)
    return executor, harmed.watch


if __name__ == "__main__":
    given = json.loads(sys.argv[3]) if len(sys.argv) > 3 else {}
    try:
        main(sys.argv[1], int(sys.argv[2]), Options(**given))
    except Exception as error:  # told as a command does: one line, and the exit code
        say("fail", type(error).__name__, message=str(error))
        Path("/dev/stderr").write_text(f"{type(error).__name__}: {error}\n")
        sys.exit(getattr(error, "exit_code", 1))
