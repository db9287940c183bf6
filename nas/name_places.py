"""Where names stand beside the bubbles of a picture, so that a reader takes each for its own bubble's.

All lengths are pixels, all boxes `[x0, y0, x1, y1]`. Every name has the same places to choose from, around its
bubble; the most crowded one chooses first, and all choose again until none finds a better place.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

DISTANCES = (0.4, 1.0, 2.0, 3.5, 5.0, 7.0, 9.0)  # from a bubble's rim to its name, in heights of a name
DIRECTIONS = 24
NUM_ROUNDS = 8  # of choosing again; two or three are enough for most pictures
FAR = 2.5  # heights of a name: farther off, a line leads to the bubble whatever else is near
# What a place costs, in heights of a name that a reader would rather look farther away.
OUTSIDE, ON_NAMES, ON_BUBBLES = 200.0, 100.0, 12.0  # times the share of the name that is so
LEAVING, TOUCHING = 40.0, 10.0  # the frame, or on a name, at all
LINE, LINE_THROUGH_NAME, LINE_THROUGH_LINE, LINE_THROUGH_CENTRE = 2.0, 25.0, 8.0, 6.0


@dataclass(frozen=True, slots=True)
class Place:
    """The middle of a name, and where the line to its bubble's centre begins; None where the name needs none."""

    x: float
    y: float
    line: tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class _Places:
    """All places of all names, with what each costs whatever the other names do."""

    boxes: Array  # [names, places, 4]
    starts: Array  # [names, places, 2], of lines
    lines: Array  # [names, places], whether a line is needed
    costs: Array  # [names, places]
    centres: Array  # [names, 2], where lines end
    neighbours: Array  # [names, names], whether any of their places could be in each other's way


def name_places(centres: Array, radii: Array, sizes: Array, frame: Array) -> list[Place]:
    """Returns a place for each name; one without a line is nearer to its own bubble's rim than to any other's.

    Args:
        centres: of the bubbles, [names, 2].
        radii: of the bubbles, [names].
        sizes: widths and heights of the names, [names, 2].
        frame: the box in which names shall stay.
    """
    places = _places(centres, radii, sizes, frame)
    chosen: dict[int, int] = {}
    crowded = [int(name) for name in np.argsort(_room(centres, radii), kind="stable")]
    for _ in range(NUM_ROUNDS):
        before = dict(chosen)
        for name in crowded:
            others = [(other, place) for other, place in chosen.items() if places.neighbours[name, other]]
            costs = places.costs[name] + _costs_beside(places, name, others)
            chosen[name] = int(np.argmin(np.round(costs, 6)))
        if chosen == before:
            break
    return [_place(places, name, chosen[name]) for name in range(len(centres))]


def gaps(boxes: Array, centres: Array, radii: Array) -> Array:
    """Returns how far boxes [..., 4] are from the rims of bubbles, [..., bubbles]; 0 where they touch."""
    nearest = np.clip(centres, boxes[..., None, :2], boxes[..., None, 2:])
    return np.asarray(np.maximum(np.linalg.norm(nearest - centres, axis=-1) - radii, 0.0))


def _place(places: _Places, name: int, place: int) -> Place:
    x0, y0, x1, y1 = places.boxes[name, place].tolist()
    x, y = places.starts[name, place].tolist()
    return Place((x0 + x1) / 2, (y0 + y1) / 2, (x, y) if places.lines[name, place] else None)


def _room(centres: Array, radii: Array) -> Array:
    """Returns how far it is from each rim to the other rims around it: the mean over the three nearest."""
    apart = np.linalg.norm(centres[:, None] - centres, axis=-1) - radii[:, None] - radii
    np.fill_diagonal(apart, np.inf)
    near = np.sort(apart, axis=1)[:, : min(3, len(centres) - 1)]
    return near.mean(axis=1) if near.size else np.zeros(len(centres))


def _places(centres: Array, radii: Array, sizes: Array, frame: Array) -> _Places:
    boxes = np.stack([_around(*each) for each in zip(centres, radii, sizes, strict=True)])
    starts = np.clip(centres[:, None], boxes[..., :2], boxes[..., 2:])
    away = gaps(boxes, centres, radii)  # [names, places, bubbles]
    own = np.einsum("npn->np", away)
    height = float(sizes[:, 1].max())
    others = ~np.eye(len(centres), dtype=bool)[:, None]
    nearest_other = np.min(away, axis=-1, where=others, initial=math.inf)
    lines = (nearest_other < own + height / 2) | (own > FAR * height)
    through = _distances(centres, starts, centres[:, None]) < np.minimum(radii, height / 2)
    outside = 1.0 - _shares(boxes, frame[None])[..., 0]
    costs = own / height + OUTSIDE * outside + LEAVING * (outside > 1e-6)
    costs += ON_BUBBLES * _shares(boxes, _squares(centres, radii)).sum(-1)
    costs += lines * (LINE + LINE_THROUGH_CENTRE * (through & others).sum(-1))
    return _Places(boxes, starts, lines, costs, centres, _neighbours(boxes, centres))


def _neighbours(boxes: Array, centres: Array) -> Array:
    """Returns whose boxes and lines, wherever they stand, can meet: [names, names], not one and itself."""
    low = np.minimum(boxes[..., :2].min(1), centres)
    high = np.maximum(boxes[..., 2:].max(1), centres)
    meet = ((low[:, None] < high) & (low < high[:, None])).all(-1)
    return np.asarray(meet & ~np.eye(len(centres), dtype=bool))


def _around(centre: Array, radius: float, size: Array) -> Array:
    """Returns the places around a bubble, [places, 4], the nearest first."""
    angles = 2 * math.pi * np.arange(DIRECTIONS) / DIRECTIONS
    directions = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    sides = np.where(np.abs(directions) < 0.3, 0.0, np.sign(directions))
    reaches = radius + np.array(DISTANCES)[:, None, None] * size[1]
    middles = (centre + reaches * directions + sides * size / 2).reshape(-1, 2)
    return np.concatenate([middles - size / 2, middles + size / 2], axis=-1)


def _costs_beside(places: _Places, name: int, others: list[tuple[int, int]]) -> Array:
    """Returns what each place of a name costs beside the chosen places of other names, [places]."""
    if not others:
        return np.zeros(places.costs.shape[1])
    names, chosen = np.array(others).T
    boxes, starts = places.boxes[name], places.starts[name]
    their_boxes, their_starts = places.boxes[names, chosen], places.starts[names, chosen]
    their_lines, their_ends = places.lines[names, chosen], places.centres[names]
    end, needed = places.centres[name], places.lines[name][:, None]
    shares = _shares(boxes, their_boxes)
    through = needed & _in_box(starts[:, None], end, their_boxes)
    under = their_lines & _in_box(their_starts, their_ends, boxes[:, None])
    crossed = needed & their_lines & _crossing(starts[:, None], end, their_starts, their_ends)
    costs = ON_NAMES * shares + TOUCHING * (shares > 0.0)
    costs = costs + LINE_THROUGH_NAME * (1.0 * through + under) + LINE_THROUGH_LINE * crossed
    return np.asarray(costs.sum(-1))


def _shares(boxes: Array, others: Array) -> Array:
    """Returns which share of each box [..., 4] each of the others [m, 4] covers, [..., m]."""
    one, two = boxes[..., None, :], others
    sides = np.minimum(one[..., 2:], two[..., 2:]) - np.maximum(one[..., :2], two[..., :2])
    sides, own = np.maximum(sides, 0.0), one[..., 2:] - one[..., :2]
    return np.asarray(sides[..., 0] * sides[..., 1] / (own[..., 0] * own[..., 1]))


def _squares(centres: Array, radii: Array) -> Array:
    """Returns squares as large as the bubbles."""
    half = radii[:, None] * math.sqrt(math.pi) / 2
    return np.concatenate([centres - half, centres + half], axis=-1)


def _distances(points: Array, starts: Array, ends: Array) -> Array:
    """Returns how far points [m, 2] are from the segments between starts and ends [..., 2], [..., m]."""
    along = (ends - starts)[..., None, :]
    beside = points - starts[..., None, :]
    length = np.maximum((along**2).sum(-1), 1e-12)
    share = np.clip((beside * along).sum(-1) / length, 0.0, 1.0)
    return np.asarray(np.linalg.norm(beside - share[..., None] * along, axis=-1))


def _in_box(starts: Array, ends: Array, boxes: Array) -> Array:
    """Returns whether segments go through boxes, by the interval of their length that lies between the sides."""
    along = np.where(np.abs(ends - starts) < 1e-9, 1e-9, ends - starts)
    low, high = (boxes[..., :2] - starts) / along, (boxes[..., 2:] - starts) / along
    first, last = np.minimum(low, high), np.maximum(low, high)
    entering = np.maximum(np.maximum(first[..., 0], first[..., 1]), 0.0)
    leaving = np.minimum(np.minimum(last[..., 0], last[..., 1]), 1.0)
    return np.asarray(entering < leaving)


def _crossing(starts: Array, ends: Array, other_starts: Array, other_ends: Array) -> Array:
    """Returns whether segments cross: each has the ends of the other on its two sides."""

    def side(one: Array, two: Array, point: Array) -> Array:
        a, b = two - one, point - one
        return np.asarray(np.sign(a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]))

    apart = side(starts, ends, other_starts) * side(starts, ends, other_ends) < 0
    return apart & (side(other_starts, other_ends, starts) * side(other_starts, other_ends, ends) < 0)
