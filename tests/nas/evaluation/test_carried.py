"""Data that travel with the evaluator: once to each node of a cluster, and never copied by its workers."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from ray import cloudpickle

from nas.evaluation.data import Carried, load
from nas.evaluation.evaluator import EvaluatorOptions, TrainingEvaluator
from nas.settings import DataSettings, make_settings
from nas.stages.arms import training_evaluator
from search_space.architecture import Architecture

ROOT = Path(__file__).parents[3]
DIGITS = DataSettings(name="digits", resolution=8)


@pytest.mark.slow
def test_two_nodes_without_a_way_to_the_data_train_on_what_was_loaded_once(
    tiny: Architecture, tmp_path: Path
) -> None:
    """The workers' cache cannot be written, so that the driver's reading is the only one."""
    command = [sys.executable, "-m", "tests.fakes.carried_driver", str(tmp_path), tiny.to_json()]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    nodes, owned, writeable = zip(*told["said"], strict=True)
    assert len(set(nodes)) == 2, "one worker on each node"
    assert owned == (False, False) and writeable == (False, False), "views of the node's store"
    assert told["accuracies"][0] == told["accuracies"][1]


def test_a_carried_data_set_travels_with_its_evaluator_and_a_loaded_one_does_not(cache: Path) -> None:
    options = EvaluatorOptions(device="cpu", cache=str(cache))
    dataset = load(DIGITS, cache=cache)
    with_data = cloudpickle.dumps(TrainingEvaluator(options, Carried(DIGITS, dataset)))
    assert len(with_data) > dataset.train.images.nbytes > len(cloudpickle.dumps(TrainingEvaluator(options)))


def test_data_travel_to_a_cluster_unless_they_are_mapped_from_disk(cache: Path) -> None:
    def size(max_bytes: int, **search: str) -> int:
        settings = make_settings({"search": search, "data": {"name": "digits", "resolution": 8}})
        dataset = load(settings.data, cache=cache, max_resident_bytes=max_bytes)
        return len(cloudpickle.dumps(training_evaluator(settings, dataset)))

    assert size(2**30, address="auto") > 50_000 > size(2**30)
    assert size(100, address="auto") < 50_000
