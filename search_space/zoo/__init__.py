"""The reference networks by name, as data: each is an `Architecture` like any that a search finds.

All pad symmetrically, as PyTorch does, unless their sizes need TensorFlow's SAME (NASNet); the authors'
TensorFlow releases pad SAME throughout, which `replace(network, conventions=Conventions("same", ...))` gives.
Dropout and drop-path rates belong to training: see `search_space.build`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import ClassVar

from search_space.architecture import Architecture
from search_space.schema import nearest
from search_space.zoo import (
    alexnet,
    condensenet,
    dpn,
    efficientnet,
    googlenet,
    mnasnet,
    mobilenet_v1,
    mobilenet_v2,
    mobilenet_v3,
    nasnet,
    preact_resnet,
    resnet,
    shufflenet,
    vgg,
)
from search_space.zoo.publications import PUBLISHED, UNPUBLISHED, Agreement, Published, agreement

FAMILIES: dict[str, Callable[[], Iterator[tuple[str, Callable[[], Architecture]]]]] = {
    "alexnet": alexnet.networks,
    "zfnet": alexnet.zfnets,
    "vgg": vgg.networks,
    "googlenet": googlenet.networks,
    "resnet": resnet.resnets,
    "resnet_cifar": resnet.cifar_resnets,
    "stochastic_depth": resnet.stochastic_depth,
    "preact_resnet": preact_resnet.networks,
    "wide_resnet": preact_resnet.wide_resnets,
    "resnext": resnet.resnexts,
    "senet": resnet.senets,
    "dpn": dpn.networks,
    "condensenet": condensenet.networks,
    "shufflenet_v1": shufflenet.networks,
    "shufflenet_v2": shufflenet.networks_v2,
    "mobilenet_v1": mobilenet_v1.networks,
    "mobilenet_v2": mobilenet_v2.networks,
    "mobilenet_v3": mobilenet_v3.networks,
    "mnasnet": mnasnet.networks,
    "nasnet": nasnet.networks,
    "efficientnet": efficientnet.networks,
    "efficientnet_v2": efficientnet.networks_v2,
}

__all__ = [
    "FAMILIES",
    "Agreement",
    "Published",
    "UnknownNetwork",
    "agreement",
    "family",
    "published",
    "reference",
    "reference_names",
]


class UnknownNetwork(ValueError):
    """No reference network has this name."""

    exit_code: ClassVar[int] = 3  # of a command line: not found


def reference_names() -> tuple[str, ...]:
    """Returns the names of all reference networks, family after family."""
    return tuple(_networks())


def reference(name: str) -> Architecture:
    """Returns the reference network of that name.

    Raises:
        UnknownNetwork: there is none; the message has the nearest names.

    Example:
        >>> reference("efficientnet_b0").resolution
        224
    """
    return _known(name)[1]()


def family(name: str) -> str:
    """Returns the family of a reference network.

    Raises:
        UnknownNetwork: there is no such network.
    """
    return _known(name)[0]


def published(name: str) -> Published:
    """Returns what was published about a reference network, empty where nothing was.

    Networks of which only numbers were published have them too, though `reference` refuses their names.

    Raises:
        UnknownNetwork: there is no such network.

    Example:
        >>> published("mnasnet_a2").top1
        75.6
    """
    if name not in UNPUBLISHED:
        _known(name)
    return PUBLISHED.get(name, Published())


def _known(name: str) -> tuple[str, Callable[[], Architecture]]:
    networks = _networks()
    if name in UNPUBLISHED:
        raise UnknownNetwork(
            f'a reference network must be defined, got "{name}", of which only numbers were published'
            f" ({_numbers(PUBLISHED[name])}): {UNPUBLISHED[name]}; {_remedy(name)}"
        )
    if name not in networks:
        raise UnknownNetwork(f'a reference network must be a known one, got "{name}"; {_remedy(name)}')
    return networks[name]


def _numbers(printed: Published) -> str:
    assert printed.params and printed.macs and printed.top1
    costs = f"{printed.params / 1e6:g} M parameters, {printed.macs / 1e6:g} M MACs"
    return f"{costs}, {printed.top1:g} % top-1; {printed.source}"


def _remedy(name: str) -> str:
    close = nearest(name, _networks())
    return close if close.startswith("did") else "list them with `reference_names()` or `nas zoo list`"


@lru_cache(maxsize=1)
def _networks() -> dict[str, tuple[str, Callable[[], Architecture]]]:
    return {name: (group, made) for group, networks in FAMILIES.items() for name, made in networks()}
