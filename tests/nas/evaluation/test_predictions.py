"""Predictions are what the score was made of, and survive being stored."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nas.evaluation.evaluator import TrainingEvaluator
from nas.evaluation.predictions import Predictions, predictions
from runs.artifacts import ArtifactStore
from search_space import Architecture
from tests.nas.evaluation.conftest import MakeTask


def test_predictions_agree_with_the_measured_accuracy(
    evaluator: TrainingEvaluator, make_task: MakeTask, tiny: Architecture, cache: Path, tmp_path: Path
) -> None:
    task = make_task(checkpoints=str(tmp_path / "artifacts"))
    measured = evaluator.evaluate(task, lambda progress: True)
    assert measured.weights is not None
    weights = ArtifactStore(str(tmp_path / "artifacts")).get_bytes(measured.weights)
    said = predictions(tiny, weights, task.data, device="cpu", cache=cache)
    assert said.probabilities.shape == (measured.num_examples, 10)
    assert said.probabilities.sum(axis=1) == pytest.approx(1.0, abs=1e-5)
    assert float((said.probabilities.argmax(axis=1) == said.labels).mean()) == measured.accuracy


def test_stored_predictions_come_back() -> None:
    said = Predictions(np.array([[0.25, 0.75]], dtype=np.float32), np.array([1]))
    again = Predictions.from_bytes(said.to_bytes())
    assert np.array_equal(again.probabilities, said.probabilities) and np.array_equal(
        again.labels, said.labels
    )
