"""The host's memory runs out under a real training: its class is said, and the process goes on with the next task."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from nas.evaluation.evaluator import EvaluatorOptions, TrainingEvaluator
from nas.execution.inline import InlineExecutor
from nas.interfaces import Failure, Measurement, Task
from nas.settings import DataSettings, Fidelity, Recipe
from tests.contracts.executor_contract import end, finish
from tests.fakes.teams import tiny

pytestmark = pytest.mark.faults
ROOT = Path(__file__).parents[2]
SPARE_BYTES = 512 * 2**20  # what a process may take beyond what it has when it is ready


def work(key: str, cache: str, **recipe: int) -> Task:
    data = DataSettings(resolution=8)
    return Task(key, tiny().to_json(), data, Recipe(**recipe), Fidelity(epochs=1, share=0.2), seed=1)


def main(cache: str) -> None:
    """Trains, then a network whose activations are beyond what the kernel still gives, then the first again."""
    options = EvaluatorOptions(device="cpu", cache=cache, num_threads=1)
    wide = tiny()
    stages = tuple(replace(stage, channels=48 * stage.channels) for stage in wide.stages)
    wide = replace(wide, stages=stages)
    large = replace(work("large", cache, batch_size=1024), architecture=wide.to_json())
    large = replace(large, fidelity=Fidelity(epochs=1))
    told = {}
    with closing(InlineExecutor(TrainingEvaluator(options))) as executor:
        told["before"] = finish(executor, [work("before", cache)])["before"]
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limit = pages * os.sysconf("SC_PAGE_SIZE") + SPARE_BYTES
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        told["large"] = finish(executor, [large])["large"]
        told["after"] = finish(executor, [work("after", cache)])["after"]
    for name, history in told.items():
        last = end(history)
        kind = last.failure_class.value if isinstance(last, Failure) else type(last).__name__
        print(json.dumps({"task": name, "end": kind, "message": getattr(last, "message", "")}))


def test_a_training_beyond_the_hosts_memory_is_oom_host_and_the_next_one_is_fine(tmp_path: Path) -> None:
    command = [sys.executable, "-c", f"from tests.faults.test_memory import main; main({str(tmp_path)!r})"]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    before, large, after = (json.loads(line) for line in done.stdout.splitlines())
    assert before["end"] == after["end"] == Measurement.__name__
    assert large["end"] == "oom_host", large
    assert large["message"].startswith("RuntimeError")  # torch's own, at the kernel's refusal
