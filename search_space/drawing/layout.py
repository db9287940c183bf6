"""Where boxes stand and how links run, from top to bottom: layers, order within them, positions, routes.

The method of Sugiyama, Tagawa and Toda (1981): a link that passes layers gets a place of its own in each, so it
never runs through a box; places are ordered by barycentres, and set by least squares under their distances.
Everything is computed in a fixed order, so equal input gives equal numbers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

Point = tuple[float, float]

SPACE = 18.0  # between neighbours in a layer, px
LANE = 6.0  # width that a passing link takes
SWEEPS = 8  # of ordering
ROUNDS = 24  # of positioning
PIN = 1e6  # how much a pinned box resists being moved aside
STRAIGHT = 4.0  # how much more a link's own places pull than boxes do


@dataclass(frozen=True, slots=True)
class Item:
    """A box to be placed; `room` is the height that its layer must have for it."""

    layer: int
    width: float
    height: float
    room: float
    pinned: bool = False  # stands on the axis


@dataclass(frozen=True, slots=True)
class Placement:
    """Centres of the items, the links' ways, and the layers' tops and bottoms, all from (0, 0)."""

    centres: tuple[Point, ...]
    routes: tuple[tuple[Point, ...], ...]  # straight where two points share x, else a curve between layers
    layers: tuple[tuple[float, float], ...]
    width: float


@dataclass(slots=True)
class _Places:
    """Items and what links take in the layers between their ends, in one numbering: the items come first."""

    widths: list[float]
    layers: list[list[int]]  # places from left to right
    above: list[list[int]]
    below: list[list[int]]
    chains: list[list[int]]  # of each link, from its source to its target
    pulls: dict[tuple[int, int], float]  # between neighbouring places of a chain
    weights: list[float]  # how much a place resists being moved aside: the strongest pull on it
    pinned: set[int]


def layout(
    items: Sequence[Item],
    links: Sequence[tuple[int, int]],
    gaps: Sequence[float],
    pulls: Sequence[float],
) -> Placement:
    """Returns where items stand.

    Args:
        items: with their layers, which are numbered from 0 without holes.
        links: pairs of item numbers, from a lower to a higher layer.
        gaps: px above each layer.
        pulls: how much each link wants to be straight, above 0.
    """
    places = _placed(items, links, pulls)
    _order(places)
    xs = _positions(places)
    _straighten(places, xs)
    left = min(x - width / 2 for x, width in zip(xs, places.widths, strict=True))
    xs = [x - left for x in xs]
    bands = _bands(items, gaps)
    centres = tuple((xs[number], sum(bands[item.layer]) / 2) for number, item in enumerate(items))
    ports = _ports(items, links, places, xs)
    routes = tuple(
        _route(items, chain, xs, bands, port) for chain, port in zip(places.chains, ports, strict=True)
    )
    width = max(x + wide / 2 for x, wide in zip(xs, places.widths, strict=True))
    return Placement(centres, routes, bands, width)


def _placed(items: Sequence[Item], links: Sequence[tuple[int, int]], pulls: Sequence[float]) -> _Places:
    places = _Places(
        [item.width for item in items],
        [[] for _ in range(1 + max(item.layer for item in items))],
        [[] for _ in items],
        [[] for _ in items],
        [],
        {},
        [PIN if item.pinned else 1.0 for item in items],
        {number for number, item in enumerate(items) if item.pinned},
    )
    for number, item in enumerate(items):
        places.layers[item.layer].append(number)
    for (source, target), pull in zip(links, pulls, strict=True):
        chain = [source]
        for layer in range(items[source].layer + 1, items[target].layer):
            chain.append(len(places.widths))
            places.layers[layer].append(chain[-1])
            places.widths.append(LANE)
            places.weights.append(1.0)
            places.above.append([])
            places.below.append([])
        chain.append(target)
        for upper, lower in pairwise(chain):
            places.below[upper].append(lower)
            places.above[lower].append(upper)
            inner = upper >= len(items) and lower >= len(items)
            places.pulls[upper, lower] = pull * (STRAIGHT if inner else 1.0)
            places.weights[upper] = max(places.weights[upper], pull)
            places.weights[lower] = max(places.weights[lower], pull)
        places.chains.append(chain)
    return places


def _order(places: _Places) -> None:
    """Orders every layer by the mean place of what it is linked to; the order with the fewest crossings stays."""
    best, fewest = [list(layer) for layer in places.layers], _crossings(places)
    for sweep in range(SWEEPS):
        if fewest == 0:
            break
        neighbours = places.below if sweep % 2 else places.above
        layers = places.layers[::-1] if sweep % 2 else places.layers
        where = {place: index for layer in places.layers for index, place in enumerate(layer)}
        for layer in layers:
            means = {
                place: sum(where[other] for other in neighbours[place]) / len(neighbours[place])
                if neighbours[place]
                else where[place]
                for place in layer
            }
            layer.sort(key=lambda place: means[place])
            where.update({place: index for index, place in enumerate(layer)})
        if (count := _crossings(places)) < fewest:
            best, fewest = [list(layer) for layer in places.layers], count
    places.layers[:] = best


def _crossings(places: _Places) -> int:
    total = 0
    for layer, following in pairwise(places.layers):
        where = {place: index for index, place in enumerate(following)}
        ends = [sorted(where[other] for other in places.below[place]) for place in layer]
        flat = [end for group in ends for end in group]
        total += sum(earlier > later for index, later in enumerate(flat) for earlier in flat[:index])
    return total


def _positions(places: _Places) -> list[float]:
    """Returns the centres: near those of what each place is linked to, in order, at their distances."""
    xs = [0.0] * len(places.widths)
    for layer in places.layers:
        _settle(places, layer, [0.0] * len(layer), xs)
    for turn in range(ROUNDS):
        down, both = turn % 2 == 0, turn >= ROUNDS - 2
        for layer in places.layers if down else places.layers[::-1]:
            _settle(places, layer, [_wanted(places, place, xs, down, both) for place in layer], xs)
    return xs


def _wanted(places: _Places, place: int, xs: Sequence[float], down: bool, both: bool) -> float:
    """Returns the mean, by pull, of what a place is linked to above or below; of all where there is none."""
    if place in places.pinned:
        return 0.0
    above = [(places.pulls[other, place], xs[other]) for other in places.above[place]]
    below = [(places.pulls[place, other], xs[other]) for other in places.below[place]]
    linked = above if down else below
    linked = above + below if both or not linked else linked
    total = sum([pull for pull, _ in linked])
    return sum([pull * x for pull, x in linked]) / total if linked else xs[place]


def _settle(places: _Places, layer: Sequence[int], wanted: Sequence[float], xs: list[float]) -> None:
    """Sets a layer's centres, as near to `wanted` as their order and distances allow."""
    distances = [_distance(places, one, two) for one, two in pairwise(layer)]
    weights = [places.weights[place] for place in layer]
    for place, x in zip(layer, _spread(wanted, distances, weights), strict=True):
        xs[place] = x


def _straighten(places: _Places, xs: list[float]) -> None:
    """Gives places that are linked only to each other, one below the other, the same x where there is room."""
    where = {place: (layer, index) for layer in places.layers for index, place in enumerate(layer)}
    for way in _ways(places):
        lowest, highest = -math.inf, math.inf
        for place in way:
            layer, index = where[place]
            if index > 0:
                before = layer[index - 1]
                lowest = max(lowest, xs[before] + _distance(places, before, place))
            if index + 1 < len(layer):
                after = layer[index + 1]
                highest = min(highest, xs[after] - _distance(places, place, after))
        wanted = 0.0 if places.pinned.intersection(way) else sum([xs[place] for place in way]) / len(way)
        if lowest <= highest:
            for place in way:
                xs[place] = min(max(wanted, lowest), highest)


def _ways(places: _Places) -> Iterator[list[int]]:
    """Yields the longest runs of places that are linked only to each other."""
    for place in [place for layer in places.layers for place in layer]:
        above = places.above[place]
        if len(above) == 1 and len(places.below[above[0]]) == 1:
            continue  # it goes on a run that began above
        way = [place]
        while len(places.below[way[-1]]) == 1 and len(places.above[places.below[way[-1]][0]]) == 1:
            way.append(places.below[way[-1]][0])
        yield way


def _distance(places: _Places, one: int, two: int) -> float:
    return (places.widths[one] + places.widths[two]) / 2 + SPACE


def _spread(wanted: Sequence[float], distances: Sequence[float], weights: Sequence[float]) -> list[float]:
    """Returns the numbers nearest to `wanted`, in weighted squares, that lie their distances apart, in order.

    Less the distances so far, they are the best increasing sequence: neighbours that violate it are averaged.
    """
    offsets = [0.0]
    for distance in distances:
        offsets.append(offsets[-1] + distance)
    groups: list[tuple[float, float, int]] = []  # (mean, weight, how many)
    for goal, offset, heavy in zip(wanted, offsets, weights, strict=True):
        mean, weight, count = goal - offset, heavy, 1
        while groups and groups[-1][0] > mean:
            before, more, size = groups.pop()
            mean = (mean * weight + before * more) / (weight + more)
            weight, count = weight + more, count + size
        groups.append((mean, weight, count))
    flat = [mean for mean, _, count in groups for _ in range(count)]
    return [base + offset for base, offset in zip(flat, offsets, strict=True)]


def _bands(items: Sequence[Item], gaps: Sequence[float]) -> tuple[tuple[float, float], ...]:
    rooms = [0.0] * len(gaps)
    for item in items:
        rooms[item.layer] = max(rooms[item.layer], item.room)
    bands, bottom = [], 0.0
    for gap, room in zip(gaps, rooms, strict=True):
        bands.append((bottom + gap, bottom + gap + room))
        bottom += gap + room
    return tuple(bands)


def _ports(
    items: Sequence[Item], links: Sequence[tuple[int, int]], places: _Places, xs: Sequence[float]
) -> list[float]:
    """Returns where on its target each link ends: side by side, in the order in which they arrive."""
    arriving: dict[int, list[int]] = {}
    for number, (_, target) in enumerate(links):
        arriving.setdefault(target, []).append(number)
    ports = [0.0] * len(links)
    for target, numbers in arriving.items():
        numbers.sort(key=lambda number: xs[places.chains[number][-2]])
        for index, number in enumerate(numbers, 1):
            share = index / (len(numbers) + 1) - 0.5
            ports[number] = xs[target] + 0.9 * share * items[target].width
    return ports


def _route(
    items: Sequence[Item],
    chain: Sequence[int],
    xs: Sequence[float],
    bands: Sequence[tuple[float, float]],
    port: float,
) -> tuple[Point, ...]:
    """Returns a link's way: down out of its source, through its places, down into its target."""
    source, target = items[chain[0]], items[chain[-1]]
    top, bottom = bands[source.layer]
    x = xs[chain[0]]
    way = [(x, (top + bottom + source.height) / 2), (x, bottom)]
    for step, place in enumerate(chain[1:-1], source.layer + 1):
        way += [(xs[place], bands[step][0]), (xs[place], bands[step][1])]
    top, bottom = bands[target.layer]
    way += [(port, top), (port, (top + bottom - target.height) / 2)]
    return tuple([point for index, point in enumerate(way) if index == 0 or point != way[index - 1]])
