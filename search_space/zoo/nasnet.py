"""NASNet-A for ImageNet, mobile and large, and for CIFAR (Zoph et al. 2018; the authors' release).

N @ P: N normal cells a stage, P channels at the end. Ports that emulate TensorFlow's padding by cropping
compute one more row and column and count up to 0.8 % more MACs; these pad SAME.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from search_space.architecture import Architecture, Stage
from search_space.blocks import CellStemOptions, ClassifierOptions, ReductionCellOptions
from search_space.graph import Conventions

CONVENTIONS = Conventions("same", 1e-3)
HEAD = Stage("classifier", 1, 0, options=ClassifierOptions(entry="activation"))


def imagenet(cells: int, last: int, stem: int, resolution: int, *, large: bool) -> Architecture:
    """Returns NASNet-A for ImageNet: two reduction cells in its stem, then three stages of normal cells."""
    filters = last // 24
    stem_cells = tuple(Stage("reduction_cell", 1, filters // share, 2) for share in (4, 2))
    stages = (*stem_cells, *_stages(cells, filters, ReductionCellOptions(passes_previous=large)))
    return Architecture(resolution, Stage("cell_stem", 1, stem, 2), stages, HEAD, conventions=CONVENTIONS)


def cifar(cells: int, last: int) -> Architecture:
    """Returns NASNet-A for CIFAR: a padded stem of three times the filters, and no cells in it."""
    filters = last // 24
    stem = Stage("cell_stem", 1, 3 * filters, options=CellStemOptions(padding=1))
    stages = tuple(_stages(cells, filters, ReductionCellOptions()))
    return Architecture(32, stem, stages, HEAD, num_classes=10, conventions=CONVENTIONS)


def networks() -> Iterator[tuple[str, Callable[[], Architecture]]]:
    """Yields names and what makes their networks."""
    for name in ("nasnet_a_mobile_4_1056", "nasnet_a_mobile_4_1056_same"):
        yield name, partial(imagenet, 4, 1056, 32, 224, large=False)
    for name in ("nasnet_a_large_6_4032", "nasnet_a_large_6_4032_cadene"):
        yield name, partial(imagenet, 6, 4032, 96, 331, large=True)
    for cells, last in ((6, 768), (7, 2304)):
        yield f"nasnet_a_cifar_{cells}_{last}", partial(cifar, cells, last)


def _stages(cells: int, filters: int, reduction: ReductionCellOptions) -> Iterator[Stage]:
    for index in range(3):
        width = filters * 2**index
        if index:
            yield Stage("reduction_cell", 1, width, 2, reduction)
        yield Stage("normal_cell", cells, width)
