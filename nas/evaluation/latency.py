"""How long one forward pass takes on this machine: the measured cost that a search may use instead of MACs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from search_space import Architecture
from search_space.build import build

_NUM_WARMUP = 10
_MIN_RUNS, _MAX_RUNS = 30, 1_000
_SECONDS = 1.0  # of measuring each, within the bounds on runs

Clock = Callable[[], float]  # seconds
Pass = Callable[[], object]  # one forward pass, ended when it returns


class LatencyError(ValueError):
    """A latency cannot be measured or looked up: rule, value and remedy."""


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
    run = forward_pass(module, (batch_size, input_channels, resolution, resolution))
    with one_thread():
        return latencies({"": run})[""]


def median_ms(network: Architecture, *, device: str) -> float:
    """Returns the milliseconds of one image through a network with fresh weights, as `latency` takes them.

    Args:
        network: which.
        device: cpu or cuda.

    Raises:
        LatencyError: there is no GPU.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise LatencyError(
            "cuda needs a GPU that torch can use, got none; time on the cpu, or where there is one"
        )
    module = build(network).to(torch.device(device))
    lay_out_by_channels(module)
    return latency(module, resolution=network.resolution, input_channels=network.input_channels).median_ms


def latencies(
    passes: Mapping[str, Pass], *, seconds: float = _SECONDS, clock: Clock = time.perf_counter
) -> dict[str, Latency]:
    """Returns the times of several passes, taken in turns, so that other work on the machine meets all alike.

    Args:
        passes: by name, at least one.
        seconds: of measuring each, within the bounds on runs.
        clock: that times a pass.
    """
    with torch.inference_mode():
        for run in passes.values():
            for _ in range(_NUM_WARMUP):
                timed_ms(run, clock)
        times: dict[str, list[float]] = {name: [] for name in passes}
        while any(_wants_more(taken, seconds) for taken in times.values()):
            for name, run in passes.items():
                if _wants_more(times[name], seconds):
                    times[name].append(timed_ms(run, clock))
    return {name: _summary(taken) for name, taken in times.items()}


def forward_pass(module: nn.Module, shape: tuple[int, int, int, int]) -> Pass:
    """Returns a pass of zeros through a module on its device; a GPU's is over when the GPU is done.

    Args:
        module: left in evaluation mode.
        shape: (images, channels, height, width).
    """
    device = next(module.parameters()).device
    inputs = torch.zeros(shape, device=device).contiguous(memory_format=torch.channels_last)
    module.eval()
    if device.type != "cuda":
        return lambda: module(inputs)

    def run() -> None:
        module(inputs)
        torch.cuda.synchronize(device)

    return run


def lay_out_by_channels(module: nn.Module) -> None:
    """Lays a module's filters out with channels last, as maps are when it is timed."""
    for parameter in module.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)


@contextmanager
def one_thread() -> Iterator[None]:
    """Lets torch use one thread of the CPU inside the block."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _wants_more(times: list[float], seconds: float) -> bool:
    return len(times) < _MIN_RUNS or (len(times) < _MAX_RUNS and sum(times) < seconds * 1e3)


def _summary(times: list[float]) -> Latency:
    low, median, high = np.quantile(times, (0.1, 0.5, 0.9))
    return Latency(float(median), float(low), float(high), len(times))


def timed_ms(run: Pass, clock: Clock) -> float:
    """Returns the milliseconds of one pass."""
    start = clock()
    run()
    return (clock() - start) * 1e3
