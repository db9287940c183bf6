"""Pictures of operators: a frame a block, equal blocks in a row once (depth 3: with what belongs together in one
box; depth 4: every operator).

What belongs together: a normalisation, activation or dropout and what it follows (or, before activation, what
it precedes) where nothing else sees the map between; a depthwise convolution and a pointwise one right after
it; the chain of squeeze-excitation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from search_space.drawing.sketch import IMAGE, Box, Frame, Link, Sketch, require_drawable, span, wrapped
from search_space.drawing.steps import Step, runs
from search_space.drawing.wording import (
    Kind,
    count_words,
    is_depthwise,
    operator_kind,
    operator_words,
    shape_words,
    stage_details,
    stage_words,
)
from search_space.graph import Graph, Node
from search_space.operators import AdaptiveAveragePool, Conv2d, DropPath, Shape

CHARACTER, LINE = 6.9, 14.0  # px of a letter, generously, and of a line
NARROWEST = 64.0
POINTWISE = (1, 1)


@dataclass(frozen=True, slots=True)
class _Piece:
    """Operators that one box shows, as numbers of nodes."""

    nodes: tuple[int, ...]
    inputs: tuple[int, ...]  # values from outside
    layer: int


def fine(steps: Sequence[Step], image: Shape, depth: int, *, source: str = "image") -> Sketch:
    """Returns the picture at depth 3 or 4; `source` names what enters.

    Raises:
        DrawingError: it would be too large.
    """
    lines = (source, shape_words(image))
    first_box = _written("image", 0, "image", lines, "\n".join(lines))
    boxes = [replace(first_box, pinned=True)]
    links: list[Link] = []
    frames = []
    carry = [IMAGE] * len(steps[0].graph.inputs)
    row = 1
    for run in runs(steps):
        graph, first = run[0].graph, len(run[0].graph.inputs)
        owner = {value: carry[value] for value in range(first)}
        pieces = _pieces(graph, together=depth == 3)
        require_drawable(len(boxes) + len(pieces))
        for piece in pieces:
            number = len(boxes)
            boxes.append(_drawn(run[0], piece, row))
            links += [
                Link(source, number) for source in dict.fromkeys(owner[value] for value in piece.inputs)
            ]
            owner |= {first + node: number for node in piece.nodes}
        last = row + max(piece.layer for piece in pieces)
        frames.append(Frame(_title(run), row, last))
        leaving = owner[graph.outputs[0]]
        boxes[leaving] = replace(boxes[leaving], pinned=not run[0].auxiliary)
        row = last + 1
        for step in run if not run[0].auxiliary else ():
            carry = [carry[value] if value < first else owner[value] for value in step.graph.outputs]
    return Sketch(tuple(boxes), tuple(links), tuple(frames))


def _pieces(graph: Graph, *, together: bool) -> list[_Piece]:
    """Returns a graph's boxes in an order in which each comes after those it needs."""
    first = len(graph.inputs)
    leader = _leaders(graph) if together else list(range(len(graph.nodes)))
    members: dict[int, list[int]] = {}
    for node, head in enumerate(leader):
        members.setdefault(head, []).append(node)
    layers: dict[int, int] = {}
    pieces = []
    for head, nodes in sorted(members.items(), key=lambda pair: pair[1][-1]):
        outside = {value: None for node in nodes for value in graph.nodes[node].inputs}
        inputs = [value for value in outside if value < first or leader[value - first] != head]
        above = [layers[leader[value - first]] for value in inputs if value >= first]
        layers[head] = 1 + max(above, default=-1)
        pieces.append(_Piece(tuple(nodes), tuple(inputs), layers[head]))
    return pieces


def _leaders(graph: Graph) -> list[int]:
    """Returns, for each node, the first node of its box."""
    first = len(graph.inputs)
    users: dict[int, list[int]] = {}
    for number, node in enumerate(graph.nodes):
        for value in dict.fromkeys(node.inputs):
            users.setdefault(value, []).append(number)
    only = {
        value - first: numbers[0]
        for value, numbers in users.items()
        if value >= first and len(numbers) == 1 and value not in graph.outputs
    }  # node: the one node that sees its output
    leader = list(range(len(graph.nodes)))
    for number, node in enumerate(graph.nodes):
        source = node.inputs[0] - first
        if source >= 0 and only.get(source) == number and _follows(graph, source, number):
            leader[number] = leader[source]
    for number, node in enumerate(
        graph.nodes
    ):  # what no box took in, and one alone sees, goes before that one
        user = only.get(number)
        if user is not None and leader[number] == number and _is_plain(graph, node):
            leads = isinstance(graph.nodes[user].operator, Conv2d) or _is_plain(graph, graph.nodes[user])
            old = leader[user]
            if leads and old == user:
                leader = [number if head == old else head for head in leader]
    return leader


def _follows(graph: Graph, source: int, number: int) -> bool:
    """Returns whether a node belongs to the one whose output it alone sees."""
    before, node = graph.nodes[source], graph.nodes[number]
    if _is_plain(graph, node):
        return True
    if not isinstance(node.operator, Conv2d) or node.operator.kernel != 1:
        return False
    if node.shape[1:] == before.shape[1:] == POINTWISE and node.name.startswith("squeeze"):
        return True
    return is_depthwise(before.operator, graph.input_shapes(before)[0][0])


def _is_plain(graph: Graph, node: Node) -> bool:
    return operator_kind(node.operator, graph.input_shapes(node)[0][0]) == "plain"


def _drawn(step: Step, piece: _Piece, row: int) -> Box:
    nodes = [step.graph.nodes[node] for node in piece.nodes]
    channels = [step.graph.input_shapes(node)[0][0] for node in nodes]
    words = [operator_words(node.operator, count) for node, count in zip(nodes, channels, strict=True)]
    kinds = [operator_kind(node.operator, count) for node, count in zip(nodes, channels, strict=True)]
    main = [number for number, kind in enumerate(kinds) if kind != "plain"]
    kind: Kind = kinds[main[0]] if main else "plain"
    title = " + ".join(words[number] for number in main)
    if len(main) > 1 and kinds[main[0]] == "depthwise":
        title = words[main[0]].replace("depthwise", "separable")
    elif len(main) > 1 and isinstance(nodes[main[0]].operator, AdaptiveAveragePool):
        title = f"squeeze {channels[0]} to {nodes[main[1]].shape[0]}"
    plain = [
        word for word, kind, node in zip(words, kinds, nodes, strict=True) if kind == "plain" and _acts(node)
    ]
    plain = plain if plain or main else words
    lines = [title, " · ".join(plain), shape_words(nodes[-1].shape)]
    macs = sum(node.operator.macs(*step.graph.input_shapes(node)) for node in nodes)
    params = sum(node.operator.params(*step.graph.input_shapes(node)) for node in nodes)
    details = [f"{step.name}.{node.name}: {word}" for node, word in zip(nodes, words, strict=True)]
    details.append(f"{shape_words(nodes[-1].shape)}, {count_words(macs)} MACs, {count_words(params)} params")
    key = f"{step.name}.{nodes[0].name}"
    return _written(key, row + piece.layer, kind, tuple(line for line in lines if line), "\n".join(details))


def _acts(node: Node) -> bool:
    """Returns whether an operator does anything as published: drop-path waits for the rate that `build` is given."""
    return not isinstance(node.operator, DropPath)


def _written(key: str, row: int, kind: Kind, lines: tuple[str, ...], tooltip: str) -> Box:
    width = max(NARROWEST, 14 + CHARACTER * max(map(len, lines)))
    return Box(key, row, width, 10 + LINE * len(lines), kind, tooltip, lines)


def _title(run: Sequence[Step]) -> tuple[str, ...]:
    first = run[0]
    name = span(first.name, run[-1].name)
    place, _, blocks = name.partition(".blocks.")
    made = " + ".join(shape_words(shape) for shape in first.made)
    each = " each" if len(run) > 1 else ""
    own = first.stage if not blocks or blocks.startswith("0") else replace(first.stage, stride=1)
    named = f"{place} blocks {blocks}" if blocks and first.stage.repeats > 1 else place
    return (
        named,
        stage_words(first.stage, len(run)),
        *wrapped(stage_details(own), 24),
        made,
        f"{count_words(first.cost.macs)} MACs{each}",
    )
