"""Costs of many points: tables against the scalar path, and sections that were fused."""

from __future__ import annotations

import numpy as np
import pytest

from search_space import Cost, cost
from search_space.spaces import open_space
from search_space.spaces.costs import fused, gather, stacked
from tests.fakes.small_spaces import SmallStaged


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mnasnet", "mobilenetv3"])
@pytest.mark.parametrize(("resolution", "width"), [(224, 1.0), (20, 0.35)])
def test_ten_thousand_random_architectures_cost_the_same_both_ways(
    name: str, resolution: int, width: float
) -> None:
    """Ten thousand of each space: half of them for large images, half of them narrow and for small ones."""
    space = open_space(name, resolution=resolution, num_classes=10, width=width)
    counts = [len(choice.options) for choice in space.choices]
    batch = np.random.default_rng(0).integers(0, counts, size=(5_000, len(counts)))
    costs = space.costs(batch)
    for row, point in enumerate(batch.tolist()):
        assert costs[row] == cost(space.decode(tuple(point)))


def test_fusing_sections_changes_nothing_and_leaves_fewer() -> None:
    space = SmallStaged(resolution=12, num_classes=10)
    points = np.array(list(space.points()))
    apart, together = gather(space.tables, points), gather(fused(space.tables), points)
    assert len(fused(space.tables)) < len(space.tables)
    for quantity in ("macs", "params", "activations", "peak_memory_bytes"):
        assert (getattr(apart, quantity) == getattr(together, quantity)).all()


def test_single_costs_are_stacked_in_order() -> None:
    costs = stacked([Cost(1, 2, 3, 4), Cost(5, 6, 7, 8)])
    assert len(costs) == 2 and costs[1] == Cost(5, 6, 7, 8)
    assert costs.params.tolist() == [2, 6]


def test_a_batch_larger_than_a_chunk_is_put_together_in_order() -> None:
    space = SmallStaged(resolution=12, num_classes=10)
    points = np.array(list(space.points()))
    many = np.tile(points, (4, 1))
    assert (space.costs(many).macs == np.tile(space.costs(points).macs, 4)).all()
