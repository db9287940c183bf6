"""Search spaces: choices that decode to architectures; sampling, mutation, batched costs, version hashes."""

from search_space.spaces.base import Choice, Option, Point, SearchSpace, Values
from search_space.spaces.costs import Costs
from search_space.spaces.errors import SpaceError
from search_space.spaces.identity import difference
from search_space.spaces.mnasnet import EfficientNet, MnasNet
from search_space.spaces.mobilenetv3 import MobileNetV3, MobileNetV3Small
from search_space.spaces.opening import open_space, space_names
from search_space.spaces.staged import Section, StagedSpace, adapted_strides
from search_space.spaces.window import Window

__all__ = [
    "Choice",
    "Costs",
    "EfficientNet",
    "MnasNet",
    "MobileNetV3",
    "MobileNetV3Small",
    "Option",
    "Point",
    "SearchSpace",
    "Section",
    "SpaceError",
    "StagedSpace",
    "Values",
    "Window",
    "adapted_strides",
    "difference",
    "open_space",
    "space_names",
]
