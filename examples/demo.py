"""What `make demo` runs: search, fit, grow and export, then the family on unseen images beside MobileNetV2.

Run again, it goes on where it stopped; delete `demo-out` to start anew.
"""

from __future__ import annotations

import dataclasses
import math
import sys
import time
from pathlib import Path

from nas import Study, Watch, load_settings
from nas.cli.printing import Printer
from nas.cli.progress import Progress
from nas.cli.scaling_views import fit_view, grow_view, print_fit, print_grow
from nas.cli.session import Session
from nas.cli.signals import interruptible
from nas.evaluation.evaluator import TrainingEvaluator
from nas.evaluation.final_score import test_score
from nas.interfaces import Measurement, Task
from nas.pipeline import RunReport, run
from nas.settings import DataSettings, Fidelity, Settings
from nas.stages.names import GROW
from nas.stages.scaled_trainings import stored_arm
from runs import open_store
from runs.artifacts import ArtifactStore
from search_space import Architecture, cost, reference, scale
from search_space.blocks import ClassifierOptions

FOLDER = Path("demo-out")
SETTINGS = Path(__file__).with_name("demo.toml")
SMALLEST_MAP = 4  # pixels: strides are dropped so that the last map is not smaller, as in our spaces
MODEST = """\
what this shows: every stage, resumable, on real images; the commands below show what lies behind each number.
what it cannot:  two seeds of ten networks, three epochs each on 1,078 images of 8 x 8 real pixels, leave most rules
                 possible (see the intervals, and the verdict); nothing here says how networks of other data grow."""


def main() -> None:
    """Runs all stages, scores the family on the test images, and says where to look further."""
    begun, printer = time.perf_counter(), Printer()
    FOLDER.mkdir(exist_ok=True)
    settings = load_settings(SETTINGS)
    with interruptible(printer, "make demo") as interruption, Progress(printer) as progress:
        watch = Watch(plan=progress.plan, progress=progress.update, should_stop=interruption)
        report = run(settings, out=FOLDER, watch=watch)
    if report.ending.kind == "stopped":
        sys.exit(int(interruption.exit_code))
    assert report.fit is not None and report.grow is not None
    session = Session(printer)
    print_fit(session, fit_view(report.fit))
    print_grow(session, grow_view(report.grow))
    columns = ("network", "reward", "test_accuracy", "interval_95", "macs", "params", "seconds")
    printer.table(
        rows(report, settings, printer),
        columns=columns,
        title=f"the same recipe, {report.grow.epochs} epochs; rewards on validation images, accuracies on unseen ones",
    )
    printer.data(MODEST)
    files = (str(file) for folder in report.exports for file in sorted(folder.iterdir()) if file.is_file())
    printer.data("exports:  " + "\n          ".join(files))
    printer.data(
        "further:  nas status demo --storage sqlite:///demo-out/nas.db\n"
        "          nas fit demo --storage sqlite:///demo-out/nas.db --budget 48\n"
        "          nas grow demo --storage sqlite:///demo-out/nas.db --phi 1 --rule compound,width,depth,resolution\n"
        "          nas best demo --reward hard --target 1M --storage sqlite:///demo-out/nas.db\n"
        f"took:     {time.perf_counter() - begun:.0f} s"
    )


def rows(report: RunReport, settings: Settings, printer: Printer) -> list[dict[str, object]]:
    """Returns the family and MobileNetV2 of the baseline's cost, each with its accuracy on the test images."""
    assert report.grow is not None
    with open_store(str(settings.search.storage)) as store:
        data = stored_arm(store, store.study(report.study), GROW).settings.data
        artifacts = store.artifacts
    family = Study(f"{report.study}.{GROW}", settings.search.storage)
    seconds = {trial["number"]: trial["seconds"] for trial in family.trials()}
    reward = settings.search.make_reward()
    found = []
    for one in report.grow.members:
        member = family.candidate(one.trials[0])
        assert member.weights is not None and member.accuracy is not None
        name, spent = f"found, {one.forecast.size}", seconds[member.number]
        earned = reward.scalar(member.accuracy, member.macs)
        found.append(
            row(name, member.architecture, member.weights, data) | {"reward": earned, "seconds": spent}
        )
        if one.forecast.size == "phi 0":
            printer.message("training MobileNetV2 of the same cost ...")
            other = mobilenet(member.architecture)
            measured = trained(other, data, settings, report.grow.epochs, artifacts)
            weights = artifacts.get_bytes(str(measured.weights))
            earned = reward.scalar(measured.accuracy, cost(other).macs)
            told = {"reward": earned, "seconds": measured.seconds}
            found.append(row("mobilenet_v2 scaled", other, weights, data) | told)
    return found


def trained(
    network: Architecture, data: DataSettings, settings: Settings, epochs: int, artifacts: ArtifactStore
) -> Measurement:
    """Returns what the family's training makes of a network; its weights lie among the artifacts."""
    task = Task(
        key=f"demo {network.digest}",
        architecture=network.to_json(),
        data=data,
        recipe=settings.recipe,
        fidelity=Fidelity(epochs=epochs),
        seed=settings.search.seed,
        checkpoints=artifacts.url,
    )
    return TrainingEvaluator().evaluate(task, lambda progress: True)


def row(name: str, network: Architecture, weights: bytes, data: DataSettings) -> dict[str, object]:
    """Returns a network's line of the table."""
    score, price = test_score(network, weights, data), cost(network)
    return {
        "network": name,
        "test_accuracy": score.accuracy,
        "interval_95": f"{score.low:.3f} to {score.high:.3f}",
        "macs": price.macs,
        "params": price.params,
    }


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


if __name__ == "__main__":
    main()
