"""Random draws in torch that depend on named numbers alone, and leave everybody else's untouched.

Dropout, stochastic depth and kornia draw from torch's default generator, so it is set for the length of a
`with` block and put back after it: a task trains the same whatever ran before it in the process, and an epoch
the same whether training was interrupted before it or not.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


@contextmanager
def seeded(device: torch.device, *numbers: int) -> Iterator[None]:
    """Sets torch's generators from `numbers` (training seed, epoch) and restores them at the end.

    Example:
        >>> with seeded(torch.device("cpu"), 7, 1):
        ...     first = torch.rand(1)
        >>> with seeded(torch.device("cpu"), 7, 1):
        ...     assert torch.rand(1) == first
    """
    [state] = np.random.SeedSequence(numbers).generate_state(1, np.uint64)
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(int(state))
        yield
