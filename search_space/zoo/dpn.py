"""Dual path networks (Chen et al. 2017, Table 1)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

from search_space.architecture import Architecture, Stage
from search_space.blocks import ClassifierOptions, DualPathOptions, StemOptions
from search_space.graph import Conventions


class Row(NamedTuple):
    """A column of Table 1."""

    kernel: int  # of the stem
    stem: int
    inner: int  # of the first stage, doubling from there
    groups: int
    units: tuple[int, int, int, int]
    increments: tuple[int, int, int, int]
    residual: int = 256  # channels of the residual path in the first stage, doubling from there


ROWS = {
    68: Row(3, 10, 128, 32, (3, 4, 12, 3), (16, 32, 32, 64), 64),
    92: Row(7, 64, 96, 32, (3, 4, 20, 3), (16, 32, 24, 128)),
    98: Row(7, 96, 160, 40, (3, 6, 20, 3), (16, 32, 32, 128)),
    107: Row(7, 128, 200, 50, (4, 8, 20, 3), (20, 64, 64, 128)),
    131: Row(7, 128, 160, 40, (4, 8, 28, 3), (16, 32, 32, 128)),
}


def dpn(row: Row) -> Architecture:
    """Returns a dual path network."""
    stages = tuple(
        Stage(
            "dual_path",
            units,
            row.residual * 2**index,
            1 if index == 0 else 2,
            DualPathOptions(row.inner * 2**index, increment, row.groups),
        )
        for index, (units, increment) in enumerate(zip(row.units, row.increments, strict=True))
    )
    stem = Stage("stem", 1, row.stem, 2, StemOptions(row.kernel, pool="padded"))
    head = Stage("classifier", 1, 0, options=ClassifierOptions(entry="norm", joins_carry=True))
    return Architecture(224, stem, stages, head, conventions=Conventions(norm_eps=1e-3))


def networks() -> Iterator[tuple[str, Callable[[], Architecture]]]:
    """Yields names and what makes their networks."""
    for depth, row in ROWS.items():
        yield f"dpn{depth}", partial(dpn, row)
