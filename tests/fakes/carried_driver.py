"""A driver on a cluster of two nodes whose workers cannot read any data: theirs come with the evaluator.

    python -m tests.fakes.carried_driver FOLDER ARCHITECTURE

Writes one line of JSON: what the workers said of the arrays that they were given, and what they measured.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import ray
from ray import cloudpickle
from ray.cluster_utils import Cluster

from nas.evaluation.data import Carried, load
from nas.evaluation.evaluator import EvaluatorOptions, TrainingEvaluator
from nas.execution import open_executor
from nas.interfaces import Evaluator, Measurement, Progress, Task
from nas.settings import DataSettings, Fidelity, Recipe

DATA = DataSettings(name="digits", resolution=8)


@dataclass(frozen=True)
class Looking:
    """Trains as usual, and says where it is and whether its images are its own copy, in the place of `weights`."""

    carried: Carried

    def evaluate(self, task: Task, report: Callable[[Progress], bool]) -> Measurement:
        options = EvaluatorOptions(device="cpu", cache="/proc/nowhere", keeps_weights=False, num_threads=1)
        measured = TrainingEvaluator(options, self.carried).evaluate(task, report)
        images = self.carried.dataset.train.images
        said = [ray.get_runtime_context().get_node_id(), images.flags.owndata, images.flags.writeable]
        return Measurement(
            task.key,
            measured.accuracy,
            measured.loss,
            1,
            0.0,
            measured.num_examples,
            weights=json.dumps(said),
        )


def main(folder: Path, architecture: str) -> None:
    """Trains the same on both nodes at once."""
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    for _ in range(2):
        cluster.add_node(num_cpus=1)
    evaluator: Evaluator = Looking(Carried(DATA, load(DATA, cache=folder)))
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    ends: list[Measurement] = []
    with contextlib.closing(
        open_executor("ray", evaluator, num_workers=2, address=cluster.address)
    ) as executor:
        for key in ("first", "second"):
            recipe = Recipe(augmentation="none")
            executor.submit(Task(key, architecture, DATA, recipe, Fidelity(epochs=1), seed=1))
        while len(ends) < 2:
            for event in executor.events(1.0):
                assert isinstance(event, Measurement | Progress), event
                ends += [event] if isinstance(event, Measurement) else []
    said = [json.loads(end.weights or "") for end in ends]
    print(json.dumps({"said": said, "accuracies": [end.accuracy for end in ends]}))
    ray.shutdown()
    cluster.shutdown()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
