"""What a candidate needs of a machine: seconds of a step by number of threads, and memory. Measured, on random images.

A step is the real one: augmentation, forward and backward pass, optimiser, and once the scoring of a batch.
"""

from __future__ import annotations

import math
import resource
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from nas.evaluation.feeding import ResidentFeed
from nas.evaluation.scores import BATCH_SIZE, InputScale, score
from nas.evaluation.training import Training
from nas.settings import Recipe
from search_space.architecture import Architecture
from search_space.build import build

_NUM_TIMED = 5  # steps on each number of threads, of which the fastest counts: others share the machine


@dataclass(frozen=True, slots=True)
class Candidates:
    """What is to be probed.

    Args:
        architectures: canonical JSON, one of each size class.
        shares: of each class among all candidates; their sum is 1.
        recipe: of the trainings.
        data_bytes: of images, which each training keeps in memory; not probed.
        threads: numbers to try where there is no GPU.
    """

    architectures: tuple[str, ...]
    shares: tuple[float, ...]
    recipe: Recipe
    data_bytes: int = 0
    threads: tuple[int, ...] = (1,)


@dataclass(frozen=True, slots=True)
class Needs:
    """What was found.

    Args:
        step_s: mean seconds of a step over all candidates, by number of threads.
        peak_bytes: greatest memory: of the GPU where there is one, else of the process.
        device_bytes: memory of the GPU; None without one.
    """

    step_s: Mapping[int, float]
    peak_bytes: int
    device_bytes: int | None


def probed(candidates: Candidates) -> Needs:
    """Returns what the candidates need of the device of this process, which is best one of its own.

    Example:
        >>> from search_space import reference
        >>> network = reference("resnet20_cifar10_optA").to_json()
        >>> probed(Candidates((network,), (1.0,), Recipe(batch_size=8), threads=(1,))).peak_bytes > 0
        True
    """
    is_gpu = torch.cuda.is_available()
    device = torch.device("cuda" if is_gpu else "cpu")
    before = torch.get_num_threads()
    threads = candidates.threads[:1] if is_gpu else candidates.threads
    found = [_step_s(text, candidates.recipe, device, threads) for text in candidates.architectures]
    step_s = {
        number: float(np.dot([times[number] for times in found], candidates.shares)) for number in threads
    }
    torch.set_num_threads(before)
    if is_gpu:
        _, total = torch.cuda.mem_get_info()
        return Needs(step_s, torch.cuda.max_memory_reserved(), total)
    return Needs(step_s, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, None)


def _step_s(text: str, recipe: Recipe, device: torch.device, threads: Sequence[int]) -> dict[int, float]:
    """Returns the seconds of a step of one network by number of threads.

    The numbers take turns, so that what else the machine does for a while slows all of them down, and not one.
    """
    architecture = Architecture.from_json(text)
    side, channels = architecture.resolution, architecture.input_channels
    module = build(architecture, input_shape=(channels, side, side), seed=0).to(device)
    rng = np.random.default_rng(0)
    count = max(recipe.batch_size, BATCH_SIZE)
    images = torch.from_numpy(rng.integers(0, 256, (count, channels, side, side), dtype=np.uint8)).to(device)
    labels = torch.from_numpy(rng.integers(0, architecture.num_classes, count)).to(device)
    feed, scale = ResidentFeed(images, labels), InputScale((0.5,) * channels, (0.3,) * channels)
    training = Training(
        module,
        recipe,
        feed=feed,
        indices=np.arange(recipe.batch_size),
        scale=scale,
        num_classes=architecture.num_classes,
        num_epochs=(_NUM_TIMED + 1) * len(threads),
        seed=0,
    )
    step_s = dict.fromkeys(threads, math.inf)
    for turn in range(_NUM_TIMED + 1):
        for number in threads:
            torch.set_num_threads(number)
            begun = time.perf_counter()
            training.run_epoch()  # of one step, whose loss it waits for
            if turn > 0:  # the first chooses algorithms and fills caches
                step_s[number] = min(step_s[number], time.perf_counter() - begun)
    score(training.scored, feed, scale, mixed_precision=training.mixed_precision)
    return step_s
