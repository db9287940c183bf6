"""Laws of the splits: fixed by the seed, stratified, disjoint, nested."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.evaluation.examples import TEST, TRAIN, UNASSIGNED, VALIDATION, DataError, Examples
from nas.evaluation.splits import assigned_splits, stratified_ranks, training_share
from nas.settings import DataSettings

LABELS = st.lists(st.integers(0, 4), min_size=1, max_size=200).map(lambda x: np.array(x, dtype=np.int64))
SEEDS = st.integers(0, 2**32)


def listed(labels: list[int], splits: list[int] | None = None) -> Examples:
    given_splits = [UNASSIGNED] * len(labels) if splits is None else splits
    classes = tuple("abcdefgh"[: max(labels) + 1])

    def read(index: int) -> np.ndarray:
        return np.full((1, 4, 4), index, dtype=np.uint8)

    array = np.array(labels, dtype=np.int64)
    return Examples(classes, array, np.array(given_splits, dtype=np.int8), "listed", read)


@given(labels=LABELS, seed=SEEDS, threshold=st.floats(0.0, 1.0))
def test_any_threshold_takes_its_share_of_every_class(
    labels: np.ndarray, seed: int, threshold: float
) -> None:
    ranks = stratified_ranks(labels, seed)
    for label in np.unique(labels):
        members = ranks[labels == label]
        assert abs(np.sum(members < threshold) - threshold * len(members)) <= 0.5 + 1e-9


@given(labels=LABELS, seed=SEEDS, shares=st.tuples(st.floats(0.01, 1.0), st.floats(0.01, 1.0)))
def test_a_smaller_share_lies_within_a_larger_one_and_has_every_class(
    labels: np.ndarray, seed: int, shares: tuple[float, float]
) -> None:
    small, large = (training_share(labels, share, seed) for share in sorted(shares))
    assert set(small) <= set(large)
    assert set(labels[small]) == set(labels)
    assert np.array_equal(training_share(labels, 1.0, seed), np.arange(len(labels)))


@given(seed=SEEDS)
def test_splits_have_their_shares_and_follow_the_seed(seed: int) -> None:
    examples = listed([0, 1] * 50)
    splits = assigned_splits(DataSettings(seed=seed), examples)
    assert np.bincount(splits).tolist() == [60, 20, 20]
    assert np.array_equal(splits, assigned_splits(DataSettings(seed=seed), examples))


def test_another_seed_gives_another_split() -> None:
    examples = listed([0, 1] * 50)
    first, second = (assigned_splits(DataSettings(seed=seed), examples) for seed in (0, 1))
    assert not np.array_equal(first, second)


def test_a_cap_takes_the_same_share_of_every_class_and_split() -> None:
    splits = assigned_splits(DataSettings(num_samples=50), listed([0, 1] * 50))
    assert np.bincount(splits + 1).tolist() == [50, 30, 10, 10]


def test_a_split_that_the_source_fixed_stays_and_a_missing_one_is_cut_from_the_training_images() -> None:
    fixed = [TRAIN] * 20 + [TEST] * 10
    splits = assigned_splits(DataSettings(), listed([0, 1] * 15, fixed))
    assert np.all(splits[20:] == TEST)
    assert np.bincount(splits[:20]).tolist() == [16, 4]


def test_all_three_splits_of_a_source_stay_as_they_are() -> None:
    fixed = [TRAIN] * 4 + [VALIDATION] * 2 + [TEST] * 2
    assert assigned_splits(DataSettings(), listed([0, 1] * 4, fixed)).tolist() == fixed


def test_shares_that_leave_nothing_to_train_on_are_refused() -> None:
    with pytest.raises(DataError, match=r"must be below 1, got 0.5 \+ 0.5; make one of them smaller"):
        assigned_splits(DataSettings(validation_share=0.5, test_share=0.5), listed([0, 1] * 50))


def test_a_class_too_small_for_three_splits_is_named() -> None:
    with pytest.raises(DataError, match=r"'b' of digits has 1 in all, none for validation; add images"):
        assigned_splits(DataSettings(), listed([0] * 20 + [1]))


def test_one_class_is_refused() -> None:
    with pytest.raises(DataError, match="two classes or more, but digits has 1"):
        assigned_splits(DataSettings(), listed([0] * 20))
