"""Batches: the same whether images are resident or streamed, of one size, every image in its turn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nas.evaluation.data import Split, load
from nas.evaluation.feeding import ResidentFeed, StreamedFeed, open_feed, ordered_batches, shuffled_batches
from nas.evaluation.pictures import resampled
from nas.settings import DataSettings

CPU = torch.device("cpu")
DIGITS = DataSettings(name="digits", resolution=16)


@pytest.mark.parametrize("num_workers", [0, 1])
def test_streamed_batches_equal_resident_ones(cache: Path, num_workers: int) -> None:
    held, mapped = (load(DIGITS, cache=cache, max_resident_bytes=size).train for size in (1 << 30, 0))
    resident = open_feed(held, resolution=12, device=CPU)
    streamed = open_feed(mapped, resolution=12, device=CPU, num_workers=num_workers)
    assert isinstance(resident, ResidentFeed) and isinstance(streamed, StreamedFeed)
    assert len(resident) == len(streamed) == len(held)
    order = shuffled_batches(np.arange(len(held)), 100, np.random.default_rng(0))[:4]
    pairs = list(zip(resident.batches(order), streamed.batches(order), strict=True))
    assert len(pairs) == 4
    for first, second in pairs:
        assert torch.equal(first[0], second[0]) and torch.equal(first[1], second[1])


def test_streaming_draws_nothing_from_the_default_generator(cache: Path) -> None:
    mapped = load(DIGITS, cache=cache, max_resident_bytes=0).train
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    list(open_feed(mapped, resolution=16, device=CPU).batches(ordered_batches(50, 20)))
    assert torch.equal(torch.rand(1), expected)


def test_a_feed_has_images_at_its_resolution_with_their_labels() -> None:
    images = np.random.default_rng(0).integers(0, 256, size=(9_000, 1, 6, 6), dtype=np.uint8)
    split = Split(images, np.arange(9_000))
    [(batch, labels)] = open_feed(split, resolution=3, device=CPU).batches([np.array([8_999, 0, 4_096])])
    assert np.array_equal(batch.numpy(), resampled(images[[8_999, 0, 4_096]], 3))
    assert labels.tolist() == [8_999, 0, 4_096]


@given(count=st.integers(1, 400), batch_size=st.integers(1, 128), seed=st.integers(0, 99))
def test_batches_are_of_one_size_within_the_limit_and_leave_out_few(
    count: int, batch_size: int, seed: int
) -> None:
    indices = np.arange(100, 100 + count)
    batches = shuffled_batches(indices, batch_size, np.random.default_rng(seed))
    [size] = {len(batch) for batch in batches}
    drawn = np.concatenate(batches)
    assert size <= batch_size and len(batches) == -(-count // batch_size)
    assert len(set(drawn)) == len(drawn) and set(drawn) <= set(indices)
    assert count - len(drawn) < len(batches)


@given(count=st.integers(1, 400), batch_size=st.integers(1, 128))
def test_scoring_sees_every_image_once(count: int, batch_size: int) -> None:
    assert np.concatenate(ordered_batches(count, batch_size)).tolist() == list(range(count))
