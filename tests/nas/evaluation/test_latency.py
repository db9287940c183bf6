"""Latency: a positive median within its spread, and the number of threads put back."""

from __future__ import annotations

import torch
from torch import nn

from nas.evaluation.latency import latency


def test_the_median_lies_within_its_spread_and_threads_are_put_back() -> None:
    torch.set_num_threads(2)
    seen: list[int] = []

    class Watched(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Conv2d(3, 4, 3)

        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            seen.append(torch.get_num_threads())
            return self.layer(inputs)

    measured = latency(Watched(), resolution=8, input_channels=3)
    assert 0.0 < measured.low_ms <= measured.median_ms <= measured.high_ms
    assert 30 <= measured.num_runs <= 1_000 and len(seen) == measured.num_runs + 10
    assert set(seen) == {1} and torch.get_num_threads() == 2
