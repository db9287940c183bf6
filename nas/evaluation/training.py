"""One network's training, epoch by epoch, interruptible after each and exact when taken up again."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from nas.evaluation.augmentation import augmentation
from nas.evaluation.feeding import Feed, Indices, shuffled_batches
from nas.evaluation.memory import num_parts, parts, set_momentum, smaller
from nas.evaluation.optimisation import (
    load_module,
    load_optimizer,
    make_optimizer,
    module_bytes,
    optimizer_files,
    rate_factor,
    update_average,
)
from nas.evaluation.randomness import seeded
from nas.evaluation.scores import InputScale
from nas.evaluation.team import ALONE, Team
from nas.settings import Recipe
from runs import FailureClass
from search_space.condensing import condense, group_lasso, learned_convolutions

_CHECK_STEPS = 25  # steps between looks at the loss; each look waits for the GPU
_EXPLODED = 10.0  # times the loss of guessing, ln(classes), beyond which a training is given up


class Diverged(ArithmeticError):
    """Training whose loss is not finite or far beyond that of guessing; tried again it would do the same."""

    failure_class: ClassVar[FailureClass] = FailureClass.DIVERGED


class Training:
    """A module with its optimiser and average. Epoch k is a function of (seed, k) and the state before it.

    Args:
        module: on its device, in channels_last where it has images; trained in place.
        recipe: how.
        feed: training images on the same device.
        indices: which of them are used, ascending.
        scale: input scale.
        num_classes: of the labels.
        num_epochs: of the whole training, which the learning rate is spread over.
        seed: of order, augmentation, dropout and stochastic depth.
        team: the processes that train it together; each is given the same, and has the same state after each epoch.
        micro_batch: images that are taken together where a whole batch is too much for the memory: gradients and steps
            are those of the batch, its statistics are not (see `nas.evaluation.memory`); None takes all.
    """

    def __init__(
        self,
        module: nn.Module,
        recipe: Recipe,
        *,
        feed: Feed,
        indices: Indices,
        scale: InputScale,
        num_classes: int,
        num_epochs: int,
        seed: int,
        team: Team = ALONE,
        micro_batch: int | None = None,
    ) -> None:
        self.epoch = 0  # finished epochs
        self._average = copy.deepcopy(module).requires_grad_(False) if recipe.ema_decay > 0.0 else None
        self._module = module = team.synchronised(module)
        self._joined, self._team = team.joined(module), team
        self._optimizer = make_optimizer(module, recipe)
        self._learned = learned_convolutions(module)
        self._recipe = recipe
        self._feed = feed
        self._indices = indices
        self._scale = scale
        self._limit = _EXPLODED * math.log(num_classes)
        self._steps_per_epoch = -(-len(indices) // recipe.batch_size)
        self._num_steps = num_epochs * self._steps_per_epoch
        self._batch_size = len(indices) // self._steps_per_epoch  # as `shuffled_batches` makes them
        self._largest_share = -(-self._batch_size // team.size)  # of a batch, of a process's
        self._num_parts = num_parts(self._largest_share, micro_batch)  # the same in each process
        self.micro_batch = micro_batch
        if self._num_parts > 1:
            set_momentum(module, self._num_parts)
        self._seed = seed
        self._augmented = augmentation(recipe.augmentation, recipe.magnitude)
        self._device = next(module.parameters()).device
        self._mixed = recipe.mixed_precision and self._device.type == "cuda"

    @property
    def scored(self) -> nn.Module:
        """The module whose accuracy counts: the moving average where the recipe has one."""
        return self._module if self._average is None else self._average

    @property
    def device(self) -> torch.device:
        return self._device

    @property
    def mixed_precision(self) -> bool:
        return self._mixed

    @property
    def smaller_micro_batch(self) -> int | None:
        """How many images to take together when the present number was too much; None where there is no less."""
        size = min(self.micro_batch or self._largest_share, self._largest_share)
        return smaller(size, self._module, is_team=self._team.size > 1)

    def run_epoch(self) -> float:
        """Trains one epoch and returns its mean training loss.

        Raises:
            Diverged: the loss is not finite, or more than ten times that of guessing.
        """
        self._module.train()
        losses: list[Tensor] = []
        step = self.epoch * self._steps_per_epoch
        with seeded(self._device, self._seed, self.epoch + 1):
            rng = np.random.default_rng((self._seed, self.epoch + 1))
            for batch in self._feed.batches(shuffled_batches(self._indices, self._recipe.batch_size, rng)):
                losses.append(self._step(step, *batch))
                step += 1
                if len(losses) % _CHECK_STEPS == 0:
                    self._check(losses[-_CHECK_STEPS:])
        self._check(losses[-_CHECK_STEPS:])
        self.epoch += 1
        return float(self._team.mean(torch.stack(losses).mean()))

    def files(self) -> dict[str, bytes]:
        """Returns the whole state after the last finished epoch, as safetensors and JSON."""
        files = {"model.safetensors": module_bytes(self._module), **optimizer_files(self._optimizer)}
        if self._average is not None:
            files["average.safetensors"] = module_bytes(self._average)
        facts = {"epoch": self.epoch, "micro_batch": self.micro_batch}
        return {**files, "training.json": json.dumps(facts).encode()}

    def restore(self, files: Mapping[str, bytes]) -> None:
        """Goes back to the state that `files` gave, bit for bit on a CPU."""
        load_module(self._module, files["model.safetensors"])
        load_optimizer(self._optimizer, files)
        if self._average is not None:
            load_module(self._average, files["average.safetensors"])
        self.epoch = int(json.loads(files["training.json"])["epoch"])

    def _step(self, step: int, images: Tensor, labels: Tensor) -> Tensor:
        """Takes one step of the optimiser and returns the batch's loss, still on the device."""
        recipe = self._recipe
        condense(self._learned, step, self._num_steps)
        factor = rate_factor(step, self._num_steps, recipe.warmup_epochs * self._steps_per_epoch)
        for group in self._optimizer.param_groups:
            group["lr"] = recipe.learning_rate * factor
        images = self._augmented(images)
        own, weight = self._team.share(len(images)), self._team.weight(len(images))
        with self._team.drawing(self._device, self._seed, self.epoch + 1, step):
            loss = self._backward(self._scale.apply(images[own]), labels[own], weight)
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        if self._average is not None:
            update_average(self._average, self._module, recipe.ema_decay, step)
        return loss

    def _backward(self, inputs: Tensor, labels: Tensor, weight: float) -> Tensor:
        """Adds the gradients of this process's share and returns its loss, times its weight in the batch's."""
        strength = self._recipe.group_lasso if self._learned else 0.0
        losses = []
        for part in parts(len(labels), self._num_parts):
            with self._team.summing(self._joined, is_last=part.stop == len(labels)):
                with torch.autocast(self._device.type, torch.bfloat16, enabled=self._mixed):
                    outputs = self._joined(inputs[part])
                loss = nn.functional.cross_entropy(
                    outputs.float(), labels[part], label_smoothing=self._recipe.label_smoothing
                ) * (weight * (part.stop - part.start) / len(labels))
                losses.append(loss.detach())
                if strength and part.start == 0:  # it is of the weights, so once a step
                    loss = loss + strength * group_lasso(self._learned)
                torch.autograd.backward(loss)
        return torch.stack(losses).sum()

    def _check(self, losses: list[Tensor]) -> None:
        mean = float(self._team.mean(torch.stack(losses).mean()))
        if not mean <= self._limit:  # also when it is not a number
            raise Diverged(
                f"training loss must stay below {self._limit:.1f}, ten times that of guessing,"
                f" but is {mean:.3g} in epoch {self.epoch + 1};"
                " lower recipe.learning_rate or raise recipe.warmup_epochs"
            )
