"""What `make demo` runs: a search, then the winner trained in full beside MobileNetV2 of the same cost.

Run again, it goes on where it stopped; delete `demo-out` to start anew.
"""

from __future__ import annotations

import dataclasses
import math
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from nas import SearchReport, Settings, Watch, load_settings, resume, search
from nas.cli.printing import Printer
from nas.cli.progress import Progress
from nas.cli.signals import interruptible
from nas.evaluation.evaluator import TrainingEvaluator
from nas.evaluation.final_score import test_score
from nas.interfaces import Task
from nas.settings import Fidelity
from runs import open_store
from runs.artifacts import ArtifactStore
from runs.errors import StudyExists
from search_space import Architecture, cost, reference, scale
from search_space.blocks import ClassifierOptions
from search_space.export import python_source

FOLDER = Path("demo-out")
SETTINGS = Path(__file__).with_name("demo.toml")
FINAL_EPOCHS = 20
SMALLEST_MAP = 4  # pixels: strides are dropped so that the last map is not smaller, as in our spaces


def main() -> None:
    """Searches, trains, compares, writes the files, and says where to look further."""
    begun, printer = time.perf_counter(), Printer()
    FOLDER.mkdir(exist_ok=True)
    settings = load_settings(SETTINGS)
    with interruptible(printer, "make demo") as interruption:
        report = find(settings, printer, interruption)
    if report.ending.kind == "stopped":
        sys.exit(int(interruption.exit_code))
    with open_store(str(settings.search.storage)) as store:
        assert report.winner is not None and report.winner.trial.digest is not None
        winner = Architecture.from_json(store.architecture(report.winner.trial.digest) or "")
        artifacts = store.artifacts
    networks = {"found": winner, "mobilenet_v2 scaled": mobilenet(winner)}
    rows = []
    for name, network in networks.items():
        printer.message(f"training {name} for {FINAL_EPOCHS} epochs ...")
        row, weights = final_row(name, network, settings, artifacts)
        rows.append(row)
        if network is winner:
            files = list(write(winner, weights))
    columns = ("network", "reward", "test_accuracy", "interval_95", "macs", "params", "seconds")
    printer.table(rows, columns=columns, title=f"the same recipe, {FINAL_EPOCHS} epochs, unseen test images")
    printer.data("files:    " + "\n          ".join(files))
    printer.data(
        "further:  nas status demo --storage sqlite:///demo-out/nas.db\n"
        "          nas trials demo --storage sqlite:///demo-out/nas.db\n"
        "          nas best demo --reward hard --target 1M --storage sqlite:///demo-out/nas.db\n"
        f"took:     {time.perf_counter() - begun:.0f} s"
    )


def find(settings: Settings, printer: Printer, should_stop: Callable[[], bool]) -> SearchReport:
    """Returns the search's report; goes on with the study where there is one."""
    with Progress(printer) as progress:
        watch = Watch(plan=progress.plan, progress=progress.update, should_stop=should_stop)
        try:
            return search(settings, watch=watch)
        except StudyExists:
            return resume(str(settings.search.study), storage=settings.search.storage, watch=watch)


def final_row(
    name: str, network: Architecture, settings: Settings, artifacts: ArtifactStore
) -> tuple[dict[str, object], bytes]:
    """Returns a network's line of the table and its weights, after the full training."""
    fidelity = Fidelity(epochs=FINAL_EPOCHS)
    task = Task(
        key=f"demo {network.digest}",
        architecture=network.to_json(),
        data=settings.data,
        recipe=settings.recipe,
        fidelity=fidelity,
        seed=settings.search.seed,
        checkpoints=artifacts.url,
    )
    measured = TrainingEvaluator().evaluate(task, lambda progress: True)
    weights = artifacts.get_bytes(str(measured.weights))
    score, price = test_score(network, weights, settings.data), cost(network)
    row = {
        "network": name,
        "reward": settings.search.make_reward().scalar(score.accuracy, price.macs),
        "test_accuracy": score.accuracy,
        "interval_95": f"{score.low:.3f} to {score.high:.3f}",
        "macs": price.macs,
        "params": price.params,
        "seconds": round(measured.seconds, 1),
    }
    return row, weights


def mobilenet(other: Architecture) -> Architecture:
    """Returns MobileNetV2 for the same images and classes, at the width of the nearest MACs."""
    network = reference("mobilenet_v2_1_0_224")
    side, stages = other.resolution, []
    for stage in (network.stem, *network.stages):
        fitted = dataclasses.replace(stage, stride=1) if side // stage.stride < SMALLEST_MAP else stage
        side = math.ceil(side / fitted.stride)
        stages.append(fitted)
    small = dataclasses.replace(
        network,
        resolution=other.resolution,
        num_classes=other.num_classes,
        input_channels=other.input_channels,
        stem=stages[0],
        stages=tuple(stages[1:]),
        head=dataclasses.replace(network.head, options=ClassifierOptions(activation="relu6")),  # scaled too
    )
    aim = math.log(cost(other).macs)
    sizes = [scale(small, width=percent / 100, divisor=4) for percent in range(2, 201)]
    return min(sizes, key=lambda one: abs(math.log(cost(one).macs) - aim))


def write(network: Architecture, weights: bytes) -> Iterator[str]:
    """Writes the winner's three files; yields their paths."""
    contents = {
        "winner.json": network.to_json().encode() + b"\n",
        "winner.safetensors": weights,
        "winner.py": python_source(network).encode(),
    }
    for name, content in contents.items():
        (FOLDER / name).write_bytes(content)
        yield str(FOLDER / name)


if __name__ == "__main__":
    main()
