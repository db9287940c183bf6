"""Pictures of networks as SVG, made without any other program: `draw`."""

from __future__ import annotations

from collections.abc import Sequence

from search_space.architecture import Architecture
from search_space.drawing.coarse import coarse
from search_space.drawing.fine import fine
from search_space.drawing.sketch import DrawingError, Sketch
from search_space.drawing.steps import Step, steps
from search_space.drawing.svg import picture, svg

DEPTHS = range(5)

__all__ = ["DEPTHS", "DrawingError", "draw", "sketch"]


def draw(architecture: Architecture, *, depth: int = 1, title: str = "", place: str = "") -> str:
    """Returns a picture of a network as an SVG document; equal input gives equal text.

    Args:
        architecture: what to draw.
        depth: in [0, 4]. 0: one box for all stages of one output size; 1: a stage; 2: a block; 3: operators, each
        with the normalisation and activation that belong to it; 4: every operator.
        title: written above; any text.
        place: draws only this part: `stem`, `stages.0`, `auxiliary.0`, `head`.

    Raises:
        DrawingError: there is no such depth or part, or the picture would have more than 3,000 boxes.
        ArchitectureError: a block cannot take what enters it.

    Example:
        >>> from search_space.zoo import reference
        >>> draw(reference("alexnet_two_group"), title="AlexNet").startswith("<svg")
        True
    """
    side = architecture.resolution
    name = title or f"network {architecture.digest[:12]}"
    shape = f"{architecture.input_channels}×{side}×{side}, {architecture.num_classes} classes"
    heading = f"{name}: {place or shape}"
    return svg(picture(sketch(architecture, depth, place), heading))


def sketch(architecture: Architecture, depth: int, place: str = "") -> Sketch:
    """Returns what a picture of that depth holds, without places.

    Raises:
        DrawingError: there is no such depth or part, or the picture would be too large.
    """
    if depth not in DEPTHS:
        raise DrawingError(
            f"depth must be {DEPTHS[0]} (fewest boxes) to {DEPTHS[-1]} (every operator), got {depth}; choose one"
        )
    side = architecture.resolution
    image = (architecture.input_channels, side, side)
    members = list(steps(architecture))
    if place:
        return _part(members, place, depth)
    return coarse(members, image, depth) if depth <= 2 else fine(members, image, depth)


def _part(members: Sequence[Step], place: str, depth: int) -> Sketch:
    chosen = [step for step in members if step.place == place]
    if not chosen:
        places = list(dict.fromkeys(step.place for step in members))
        raise DrawingError(
            f"a part must be one of {', '.join(places)}, got {place[:40]!r}; choose one of them"
        )
    entering = chosen[0].graph.inputs[-1]
    if depth <= 2:
        return coarse(chosen, entering, depth)
    return fine(chosen, entering, depth, source="what enters")
