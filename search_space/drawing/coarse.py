"""Pictures of a box a row: all stages of one output size (depth 0), stages (1), blocks (2).

A box is as tall as its map and as wide as its channels, both by their square roots, so that a network shows its
shape; beside it stands what it costs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby

from search_space.cost import Cost
from search_space.drawing.sketch import (
    IMAGE,
    SPINE,
    Box,
    Frame,
    Link,
    Sketch,
    listed,
    require_drawable,
    span,
    wrapped,
)
from search_space.drawing.steps import Step, runs
from search_space.drawing.wording import (
    Kind,
    block_kind,
    count_words,
    shape_words,
    stage_details,
    stage_words,
)
from search_space.operators import Shape

LONGEST_RUN = 8  # of equal blocks that are all drawn
WIDTHS = (8.0, 320.0)  # of boxes, px
HEIGHTS = (6.0, 72.0)


def coarse(steps: Sequence[Step], image: Shape, depth: int) -> Sketch:
    """Returns the picture at depth 0, 1 or 2.

    Raises:
        DrawingError: it would be too large.
    """
    groups = [list(run) for run in (_sizes, _stages, _blocks)[depth](steps)]
    require_drawable(1 + len(groups))
    total = sum([step.cost.macs for step in steps]) or 1
    boxes = [
        replace(_box("image", 0, "image", (image,), ("image", ""), Cost(), 0.0), pinned=True),
        *[_grouped(group, row, depth, total) for row, group in enumerate(groups, 1)],
    ]
    owners = [number for number, group in enumerate(groups, 1) for _ in group]
    frames = tuple(_frames(groups)) if depth == 2 else ()
    return Sketch(tuple(boxes), tuple(_links(steps, owners)), frames)


def _sizes(steps: Sequence[Step]) -> Iterator[list[Step]]:
    """Yields the stages by the size of their map; the two ends and other classifiers stand alone."""
    for _, run in groupby(steps, key=lambda step: step.made[0][1:] if "blocks" in step.name else step.name):
        yield list(run)


def _stages(steps: Sequence[Step]) -> Iterator[list[Step]]:
    for _, run in groupby(steps, key=lambda step: step.place):
        yield list(run)


def _blocks(steps: Sequence[Step]) -> Iterator[list[Step]]:
    """Yields every block alone; of many equal ones the first two, the rest together, and the last."""
    for run in runs(steps):
        if len(run) <= LONGEST_RUN:
            yield from ([step] for step in run)
        else:
            yield from ([run[0]], [run[1]], run[2:-1], [run[-1]])


def _grouped(group: Sequence[Step], row: int, depth: int, total: int) -> Box:
    first, last = group[0], group[-1]
    stages = [next(run).stage for _, run in groupby(group, key=lambda step: step.place)]
    if depth == 2 and "blocks" in first.name:
        alike = f" · {len(group)} alike, each" if len(group) > 1 else ""
        title = (span(first.name, last.name).removeprefix(f"{first.place}.") + alike, "")
    elif len(stages) > 1:
        title = (span(first.place, last.place), listed([stage_words(stage) for stage in stages]))
    else:
        title = (_named(first), stage_details(first.stage))
    kind = block_kind(max(group, key=lambda step: step.cost.macs).stage.block)
    cost = Cost()
    # of blocks drawn as one, the cost of each: bars of blocks are compared with bars of blocks
    for step in group[:1] if depth == 2 else group:
        cost += step.cost
    box = _box(span(first.name, last.name), row, kind, last.made, title, cost, cost.macs / total)
    return replace(box, pinned=not last.auxiliary)


def _named(step: Step) -> str:
    """Returns where a stage stands and what it is, without saying the same twice."""
    words = stage_words(step.stage).removeprefix("auxiliary ")
    return step.place if words == step.place else f"{step.place} · {words}"


def _box(
    key: str,
    row: int,
    kind: Kind,
    shapes: Sequence[Shape],
    title: tuple[str, str],
    cost: Cost,
    share: float,
) -> Box:
    largest = max(shapes, key=lambda shape: shape[0])
    output = " + ".join(map(shape_words, shapes))
    macs, params = (count_words(cost.macs), count_words(cost.params)) if row else ("", "")
    facts = [*title, output, f"{macs} MACs, {params} params" if row else ""]
    return Box(
        key,
        row,
        _length(largest[0], 6.0, WIDTHS),
        _length(largest[-1] if len(largest) > 1 else 1, 4.8, HEIGHTS),
        kind,
        "\n".join(fact for fact in facts if fact),
        caption=(*title, output, macs, params),
        share=share,
    )


def _length(value: int, unit: float, limits: tuple[float, float]) -> float:
    return min(max(unit * math.sqrt(value), limits[0]), limits[1])


def _frames(groups: Sequence[Sequence[Step]]) -> Iterator[Frame]:
    for place, members in groupby(enumerate(groups, 1), key=lambda pair: pair[1][0].place):
        rows = [row for row, _ in members]
        stage = groups[rows[0] - 1][0].stage
        if place.startswith("stages"):
            yield Frame((place, stage_words(stage), *wrapped(stage_details(stage), 20)), rows[0], rows[-1])


def _links(steps: Sequence[Step], owners: Sequence[int]) -> Iterator[Link]:
    """Yields which box hands a map to which, given the number of each step's box."""
    carry = [IMAGE] * len(steps[0].graph.inputs)
    spine = IMAGE
    known: set[tuple[int, int]] = set()
    for step, owner in zip(steps, owners, strict=True):
        for source in dict.fromkeys(carry[value] for value in step.used):
            if source != owner and (source, owner) not in known:
                known.add((source, owner))
                yield Link(source, owner, SPINE if source == spine and not step.auxiliary else 1.0)
        if not step.auxiliary:
            first, spine = len(step.graph.inputs), owner
            carry = [carry[value] if value < first else owner for value in step.graph.outputs]
