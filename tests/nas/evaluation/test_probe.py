"""What a probe finds of real networks: time that grows with their size, memory, and nothing left behind."""

from __future__ import annotations

import dataclasses
import math

import torch

from nas.evaluation.probe import Candidates, probed
from nas.settings import Recipe
from search_space.architecture import Architecture


def test_a_probe_finds_time_for_each_number_of_threads_and_memory(tiny: Architecture) -> None:
    before = torch.get_num_threads()
    large = dataclasses.replace(tiny, resolution=32)
    needs = probed(
        Candidates((tiny.to_json(), large.to_json()), (0.5, 0.5), Recipe(batch_size=16), threads=(1, 2))
    )
    assert set(needs.step_s) == {1, 2} and all(seconds > 0.0 for seconds in needs.step_s.values())
    assert all(math.isfinite(seconds) for seconds in needs.step_s.values())
    assert needs.peak_bytes > 50 * 10**6, "torch alone takes more"
    assert torch.get_num_threads() == before
