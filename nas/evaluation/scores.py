"""How good a trained network is: accuracy with its interval, and loss."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nas.evaluation.feeding import Feed, ordered_batches
from nas.evaluation.team import ALONE, Team

BATCH_SIZE = 512
_Z95 = 1.959963984540054  # 97.5 % quantile of the normal distribution


@dataclass(frozen=True, slots=True)
class Score:
    """Accuracy in [0, 1] with its 95 % Wilson interval, and the mean cross-entropy in nats."""

    accuracy: float
    low: float
    high: float
    loss: float
    num_examples: int


@dataclass(frozen=True, slots=True)
class InputScale:
    """What maps uint8 levels to a network's input: (level / 255 - mean) / std, for each channel."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def apply(self, images: Tensor) -> Tensor:
        """Returns float32 images of mean 0 and deviation 1 over the training set, in channels_last."""
        deviation = torch.tensor([max(std, 1e-3) for std in self.std], device=images.device)[:, None, None]
        mean = torch.tensor(self.mean, device=images.device)[:, None, None]
        levels = images.to(torch.float32, memory_format=torch.channels_last)
        return levels.mul_(1.0 / (255.0 * deviation)).sub_(mean / deviation)


def wilson_interval(num_correct: int, num_examples: int, z: float = _Z95) -> tuple[float, float]:
    """Returns the score interval of a proportion, in [0, 1].

    Source: E. B. Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", J. Am. Stat.
    Assoc. 22 (1927); without continuity correction.

    Args:
        num_correct: 0 to `num_examples`.
        num_examples: at least 1.
        z: normal quantile of half the confidence; the default gives 95 %.

    Example:
        >>> [round(bound, 3) for bound in wilson_interval(90, 100)]
        [0.826, 0.945]
    """
    share = num_correct / num_examples
    shrink = 1.0 + z * z / num_examples
    centre = (share + z * z / (2.0 * num_examples)) / shrink
    spread = z / shrink * math.sqrt(share * (1.0 - share) / num_examples + (z / (2.0 * num_examples)) ** 2)
    return max(0.0, centre - spread), min(1.0, centre + spread)


def score(
    module: nn.Module,
    feed: Feed,
    scale: InputScale,
    *,
    mixed_precision: bool = False,
    team: Team = ALONE,
    batch_size: int = BATCH_SIZE,
) -> Score:
    """Returns the module's score over every image of a feed; the module is left in evaluation mode.

    Args:
        module: on the feed's device; maps images to class scores.
        feed: the images.
        scale: the input scale that it was trained with.
        mixed_precision: bf16 autocast, as in training on a GPU.
        batch_size: images at once; it changes the rounding of sums and nothing else.
        team: processes that share the images out; all of them call, and all get the score of all images.
    """
    module.eval()
    found = torch.zeros(2, dtype=torch.float64, device=next(module.parameters()).device)
    order = ordered_batches(len(feed), batch_size)[team.rank :: team.size]
    with torch.inference_mode():
        for images, labels in feed.batches(order):
            with torch.autocast(images.device.type, torch.bfloat16, enabled=mixed_precision):
                outputs = module(scale.apply(images))
            losses = nn.functional.cross_entropy(outputs.float(), labels, reduction="sum")
            found += torch.stack([(outputs.argmax(1) == labels).sum().double(), losses.double()])
        num_correct, total_loss = team.total(found).tolist()
    correct, count = int(num_correct), len(feed)
    low, high = wilson_interval(correct, count)
    return Score(correct / count, low, high, total_loss / count, count)
