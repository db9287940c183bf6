"""Opening a space by the name that a user writes: a built-in one, or `package.module:Class` for their own."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from inspect import isabstract

from search_space.cost import cost
from search_space.schema import nearest, shown
from search_space.spaces.base import Choice, SearchSpace
from search_space.spaces.errors import SpaceError
from search_space.spaces.mnasnet import EfficientNet, MnasNet
from search_space.spaces.mobilenetv3 import MobileNetV3, MobileNetV3Small

SPACES: dict[str, type[SearchSpace]] = {
    space.name: space for space in (MnasNet, EfficientNet, MobileNetV3, MobileNetV3Small)
}


def space_names() -> tuple[str, ...]:
    """Returns the names of the built-in spaces."""
    return tuple(SPACES)


def open_space(
    name: str, *, resolution: int, num_classes: int, input_channels: int = 3, width: float = 1.0
) -> SearchSpace:
    """Returns a search space, with its first point decoded once as a check.

    Args:
        name: one of `space_names()`, or `package.module:Class` for a class of yours; modules are also looked
            for in the current folder.
        resolution: side of the square input in pixels (the largest one, where the space chooses it).
        num_classes: classes of the data.
        input_channels: channels of the image.
        width: factor on every base channel count.

    Raises:
        SpaceError: the name is unknown, the module cannot be imported, or the class is no working space.

    Example:
        >>> open_space("mnasnet", resolution=32, num_classes=10).size == 432**7
        True
    """
    found = _own_class(name) if ":" in name else SPACES.get(name)
    if found is None:
        raise SpaceError(
            f"the space must be a built-in one or written package.module:Class, got {shown(name)}; "
            f"{nearest(name, SPACES)}"
        )
    try:
        space = found(
            resolution=resolution, num_classes=num_classes, input_channels=input_channels, width=width
        )
        _check_choices(space, name)
        cost(space.decode((0,) * len(space.choices)))
    except SpaceError:
        raise
    except Exception as error:  # a user's class may raise anything
        raise SpaceError(
            f"the first point of {name} must decode to a network, but its class raised "
            f"{type(error).__name__}: {error}; correct it there"
        ) from error
    return space


def _own_class(name: str) -> type[SearchSpace]:
    module_name, _, class_name = name.partition(":")
    with _current_folder_on_path():
        try:
            module = importlib.import_module(module_name)
        except Exception as error:  # a user's module may raise anything
            raise SpaceError(
                f"the module of {name} must be importable from {os.getcwd()}, but importing it raised "
                f"{type(error).__name__}: {error}; correct the name or the module"
            ) from error
    found = getattr(module, class_name, None)
    if found is None:
        classes = [
            key
            for key, value in vars(module).items()
            if isinstance(value, type) and issubclass(value, SearchSpace)
        ]
        remedy = nearest(class_name, classes) if classes else "it defines no SearchSpace"
        raise SpaceError(
            f"{module_name} must hold the class of {name}, got no {class_name or 'name'}; {remedy}"
        )
    if not (isinstance(found, type) and issubclass(found, SearchSpace)):
        raise SpaceError(
            f"{name} must be a class derived from search_space.SearchSpace, got {shown(found)}; derive it"
        )
    if isabstract(found):
        missing = ", ".join(sorted(found.__abstractmethods__))
        raise SpaceError(f"{name} must write every abstract method, but {missing} is missing; write it")
    return found


def _check_choices(space: SearchSpace, name: str) -> None:
    choices = getattr(space, "choices", None)
    if not (isinstance(choices, tuple) and choices and all(isinstance(choice, Choice) for choice in choices)):
        raise SpaceError(f"{name} must set `choices` to a tuple of at least one Choice, got {shown(choices)}")
    names = [choice.name for choice in choices]
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise SpaceError(
            f"the choices of {name} must have different names, got {', '.join(doubled)} twice; rename one"
        )
    if not isinstance(getattr(space, "name", None), str):
        raise SpaceError(
            f"{name} must set `name` to a text; write name = {shown(type(space).__name__.lower())} in it"
        )


@contextmanager
def _current_folder_on_path() -> Iterator[None]:
    """Lets imports find modules in the current folder, as `python -m` does, until the block ends."""
    folder = os.getcwd()
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        sys.path.remove(folder)
