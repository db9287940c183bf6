"""Memory that runs out: parts of a batch give the batch's gradients, and a real shortage ends in a measurement."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from nas.evaluation import evaluator as evaluators
from nas.evaluation.evaluator import EvaluatorOptions, TrainingEvaluator
from nas.evaluation.feeding import ResidentFeed
from nas.evaluation.memory import is_out_of_memory, num_parts, parts, smaller
from nas.evaluation.scores import InputScale
from nas.evaluation.training import Training
from nas.interfaces import Progress, Task
from nas.settings import DataSettings, Fidelity, Recipe
from search_space.architecture import Architecture, Stage
from search_space.blocks import BLOCKS


@given(st.integers(1, 500), st.none() | st.integers(1, 600))
def test_parts_are_the_whole_in_order_few_and_even(count: int, largest: int | None) -> None:
    found = parts(count, num_parts(count, largest))
    assert [index for part in found for index in range(count)[part]] == list(range(count))
    sizes = [part.stop - part.start for part in found]
    assert max(sizes) <= (largest or count) and max(sizes) - min(sizes) <= 1
    assert len(found) == -(-count // (largest or count))


@pytest.mark.parametrize(
    ("error", "is_it"),
    [
        (MemoryError(), True),
        (torch.OutOfMemoryError("CUDA out of memory"), True),
        (RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling"), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (ValueError("DefaultCPUAllocator: can't allocate memory"), False),
    ],
)
def test_what_says_that_memory_ran_out(error: Exception, is_it: bool) -> None:
    assert is_out_of_memory(error) is is_it


def test_halves_end_at_one_image_or_at_two_where_batches_are_normalised() -> None:
    plain, normalised = nn.Linear(1, 1), nn.Sequential(nn.BatchNorm2d(1))
    assert [smaller(size, plain) for size in (7, 3, 2, 1)] == [3, 1, 1, None]
    assert [smaller(size, normalised) for size in (7, 3, 2, 1)] == [3, 2, None, None]


def trained(module: nn.Module, micro_batch: int | None, **recipe: Any) -> Training:
    """Returns a training of one batch of 23 images, after its only step."""
    rng = np.random.default_rng(0)
    images = torch.from_numpy(rng.integers(0, 256, (23, 1, 6, 6), dtype=np.uint8))
    labels = torch.from_numpy(rng.integers(0, 3, 23))
    training = Training(
        module,
        Recipe(batch_size=23, augmentation="none", optimizer="sgd", **recipe),
        feed=ResidentFeed(images, labels),
        indices=np.arange(23),
        scale=InputScale((0.5,), (0.3,)),
        num_classes=3,
        num_epochs=2,
        seed=0,
        micro_batch=micro_batch,
    )
    training.run_epoch()
    return training


def network(normalised: bool) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        norm = nn.BatchNorm2d(4) if normalised else nn.GroupNorm(2, 4)
        return nn.Sequential(nn.Conv2d(1, 4, 3), norm, nn.ReLU(), nn.Flatten(), nn.Linear(64, 3))


@pytest.mark.parametrize("micro_batch", [1, 2, 5, 8, 16, 22])
def test_without_batch_statistics_parts_give_the_same_step_as_the_whole(micro_batch: int) -> None:
    """23 images never divide evenly, so a wrong weight of the smaller parts would show."""
    whole, split = (trained(network(False), size) for size in (None, micro_batch))
    for ours, theirs in zip(whole.scored.parameters(), split.scored.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0.0, atol=1e-6)
    moved = [
        float((after - before).detach().abs().max())
        for after, before in zip(whole.scored.parameters(), network(False).parameters(), strict=True)
    ]
    assert max(moved) > 1e-4, "a step was taken"


def test_with_batch_statistics_running_means_move_as_far_as_those_of_the_whole() -> None:
    whole, split = (trained(network(True), size) for size in (None, 6))
    ours, theirs = whole.scored.state_dict(), split.scored.state_dict()
    torch.testing.assert_close(ours["1.running_mean"], theirs["1.running_mean"], rtol=0.1, atol=0.01)
    torch.testing.assert_close(ours["1.running_var"], theirs["1.running_var"], rtol=0.2, atol=0.02)
    assert not torch.equal(ours["0.weight"], theirs["0.weight"]), "the statistics are those of a part"


def test_in_which_parts_it_was_trained_is_kept_in_the_checkpoint() -> None:
    files = trained(network(True), 6).files()
    assert json.loads(files["training.json"]) == {"epoch": 1, "micro_batch": 6}


@pytest.fixture
def make_task(tiny: Architecture, tmp_path: Path) -> Any:
    def make(**fields: Any) -> Task:
        data = DataSettings(name="digits", resolution=8)
        recipe = Recipe(batch_size=64, augmentation="none")
        plain = {"key": "a" * 64, "fidelity": Fidelity(epochs=3, share=0.3), "seed": 3}
        return Task(architecture=tiny.to_json(), data=data, recipe=recipe, **{**plain, **fields})

    return make


def starved(monkeypatch: pytest.MonkeyPatch, most: int, from_epoch: int = 0) -> list[int]:
    """Lets the backward pass run out of memory with more than `most` images; returns what was tried."""
    tried: list[int] = []
    backward = Training._backward

    def harmed(training: Training, inputs: torch.Tensor, labels: torch.Tensor, weight: float) -> torch.Tensor:
        size = training.micro_batch or len(labels)
        tried.append(size)
        if size > most and training.epoch >= from_epoch:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return backward(training, inputs, labels, weight)

    monkeypatch.setattr(Training, "_backward", harmed)
    return tried


def test_a_shortage_in_the_middle_goes_on_from_the_checkpoint_and_no_epoch_is_reported_twice(
    make_task: Any, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = starved(monkeypatch, most=20, from_epoch=2)
    seen: list[Progress] = []
    task = make_task(checkpoints=f"file://{tmp_path / 'artifacts'}")
    evaluator = TrainingEvaluator(EvaluatorOptions(device="cpu", cache=str(cache), num_threads=1))
    measured = evaluator.evaluate(task, lambda progress: seen.append(progress) is None)
    assert [progress.epoch for progress in seen] == [1, 2, 3]
    assert measured.micro_batch is not None and measured.micro_batch <= 20 and measured.resumed_from == 0
    assert sorted(set(tried), reverse=True)[-1] == measured.micro_batch
    again = evaluator.evaluate(task, lambda progress: True)  # from epoch 2's checkpoint, in the same parts
    assert (again.resumed_from, again.micro_batch) == (2, measured.micro_batch)
    assert (again.accuracy, again.loss) == (measured.accuracy, measured.loss)


def test_what_never_fits_is_the_named_failure(
    make_task: Any, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = starved(monkeypatch, most=0)
    evaluator = TrainingEvaluator(EvaluatorOptions(device="cpu", cache=str(cache), num_threads=1))
    with pytest.raises(torch.OutOfMemoryError):
        evaluator.evaluate(make_task(), lambda progress: True)
    assert tried[-1] == 2 and tried == sorted(tried, reverse=True)


def test_other_errors_are_not_tried_again(
    make_task: Any, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []

    def broken(*_: object, **__: object) -> None:
        calls.append(1)
        raise RuntimeError("shapes do not fit")

    monkeypatch.setattr(evaluators, "score", broken)
    with pytest.raises(RuntimeError, match="shapes"):
        TrainingEvaluator(EvaluatorOptions(device="cpu", cache=str(cache), num_threads=1)).evaluate(
            make_task(), lambda progress: True
        )
    assert calls == [1]


PROGRAM = """
import json, re, resource, sys
from pathlib import Path
from nas.evaluation.evaluator import EvaluatorOptions, TrainingEvaluator
from nas.interfaces import Task
from nas.settings import DataSettings, Fidelity, Recipe

def task(batch_size, share):
    return Task("a" * 64, sys.argv[1], DataSettings(name="digits", resolution=32),
        Recipe(batch_size=batch_size, augmentation="none"), Fidelity(epochs=1, share=share), seed=1)

evaluator = TrainingEvaluator(EvaluatorOptions(device="cpu", cache=sys.argv[2], num_threads=1))
evaluator.evaluate(task(8, 0.02), lambda progress: True)  # loads all that is loaded once
used = int(re.search(r"VmSize:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024
limit = used + 512 * 2**20
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
measured = evaluator.evaluate(task(1024, 0.6), lambda progress: True)
print(json.dumps({"micro_batch": measured.micro_batch, "accuracy": measured.accuracy}))
"""


def test_a_real_shortage_of_memory_ends_in_a_measurement(tiny: Architecture, tmp_path: Path) -> None:
    """The process may have 512 MiB more than it has; all 647 images at once need several times that."""
    mbconv = BLOCKS["mbconv"].options
    stages = (Stage("mbconv", 1, 32, 2, mbconv(expansion=6)),)
    wide = dataclasses.replace(tiny, resolution=32, stem=Stage("stem", 1, 32, 1), stages=stages)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, wide.to_json(), str(tmp_path)],
        check=False,
        capture_output=True,
        text=True,
        env=os.environ | {"MALLOC_MMAP_THRESHOLD_": "65536"},  # what is freed is given back
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["micro_batch"] is not None and 2 <= told["micro_batch"] < 647
    assert 0.0 <= told["accuracy"] <= 1.0
