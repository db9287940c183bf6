"""Memory that runs out: what says so, and how a batch is then taken in parts.

A batch in parts has the same images, the same loss and one step of the optimiser: the gradient of a mean is the mean of
the parts' gradients, weighted by their sizes. Where a network normalises by batch statistics, those are of a part
(ghost batch normalisation; Hoffer et al., arXiv:1705.08741), so that such a training is another one than in whole
batches, though as good a sample; dropout and stochastic depth draw other values, as often.
"""

from __future__ import annotations

import gc
import re

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

# Of c10's CPUAllocator, of oneDNN, of CUDA and its libraries, where torch raises a bare RuntimeError.
_MESSAGE = re.compile(
    r"DefaultCPUAllocator: (can't allocate|not enough) memory|could not create a (primitive|memory)"
    r"|out of memory|_STATUS_ALLOC_FAILED"
)


def is_out_of_memory(error: BaseException) -> bool:
    """Returns whether an error says that memory of the machine or of the GPU did not suffice.

    Example:
        >>> is_out_of_memory(MemoryError()), is_out_of_memory(RuntimeError("mat1 and mat2"))
        (True, False)
    """
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and _MESSAGE.search(str(error)) is not None


def release() -> None:
    """Gives back what a failed training held."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


class TooLarge(RuntimeError):
    """What a process of a team raises: it may be tried again in smaller parts, but only by all of them.

    Args:
        micro_batch: images to take at once.
        error: that said so.
    """

    def __init__(self, micro_batch: int, error: BaseException) -> None:
        super().__init__(f"{error}; to be tried again with {micro_batch} images at once")
        self.micro_batch = micro_batch


def num_parts(count: int, largest: int | None) -> int:
    """Returns in how many parts a batch is taken: as few as keep within `largest`.

    Args:
        count: of the images that a process takes of a batch, at least 1.
        largest: of a part's; None takes all at once.

    Example:
        >>> num_parts(7, 3)
        3
    """
    return 1 if largest is None else -(-count // largest)


def parts(count: int, number: int) -> list[slice]:
    """Returns which images are taken together; sizes differ by one at most.

    Example:
        >>> parts(7, 3)
        [slice(0, 2, None), slice(2, 4, None), slice(4, 7, None)]
    """
    return [slice(index * count // number, (index + 1) * count // number) for index in range(number)]


def smaller(size: int, module: nn.Module, *, is_team: bool = False) -> int | None:
    """Returns half of a part's size; None where it cannot be less: one image, or two where a network has batch
    normalisation, which learns nothing from one value, or where several processes have shares that differ by one
    image and must still have as many parts.
    """
    is_normalised = any(isinstance(layer, _BatchNorm) for layer in module.modules())
    least = 2 if is_normalised or is_team else 1
    return max(least, size // 2) if size > least else None


def set_momentum(module: nn.Module, number: int) -> None:
    """Lets the running statistics of a batch in so many parts move as far as those of a whole one."""
    for layer in module.modules():
        if isinstance(layer, _BatchNorm) and layer.momentum is not None:
            layer.momentum = 1.0 - (1.0 - layer.momentum) ** (1.0 / number)
