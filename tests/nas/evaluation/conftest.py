"""Small real data for the evaluation tests: image files, a cache of their own, one tiny architecture."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from nas.evaluation.evaluator import EvaluatorOptions, TrainingEvaluator
from nas.interfaces import Task
from nas.settings import DataSettings, Fidelity, Recipe
from search_space.architecture import Architecture, Stage
from search_space.blocks import BLOCKS

MakeTask = Callable[..., Task]
MakeFolder = Callable[..., Path]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """As on a CPU worker; results depend on the number of threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("images")


@pytest.fixture
def tiny() -> Architecture:
    """Some 0.06 M MACs at 8 pixels."""
    mbconv = BLOCKS["mbconv"].options
    return Architecture(
        resolution=8,
        stem=Stage("stem", 1, 8, 1),
        stages=(
            Stage("mbconv", 1, 16, 2, mbconv(expansion=4)),
            Stage("mbconv", 2, 24, 2, mbconv(expansion=4)),
        ),
        head=Stage("classifier", 1, 0),
        num_classes=10,
        input_channels=1,
    )


@pytest.fixture
def evaluator(cache: Path) -> TrainingEvaluator:
    return TrainingEvaluator(EvaluatorOptions(device="cpu", cache=str(cache), checkpoint_interval_s=0.0))


@pytest.fixture
def make_task(tiny: Architecture) -> MakeTask:
    """Makes a task on the digits at 8 pixels; keyword arguments replace its fields."""

    task = Task(
        key="task",
        architecture=tiny.to_json(),
        data=DataSettings(name="digits", resolution=8),
        recipe=Recipe(augmentation="none"),
        fidelity=Fidelity(epochs=2),
        seed=5,
    )

    def make(**fields: Any) -> Task:
        return dataclasses.replace(task, **fields)

    return make


@pytest.fixture
def make_folder(tmp_path: Path) -> MakeFolder:
    """Writes real PNG files, one folder a class; bright classes differ, so they can be learnt."""

    def make(name: str = "data", *, classes: int = 2, images: int = 10, mode: str = "RGB") -> Path:
        rng = np.random.default_rng(classes)
        for label in range(classes):
            folder = tmp_path / name / f"class{label}"
            folder.mkdir(parents=True)
            for index in range(images):
                shape = (20, 24) if mode == "L" else (20, 24, 3)
                levels = rng.integers(0, 60, size=shape) + 160 * label // max(1, classes - 1)
                Image.fromarray(levels.astype(np.uint8)).save(folder / f"{index}.png")
        return tmp_path / name

    return make
