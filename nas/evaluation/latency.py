"""How long one image takes on this machine: the measured cost that a search may use instead of MACs."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

_NUM_WARMUP = 10
_MIN_RUNS, _MAX_RUNS = 30, 1_000
_SECONDS = 1.0  # of measuring, within the bounds on runs


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds of one forward pass: the median, and the 10 % and 90 % quantiles as its spread."""

    median_ms: float
    low_ms: float
    high_ms: float
    num_runs: int


def latency(module: nn.Module, *, resolution: int, input_channels: int, batch_size: int = 1) -> Latency:
    """Returns the time of a forward pass on the module's device, on one thread of a CPU, after warm-up.

    Args:
        module: in its layout; left in evaluation mode.
        resolution: side of the input in pixels.
        input_channels: of the input.
        batch_size: images in a pass.
    """
    device = next(module.parameters()).device
    inputs = torch.zeros(batch_size, input_channels, resolution, resolution, device=device)
    inputs = inputs.contiguous(memory_format=torch.channels_last)
    module.eval()
    num_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.inference_mode():
            for _ in range(_NUM_WARMUP):
                _timed_ms(module, inputs)
            times = _times_ms(module, inputs)
    finally:
        torch.set_num_threads(num_threads)
    low, median, high = np.quantile(times, (0.1, 0.5, 0.9))
    return Latency(float(median), float(low), float(high), len(times))


def _times_ms(module: nn.Module, inputs: torch.Tensor) -> list[float]:
    times: list[float] = []
    while len(times) < _MIN_RUNS or (len(times) < _MAX_RUNS and sum(times) < _SECONDS * 1e3):
        times.append(_timed_ms(module, inputs))
    return times


def _timed_ms(module: nn.Module, inputs: torch.Tensor) -> float:
    start = time.perf_counter()
    module(inputs)
    if inputs.device.type == "cuda":
        torch.cuda.synchronize(inputs.device)
    return (time.perf_counter() - start) * 1e3
