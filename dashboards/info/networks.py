"""What a network is made of: its stages with their shapes and costs, its layers, and how two of them differ."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from dashboards.info.options import stage_options
from search_space import Architecture, Cost, Layer, Stage, cost, layers
from search_space.drawing import DrawingError, sketch
from search_space.drawing.sketch import IMAGE
from search_space.drawing.svg import picture

FIELDS = ("block", "repeats", "channels", "stride", "options")
_LEAST_BAND = 32.0  # px of a picture: of what is clicked
SHOWN_COSTS = ("macs", "params", "activations", "peak_memory_bytes")


@dataclass(frozen=True, slots=True)
class StageRow:
    """One stage: what it is, the map that leaves it, and its share of the network's costs."""

    name: str
    block: str
    repeats: int
    channels: int
    side: int  # of the map that leaves it, in pixels; 1 where it is flat
    stride: int
    options: tuple[str, ...]  # in words
    macs: int
    params: int
    macs_share: float
    params_share: float


@dataclass(frozen=True, slots=True)
class Pair:
    """The same place in two networks; a row of None is a stage that only the other has."""

    left: StageRow | None
    right: StageRow | None
    different: tuple[str, ...]  # names of the StageRow fields that differ


def parsed(document: str) -> Architecture | None:
    """Returns the architecture of a stored text; None for one of another program's making."""
    try:
        return Architecture.from_json(document)
    except ValueError:
        return None


def stage_rows(architecture: Architecture) -> list[StageRow]:
    """Returns stem, stages, auxiliary classifiers and head, in order."""
    totals: dict[str, list[Layer]] = {}
    for layer in layers(architecture):
        totals.setdefault(name_of(layer.name), []).append(layer)
    whole = cost(architecture)
    stages = dict(_stages(architecture))
    return [_stage_row(name, stages[name], found, whole) for name, found in totals.items()]


class Band(NamedTuple):
    """Where a stage stands in the drawing by stages; parts of the drawing's height."""

    place: str  # as the weights are named: "stages.1"
    name: str  # as people count: "stage 2"
    top: float
    height: float


def bands(architecture: Architecture) -> list[Band]:
    """Returns the rows of the drawing by stages, from top to bottom; nothing where it cannot be drawn."""
    try:
        drawn = picture(sketch(architecture, 1), architecture.digest)
    except DrawingError:
        return []
    found = []
    for number, box in enumerate(drawn.sketch.boxes):
        if number != IMAGE:
            _, top, _, bottom = drawn.rectangle(number)
            pad = max(0.0, (_LEAST_BAND - (bottom - top)) / 2)  # a finger needs some room
            place = box.key.partition(".blocks.")[0]
            found.append(
                Band(
                    place,
                    name_of(box.key),
                    (top - pad) / drawn.height,
                    (bottom - top + 2 * pad) / drawn.height,
                )
            )
    return found


def layer_rows(architecture: Architecture, *, limit: int = 2_000) -> list[Layer]:
    """Returns every operator with its own costs, at most `limit`."""
    found: list[Layer] = []
    for layer in layers(architecture):
        if len(found) == limit:
            break
        found.append(layer)
    return found


def comparison(left: Architecture, right: Architecture) -> list[Pair]:
    """Returns the stages of two networks side by side, by their names."""
    first = {row.name: row for row in stage_rows(left)}
    second = {row.name: row for row in stage_rows(right)}
    names = list(
        dict.fromkeys([*(n for n in first if n != "head"), *(n for n in second if n != "head"), "head"])
    )
    names.sort(key=lambda name: _rank(name))
    return [
        Pair(first.get(name), second.get(name), _differences(first.get(name), second.get(name)))
        for name in names
    ]


def cost_rows(left: Architecture, right: Architecture) -> list[tuple[str, int, int, float]]:
    """Returns each cost of two networks: name, both values, and the right one as a multiple of the left."""
    first, second = cost(left), cost(right)
    pairs = [(name, int(getattr(first, name)), int(getattr(second, name))) for name in SHOWN_COSTS]
    rows = [("resolution", left.resolution, right.resolution), *pairs]
    return [(name, one, two, two / one if one else float("nan")) for name, one, two in rows]


def _differences(left: StageRow | None, right: StageRow | None) -> tuple[str, ...]:
    names = ("block", "repeats", "channels", "side", "stride", "options")
    if left is None or right is None:
        return names
    return tuple(name for name in names if getattr(left, name) != getattr(right, name))


def _rank(name: str) -> tuple[int, int, str]:
    kind, _, index = name.partition(" ")
    order = {"stem": 0, "stage": 1, "auxiliary": 2, "head": 3}
    return order.get(kind, 2), int(index) if index.isdigit() else 0, name


def name_of(layer: str) -> str:
    """Returns the stage that a layer belongs to, as people count: `stages.1.blocks.0.conv` is of `stage 2`."""
    parts = layer.split(".")
    if parts[0] == "stages":
        return f"stage {int(parts[1]) + 1}"
    return f"auxiliary {int(parts[1]) + 1}" if parts[0] == "auxiliary" else parts[0]


def _stages(architecture: Architecture) -> Iterator[tuple[str, Stage]]:
    yield "stem", architecture.stem
    for index, stage in enumerate(architecture.stages, 1):
        yield f"stage {index}", stage
    for index, auxiliary in enumerate(architecture.auxiliary, 1):
        yield f"auxiliary {index}", auxiliary.head
    yield "head", architecture.head


def _stage_row(name: str, stage: Stage, found: list[Layer], whole: Cost) -> StageRow:
    macs, params = sum(one.macs for one in found), sum(one.params for one in found)
    shape = found[-1].output
    return StageRow(
        name,
        stage.block.replace("_", " "),
        stage.repeats,
        shape[0],
        shape[1] if len(shape) > 1 else 1,
        stage.stride,
        stage_options(stage),
        macs,
        params,
        macs / whole.macs if whole.macs else 0.0,
        params / whole.params if whole.params else 0.0,
    )
