"""How many trainings share a machine: from what one needs to workers, threads and shares of a GPU."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

_MEMORY_SHARE = 0.9  # that is given out; the rest is for what was not measured
CONTEXT_BYTES = 2**30  # that each process takes of a GPU beside its tensors: reserved, not measured
_MOST = 64  # trainings on one GPU: Ray counts shares in steps of 1e-4
_NEAR = 0.97  # of the best throughput: so near, fewer threads are better, which others' work slows down less


@dataclass(frozen=True, slots=True)
class Packing:
    """The choice.

    Args:
        num_threads: of each worker.
        num_workers: on a machine without a GPU, or on each GPU.
        gpu_share: of each worker; 0 without GPUs.
        why: in words.
    """

    num_threads: int
    num_workers: int
    gpu_share: float
    why: str


def on_cores(step_s: Mapping[int, float], peak_bytes: int, *, cores: int, memory_bytes: int) -> Packing:
    """Returns the threads with which the cores take most steps a second, as far as memory goes.

    Args:
        step_s: seconds of a step by number of threads.
        peak_bytes: of main memory, of one training.
        cores: of the machine, at least the fewest threads.
        memory_bytes: that is free.

    Example:
        >>> on_cores({1: 1.0, 2: 0.7}, 10**9, cores=2, memory_bytes=10**10).num_threads
        1
    """
    fitting = max(1, int(_MEMORY_SHARE * memory_bytes / peak_bytes))
    workers = {threads: min(cores // threads, fitting) for threads in step_s if threads <= cores}
    pace = {threads: number / step_s[threads] for threads, number in workers.items()}
    best = max(pace.values())
    threads = min(one for one, steps in pace.items() if steps >= _NEAR * best)
    times = (f"{1e3 * step_s[number]:.3g} ms on {number}" for number in sorted(pace))
    steps = f"a step takes {', '.join(times)} thread{'' if max(pace) == 1 else 's'}"
    limit = (
        f"; memory has room for {fitting} of {peak_bytes / 1e9:.2g} GB" if fitting < cores // threads else ""
    )
    return Packing(threads, workers[threads], 0.0, f"packed by a probe: {steps}{limit}")


def on_gpu(peak_bytes: int, *, data_bytes: int, device_bytes: int, cores: int) -> Packing:
    """Returns how many trainings share a GPU: as many as its memory holds, and a core for each to launch from.

    Args:
        peak_bytes: of GPU memory, of one training.
        data_bytes: of images that each keeps there.
        device_bytes: of the GPU.
        cores: that there are for each GPU, at least 1.

    Example:
        >>> on_gpu(10**9, data_bytes=0, device_bytes=16 * 10**9, cores=4).gpu_share
        0.25
    """
    each = peak_bytes + data_bytes + CONTEXT_BYTES
    fitting = max(1, int(_MEMORY_SHARE * device_bytes / each))
    number = max(1, min(fitting, cores, _MOST))
    why = (
        f"packed by a probe: a training takes {each / 1e9:.2g} of the GPU's {device_bytes / 1e9:.3g} GB,"
        f" and there are {cores} cores for each"
    )
    return Packing(1, number, math.floor(1e4 / number) / 1e4, why)
