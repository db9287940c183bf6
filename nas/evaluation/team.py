"""The processes that train one network together: each takes its share of every batch, all keep the same weights.

Every process draws the whole batch and its augmentation from the same seed, and trains on its own slice of it; the
statistics of batch normalisation are those of the whole batch, and gradients are averaged (`DistributedDataParallel`).
So a training is the same for any number of processes, up to the rounding of sums. What differs is dropout and
stochastic depth: each process draws its own, so that other values are dropped, as often.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from nas.evaluation.examples import DataError
from nas.evaluation.randomness import seeded


@dataclass(frozen=True, slots=True)
class Team:
    """This process's place among those that train one network.

    Args:
        rank: 0 to `size` - 1; rank 0 alone writes checkpoints and weights.
        size: number of processes; 1 is a process of its own, for which nothing here does anything.
    """

    rank: int = 0
    size: int = 1

    @property
    def writes(self) -> bool:
        """Whether this process keeps what the team has made."""
        return self.rank == 0

    def share(self, count: int) -> slice:
        """Returns which of a batch's `count` images are this process's; shares differ by one image at most.

        Raises:
            DataError: there are fewer images than processes.

        Example:
            >>> [Team(rank, 3).share(8) for rank in range(3)]
            [slice(0, 2, None), slice(2, 5, None), slice(5, 8, None)]
        """
        if count < self.size:
            raise DataError(
                f"a batch must have an image for each of the {self.size} processes that train together, got {count};"
                " raise recipe.batch_size or take fewer processes"
            )
        return slice(self.rank * count // self.size, (self.rank + 1) * count // self.size)

    def weight(self, count: int) -> float:
        """Returns what the mean loss of this process's share counts in the mean over processes."""
        own = range(count)[self.share(count)]
        return len(own) * self.size / count

    def synchronised(self, module: nn.Module) -> nn.Module:
        """Returns the module with batch statistics of all processes; its weights and their names stay."""
        if self.size == 1:
            return module
        if next(module.parameters()).is_cuda:
            untyped: Any = nn.SyncBatchNorm
            converted: nn.Module = untyped.convert_sync_batchnorm(module)
            return converted
        for name, layer in list(module.named_modules()):
            if isinstance(layer, nn.BatchNorm2d):
                module.set_submodule(name, _TeamBatchNorm.like(layer))
        return module

    def joined(self, module: nn.Module) -> nn.Module:
        """Returns the module as it is called in training, such that gradients are averaged over processes."""
        if self.size == 1:
            return module
        return DistributedDataParallel(module, forward_sync_buffers=False)

    def summing(self, joined: nn.Module, *, is_last: bool) -> AbstractContextManager[None]:
        """Lets gradients add up here while a batch is taken in parts; with its last part they are averaged.

        Args:
            joined: what `joined` has returned.
            is_last: whether this part is the batch's last.
        """
        untyped: Any = joined
        return nullcontext() if self.size == 1 or is_last else untyped.no_sync()

    @contextmanager
    def drawing(self, device: torch.device, *numbers: int) -> Iterator[None]:
        """Lets dropout draw for this process alone, and leaves the stream that all share where it was."""
        if self.size == 1:
            yield
            return
        with seeded(device, *numbers, self.rank):
            yield

    def mean(self, values: Tensor) -> Tensor:
        """Returns the mean over processes."""
        return values if self.size == 1 else self.total(values) / self.size

    def total(self, values: Tensor) -> Tensor:
        """Returns the sum over processes."""
        if self.size > 1:
            values = values.clone()
            distributed.all_reduce(values)
        return values

    def check_agreed(self, epoch: int, device: torch.device) -> None:
        """Raises DataError where the processes do not stand at the same epoch, as when they read other checkpoints."""
        if self.size == 1:
            return
        found = [torch.zeros(1, device=device) for _ in range(self.size)]
        distributed.all_gather(found, torch.tensor([float(epoch)], device=device))
        epochs = sorted({int(one) for one in found})
        if len(epochs) > 1:
            raise DataError(
                f"processes that train together must read the same checkpoint, got epochs {epochs};"
                " keep artifacts where all nodes reach them"
            )


ALONE = Team()


def team() -> Team:
    """Returns the team that torch's default process group makes; without one, this process alone."""
    if not (distributed.is_available() and distributed.is_initialized()):
        return ALONE
    return Team(distributed.get_rank(), distributed.get_world_size())


class _Total(torch.autograd.Function):
    """The sum over processes; its gradient is the sum of theirs."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        values = values.clone()
        distributed.all_reduce(values)
        return values

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        gradient = gradients[0].clone()
        distributed.all_reduce(gradient)
        return gradient


def _total(values: Tensor) -> Tensor:
    untyped: Any = _Total
    total: Tensor = untyped.apply(values)
    return total


class _TeamBatchNorm(nn.BatchNorm2d):
    """Batch normalisation over the images of all processes, on a CPU, where `nn.SyncBatchNorm` does not run.

    Mean before variance, in two sums: the difference of two large sums would lose digits.
    """

    @classmethod
    def like(cls, layer: nn.BatchNorm2d) -> _TeamBatchNorm:
        """Returns one with another layer's very parameters, statistics and settings."""
        made = cls.__new__(cls)
        made.__dict__.update(layer.__dict__)
        return made

    def forward(self, images: Tensor) -> Tensor:
        if not self.training:
            return super().forward(images)
        axes, shape = (0, 2, 3), (1, -1, 1, 1)
        own = images.new_tensor([images.numel() / images.shape[1]])
        first = _total(torch.cat([images.sum(axes), own]))
        count = first[-1].detach()
        mean = first[:-1] / count
        centred = images - mean.view(shape)
        variance = _total(centred.square().sum(axes)) / count
        self._note(mean.detach(), variance.detach() * count / (count - 1))
        scale = torch.rsqrt(variance + self.eps)
        normal = centred * scale.view(shape)
        return normal * self.weight.view(shape) + self.bias.view(shape) if self.affine else normal

    @torch.no_grad()
    def _note(self, mean: Tensor, variance: Tensor) -> None:
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked += 1
        share = 1.0 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, share)
        self.running_var.lerp_(variance, share)
