"""Scores: counted exactly, over every image, with an interval that covers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest
from torch import nn

from nas.evaluation.feeding import ResidentFeed
from nas.evaluation.scores import InputScale, score, wilson_interval


@given(num_examples=st.integers(1, 5_000), share=st.floats(0.0, 1.0))
def test_the_interval_is_wilsons(num_examples: int, share: float) -> None:
    num_correct = round(share * num_examples)
    expected = binomtest(num_correct, num_examples).proportion_ci(0.95, method="wilson")
    low, high = wilson_interval(num_correct, num_examples)
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=1e-9)
    assert (
        0.0 <= low <= num_correct / num_examples + 1e-12 and num_correct / num_examples - 1e-12 <= high <= 1.0
    )


def test_scaled_inputs_have_no_mean_and_unit_deviation() -> None:
    images = torch.randint(
        0, 256, (64, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    levels = images.double() / 255.0
    scale = InputScale(
        tuple(levels.mean((0, 2, 3)).tolist()), tuple(levels.std((0, 2, 3), correction=0).tolist())
    )
    inputs = scale.apply(images)
    assert inputs.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(inputs.mean((0, 2, 3)), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(inputs.std((0, 2, 3), correction=0), torch.ones(3), atol=1e-5, rtol=0)


def test_a_constant_channel_does_not_divide_by_zero() -> None:
    inputs = InputScale((0.5,), (0.0,)).apply(torch.full((1, 1, 2, 2), 128, dtype=torch.uint8))
    assert bool(torch.isfinite(inputs).all())


def test_a_score_counts_every_image_whatever_the_batches() -> None:
    rng = np.random.default_rng(0)
    images = torch.from_numpy(rng.integers(0, 256, size=(1_300, 1, 2, 2), dtype=np.uint8))
    labels = torch.from_numpy(rng.integers(0, 3, size=1_300))
    torch.manual_seed(0)
    module = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(4, 3))
    result = score(module, ResidentFeed(images, labels), InputScale((0.5,), (0.3,)))
    with torch.no_grad():
        outputs = module.eval()(InputScale((0.5,), (0.3,)).apply(images))
    assert result.accuracy == (outputs.argmax(1) == labels).sum().item() / 1_300
    assert result.loss == pytest.approx(nn.functional.cross_entropy(outputs, labels).item(), rel=1e-5)
    assert result.low < result.accuracy < result.high and result.num_examples == 1_300
