"""Reference networks made small enough to compute with: the same blocks, narrower, for smaller images.

What is changed, and nothing else: classes (10) and image channels (1), as the digits have; the input's side, the
smallest of a few that is legal; the width, by `scale`, halved up to three times until few multiply-adds and
parameters are left; with it, hidden layers of a head that `scale` leaves alone (AlexNet's and VGG's 4096); and, where
`max_blocks` asks for it, the repeats of networks with more blocks, by `scale`. For a whole epoch the images are smaller
and the blocks about five; NASNet, whose cells have some forty operators each, keeps one normal and one reduction cell.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from search_space import Architecture, ArchitectureError, cost, lower, reference, scale
from search_space.blocks import ClassifierOptions

CIFAR_SIDES, SIDES = (16,), (32, 64, 96)
EPOCH_SIDES, EPOCH_BLOCKS = (16, 24, 32, 48, 64, 96), 5
DIGIT_SIDE = 8
MAX_OPERATORS = 150  # of which a step takes some 20 ms, however narrow they are
WIDTHS = (1.0, 0.5, 0.25, 0.125)
MAX_PARAMS, MAX_MACS = 1_000_000, 4_000_000


def shrunken(name: str, *, max_blocks: int | None = None) -> Architecture:
    """Returns the first of the ever narrower networks that is small enough, else the narrowest.

    Args:
        name: of a reference network.
        max_blocks: blocks that may be left, about; None leaves the depth alone.
    """
    network = small_images(_for_digits(name))
    return _narrow(network if max_blocks is None else less_deep(network, max_blocks))


def for_an_epoch(name: str) -> Architecture:
    """Returns a network of about five of the same blocks, for still smaller images."""
    return _narrow(less_deep(small_images(_for_digits(name), EPOCH_SIDES), EPOCH_BLOCKS))


def first_stages(network: Architecture) -> Architecture:
    """Returns a network of very many operators with one block a stage, up to the first stage of the last kind.

    For images of the digits' own side, since its large depthwise kernels take longest.
    """
    if len(lower(network).nodes) <= MAX_OPERATORS:
        return network
    kinds = [stage.block for stage in network.stages]
    last = max(kinds.index(kind) for kind in kinds)
    stages = [replace(stage, repeats=1) for stage in network.stages[: last + 1]]
    return replace(network, stages=tuple(stages), resolution=DIGIT_SIDE)


def _for_digits(name: str) -> Architecture:
    return replace(reference(name), num_classes=10, input_channels=1)


def _narrow(network: Architecture) -> Architecture:
    """Returns the first of the ever narrower networks that is small enough, else the narrowest."""
    narrower = list(_narrower(network))
    small = (each for each in narrower if _is_small(each))
    return next(small, narrower[-1])


def less_deep(network: Architecture, max_blocks: int) -> Architecture:
    """Returns a network with about so many blocks, at least one a stage; as it is where it has hardly more."""
    blocks = sum(stage.repeats for stage in network.stages)
    return scale(network, depth=max_blocks / blocks) if blocks > 1.5 * max_blocks else network


def small_images(network: Architecture, sides: Sequence[int] = ()) -> Architecture:
    """Returns a network for images of the smallest of a few sides that is legal."""
    sides = sides or (CIFAR_SIDES if network.resolution == 32 else SIDES)
    for side in sides:
        try:
            cost(network.at(resolution=side))
        except ArchitectureError:
            continue
        return network.at(resolution=side)
    raise AssertionError(f"no side is legal, of {sides}")


def _narrower(network: Architecture) -> Iterator[Architecture]:
    """Yields the network at ever smaller widths, where its groups still divide them."""
    options = network.head.options
    if isinstance(options, ClassifierOptions) and options.hidden:
        head = replace(network.head, options=replace(options, hidden_width="scaled"))
        network = replace(network, head=head)
    for width in WIDTHS:
        narrow = scale(network, width=width)
        try:
            cost(narrow)
        except ArchitectureError:
            continue
        yield narrow


def _is_small(network: Architecture) -> bool:
    total = cost(network)
    return total.params <= MAX_PARAMS and total.macs <= MAX_MACS
