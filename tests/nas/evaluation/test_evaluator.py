"""The evaluator's contract: repeatable, resumable, stoppable, and one sentence for what does not fit."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from nas.evaluation.evaluator import EvaluatorOptions, TrainingEvaluator, chosen_device
from nas.evaluation.examples import DataError
from nas.evaluation.final_score import test_score as final_score
from nas.evaluation.scores import wilson_interval
from nas.evaluation.training import Diverged
from nas.interfaces import Measurement, Progress, StopTraining, Task
from nas.settings import DataSettings, Fidelity, Recipe
from runs.artifacts import ArtifactStore
from search_space.architecture import Architecture

MakeTask = Callable[..., Task]


def result(measurement: Measurement) -> Measurement:
    """Without what depends on the clock and on interruptions."""
    return dataclasses.replace(measurement, seconds=0.0, resumed_from=0)


def go_on(progress: Progress) -> bool:
    return True


def stop_after(epoch: int) -> Callable[[Progress], bool]:
    return lambda progress: progress.epoch < epoch


def test_progress_comes_once_an_epoch_and_ends_in_the_measurement(
    evaluator: TrainingEvaluator, make_task: MakeTask
) -> None:
    seen: list[Progress] = []
    measured = evaluator.evaluate(make_task(), lambda progress: not seen.append(progress))
    assert [progress.epoch for progress in seen] == [1, 2]
    assert (measured.accuracy, measured.loss) == (seen[-1].accuracy, seen[-1].loss)
    assert measured.num_examples == 360 and measured.epoch == 2 and measured.resumed_from == 0
    assert 0.0 < seen[0].seconds < seen[1].seconds <= measured.seconds
    assert measured.accuracy > 0.2 and measured.weights is None


def test_the_same_task_gives_the_same_measurement_whatever_ran_before(
    evaluator: TrainingEvaluator, make_task: MakeTask
) -> None:
    task = make_task(recipe=Recipe(dropout=0.1, drop_path=0.1))
    first = evaluator.evaluate(task, go_on)
    evaluator.evaluate(make_task(seed=99, fidelity=Fidelity(epochs=1, resolution=6)), go_on)
    torch.manual_seed(12345)
    assert result(evaluator.evaluate(task, go_on)) == result(first)


@pytest.mark.parametrize("interval_s", [0.0, 1e9])
def test_a_stopped_task_goes_on_from_its_checkpoint_to_the_same_result(
    interval_s: float, cache: Path, tmp_path: Path, make_task: MakeTask
) -> None:
    options = EvaluatorOptions(device="cpu", cache=str(cache), checkpoint_interval_s=interval_s)
    evaluator = TrainingEvaluator(options)
    task = make_task(fidelity=Fidelity(epochs=3), recipe=Recipe(ema_decay=0.5))
    unbroken = evaluator.evaluate(dataclasses.replace(task, checkpoints=str(tmp_path / "a")), go_on)
    broken = dataclasses.replace(task, checkpoints=str(tmp_path / "b"))
    for epoch in (1, 2):
        with pytest.raises(StopTraining):
            evaluator.evaluate(broken, stop_after(epoch))
        stored = ArtifactStore(str(tmp_path / "b")).load_checkpoint(task.key)
        assert stored is not None and stored.epoch == epoch
    seen: list[Progress] = []
    resumed = TrainingEvaluator(options).evaluate(broken, lambda progress: not seen.append(progress))
    assert [progress.epoch for progress in seen] == [1, 2, 3]  # the checkpoint's epochs are told again
    assert [progress.seconds for progress in seen[:2]] == [0.0, 0.0]
    assert resumed.resumed_from == 2
    assert result(resumed) == result(unbroken)
    assert resumed.weights == unbroken.weights is not None


def test_the_clock_stands_still_while_a_report_is_answered(
    evaluator: TrainingEvaluator, make_task: MakeTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    hours = 0.0
    clock = time.perf_counter
    monkeypatch.setattr(time, "perf_counter", lambda: clock() + 3600.0 * hours)

    def slow(progress: Progress) -> bool:
        nonlocal hours
        hours += 10.0
        return True

    assert evaluator.evaluate(make_task(), slow).seconds < 36_000.0


def test_a_stop_at_the_last_epoch_comes_too_late(evaluator: TrainingEvaluator, make_task: MakeTask) -> None:
    assert evaluator.evaluate(make_task(), stop_after(2)).epoch == 2


def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(
    evaluator: TrainingEvaluator, make_task: MakeTask, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    task = make_task(fidelity=Fidelity(epochs=3), checkpoints=str(tmp_path))
    with pytest.raises(StopTraining):
        evaluator.evaluate(task, stop_after(2))
    [newest] = tmp_path.glob("checkpoints/*/00000002")
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 4
    newest.write_bytes(content)
    assert evaluator.evaluate(task, go_on).resumed_from == 1


def test_a_checkpoint_of_another_version_is_not_gone_on_from(
    evaluator: TrainingEvaluator, make_task: MakeTask, tmp_path: Path
) -> None:
    task = make_task(checkpoints=str(tmp_path))
    ArtifactStore(str(tmp_path)).save_checkpoint(task.key, 1, {"other.json": b"{}"}, labels={"training": "0"})
    assert evaluator.evaluate(task, go_on).resumed_from == 0


def test_streamed_and_resident_images_give_the_same_result(cache: Path, make_task: MakeTask) -> None:
    recipe, results = Recipe(augmentation="shift", dropout=0.1), []
    for size in (1 << 30, 0):
        options = EvaluatorOptions(device="cpu", cache=str(cache), max_resident_bytes=size)
        results.append(TrainingEvaluator(options).evaluate(make_task(recipe=recipe), go_on))
    assert result(results[0]) == result(results[1])


def test_fidelity_sets_resolution_and_share(
    evaluator: TrainingEvaluator, make_task: MakeTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    shapes: list[tuple[int, ...]] = []
    conv2d = torch.nn.functional.conv2d

    def recorded(images: torch.Tensor, *rest: object) -> torch.Tensor:
        shapes.append(tuple(images.shape))
        return conv2d(images, *rest)

    monkeypatch.setattr(torch.nn.functional, "conv2d", recorded)
    fidelity = Fidelity(epochs=1, resolution=6, share=0.25)
    evaluator.evaluate(make_task(fidelity=fidelity, recipe=Recipe(batch_size=64)), go_on)
    inputs = [shape for shape in shapes if shape[1] == 1 and shape[-1] == 6]
    trained = [shape[0] for shape in inputs if shape[0] <= 64]
    assert {shape[1:] for shape in inputs} == {(1, 6, 6)}
    assert 250 <= sum(trained) <= 275  # a quarter of 1,078


def test_weights_of_a_measurement_score_on_the_test_images(
    evaluator: TrainingEvaluator, make_task: MakeTask, tiny: Architecture, cache: Path, tmp_path: Path
) -> None:
    task = make_task(checkpoints=str(tmp_path), fidelity=Fidelity(epochs=4))
    measured = evaluator.evaluate(task, go_on)
    assert measured.weights is not None
    stored = ArtifactStore(str(tmp_path)).get_bytes(measured.weights)
    final = final_score(tiny, stored, task.data, device="cpu", cache=cache)
    assert final.num_examples == 359
    assert (final.low, final.high) == wilson_interval(round(final.accuracy * 359), 359)
    assert final.low < measured.accuracy < final.high + 0.1


def test_latency_is_measured_where_it_is_asked_for(cache: Path, make_task: MakeTask) -> None:
    options = EvaluatorOptions(device="cpu", cache=str(cache), measures_latency=True)
    measured = TrainingEvaluator(options).evaluate(make_task(fidelity=Fidelity(epochs=1)), go_on)
    assert measured.latency_ms is not None and 0.0 < measured.latency_ms < 1_000.0


def test_an_evaluator_travels_without_its_data(evaluator: TrainingEvaluator, make_task: MakeTask) -> None:
    evaluator.evaluate(make_task(fidelity=Fidelity(epochs=1)), go_on)
    made, arguments = evaluator.__reduce__()
    assert made is TrainingEvaluator
    assert arguments == (
        EvaluatorOptions(device="cpu", cache=arguments[0].cache, checkpoint_interval_s=0.0),
        None,
    )


def test_divergence_ends_the_task(evaluator: TrainingEvaluator, make_task: MakeTask) -> None:
    recipe = Recipe(optimizer="sgd", learning_rate=1e12, warmup_epochs=0.0)
    with pytest.raises(Diverged):
        evaluator.evaluate(make_task(recipe=recipe), go_on)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            {"resolution": 16},
            "asks for 16 pixels and digits is served at 8; set data.resolution to 16 or more",
        ),
        ({"num_classes": 7}, "digits has 10 and 1, and the architecture is for 7 and 1; make it with"),
        ({"input_channels": 3}, "digits has 10 and 1, and the architecture is for 10 and 3; make it with"),
    ],
)
def test_an_architecture_for_other_images_gets_one_sentence(
    change: dict[str, int],
    sentence: str,
    evaluator: TrainingEvaluator,
    make_task: MakeTask,
    tiny: Architecture,
) -> None:
    with pytest.raises(DataError, match=sentence):
        evaluator.evaluate(make_task(architecture=dataclasses.replace(tiny, **change).to_json()), go_on)


def test_an_architecture_smaller_than_its_data_gets_smaller_images(
    evaluator: TrainingEvaluator, make_task: MakeTask
) -> None:
    data = DataSettings(name="digits", resolution=16)
    assert evaluator.evaluate(make_task(data=data, fidelity=Fidelity(epochs=1)), go_on).epoch == 1


def test_a_device_is_found_or_named() -> None:
    assert chosen_device("cpu") == torch.device("cpu")
    assert chosen_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
