"""CondenseNets after condensation, as they are used, and as they are trained (Huang et al. 2018, Tables 1 to 4).

`..._learned` are trained (`search_space.condensing`): learned group convolutions, and the whole classifier.
Published counts are higher: the authors' counter adds activations, pools and the classifier's bias.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from search_space.architecture import Architecture, Stage
from search_space.blocks import ClassifierOptions, CondenseOptions, PoolOptions, StemOptions

IMAGENET_LAYERS = (4, 6, 8, 10, 8)
IMAGENET_GROWTH = (8, 16, 32, 64, 128)
CIFAR_LAYERS = {50: 8, 74: 12, 86: 14, 98: 16, 110: 18, 122: 20, 182: 30}  # a stage
CIFAR_GROWTH = (8, 16, 32)
CIFAR_182_GROWTH = (12, 24, 48)  # the paper does not say; only this gives its counts


def imagenet(groups: int, *, condensed_classifier: bool = True, learned: bool = False) -> Architecture:
    """Returns CondenseNet-74; its released models condense the classifier too (half of its features)."""
    stages = _dense(IMAGENET_LAYERS, IMAGENET_GROWTH, CondenseOptions(groups, groups, learned=learned))
    return _between_ends(224, 2 * IMAGENET_GROWTH[0], 2, stages, condensed_classifier, 1000)


def cifar(depth: int, num_classes: int = 10, *, learned: bool = False) -> Architecture:
    """Returns a CondenseNet for CIFAR."""
    growth = CIFAR_182_GROWTH if depth == 182 else CIFAR_GROWTH
    stages = _dense((CIFAR_LAYERS[depth],) * 3, growth, CondenseOptions(learned=learned))
    return _between_ends(32, 2 * growth[0], 1, stages, not learned, num_classes)


def networks() -> Iterator[tuple[str, Callable[[], Architecture]]]:
    """Yields names and what makes their networks."""
    for groups in (4, 8):
        yield f"condensenet74_c{groups}g{groups}", partial(imagenet, groups)
    yield "condensenet74_c4g4_fullfc", partial(imagenet, 4, condensed_classifier=False)
    for depth in CIFAR_LAYERS:
        yield f"condensenet{depth}_cifar10", partial(cifar, depth)
    for depth in (86, 182):
        yield f"condensenet{depth}_cifar100", partial(cifar, depth, 100)
    for groups in (4, 8):
        yield (
            f"condensenet74_c{groups}g{groups}_learned",
            partial(imagenet, groups, condensed_classifier=False, learned=True),
        )
    for depth in (86, 182):
        yield f"condensenet{depth}_cifar10_learned", partial(cifar, depth, learned=True)


def _dense(layers: tuple[int, ...], growths: tuple[int, ...], options: CondenseOptions) -> tuple[Stage, ...]:
    stages: list[Stage] = []
    for repeats, growth in zip(layers, growths, strict=True):
        stages += [Stage("pool", 1, 0, 2, PoolOptions(2, "average"))] if stages else []
        stages += [Stage("condense", repeats, growth, options=options)]
    return tuple(stages)


def _between_ends(
    resolution: int, stem: int, stride: int, stages: tuple[Stage, ...], condensed: bool, num_classes: int
) -> Architecture:
    start = Stage("stem", 1, stem, stride, StemOptions(norm=False))
    head = Stage("classifier", 1, 0, options=ClassifierOptions(entry="norm", condensed=condensed))
    return Architecture(resolution, start, stages, head, num_classes=num_classes)
