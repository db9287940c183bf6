"""What is known of networks, as plain dictionaries: the JSON of the command line, and the rows of its tables.

Pure functions of architectures and of what was published. Their keys are a contract with scripts: names are
added, never changed.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from search_space import (
    Architecture,
    Layer,
    Memory,
    Published,
    agreement,
    cost,
    family,
    layers,
    lower,
    memory,
    published,
    reference,
    reference_names,
)
from search_space.drawing.wording import operator_words, shape_words, stage_details, stage_words
from search_space.identity import same_network

View = dict[str, Any]

CONVENTION = (
    "float32; a layer's output is kept, with its normalisation, activation, dropout, gate or addition computed in"
    " its place where nothing else needs it; the backward pass doubles it (CS231n, course notes on convolutional"
    " networks, VGGNet in detail)"
)


def cost_view(name: str, architecture: Architecture) -> View:
    """Returns what `nas cost --json` prints."""
    costs = cost(architecture)
    return {
        "name": name,
        "digest": architecture.digest,
        "resolution": architecture.resolution,
        "params": costs.params,
        "macs": costs.macs,
        "activations": costs.activations,
        "peak_memory_bytes": costs.peak_memory_bytes,
    }


def network_view(name: str, architecture: Architecture | None = None) -> View:
    """Returns a network's costs, with its family and its published accuracy.

    Args:
        name: of the zoo, or any where an architecture is given.
        architecture: of a file; None takes the reference network of that name.
    """
    known = published(name) if architecture is None else Published()
    view = cost_view(name, reference(name) if architecture is None else architecture)
    view["family"] = family(name) if architecture is None else None
    return view | {"top1": known.top1, "top1_data": known.data or None}


def network_views(
    *,
    group: str | None = None,
    pattern: str | None = None,
    max_macs: float | None = None,
    max_params: float | None = None,
) -> list[View]:
    """Returns the reference networks that meet every condition, family after family.

    Args:
        group: a family's name.
        pattern: with `*`, `?` or `[`, of the whole name; else a part of it.
        max_macs: the most MACs.
        max_params: the most parameters.
    """
    names = [name for name in reference_names() if _matches(name, pattern)]
    views = [network_view(name) for name in names if group is None or family(name) == group]
    limits = {"macs": max_macs, "params": max_params}
    return [
        view for view in views if all(limit is None or view[key] <= limit for key, limit in limits.items())
    ]


def compared(views: Sequence[View], architectures: Sequence[Architecture]) -> list[View]:
    """Returns networks with their parameters and MACs as multiples of the first one's.

    `same_network_as` has the names of the others among them that are the same network.
    """
    first = views[0]
    rows = []
    for place, view in enumerate(views):
        same = [
            other["name"]
            for number, other in enumerate(views)
            if number != place and _same(architectures[place], architectures[number])
        ]
        ratios = {f"{key}_ratio": _ratio(view[key], first[key]) for key in ("params", "macs")}
        rows.append(view | ratios | {"same_network_as": same})
    return rows


def same_references(architecture: Architecture) -> list[str]:
    """Returns the reference networks that are the same network as this, whatever they are called.

    Example:
        >>> same_references(reference("stochastic_depth_resnet152_imagenet"))
        ['resnet152', 'stochastic_depth_resnet152_imagenet']
    """
    return [name for name in reference_names() if _same(architecture, reference(name))]


def _same(first: Architecture, second: Architecture) -> bool:
    """Returns whether two are one network; networks of other costs, nearly all, are told apart without their graphs."""
    return cost(first) == cost(second) and same_network(first, second)


def published_view(name: str) -> View:
    """Returns what was published about a reference network beside what it costs here.

    `difference` is by how large a share of the printed number ours is larger; `verdict` is `as printed` where
    ours rounds to it, `within 2 %`, or `differs`, which `note` explains.
    """
    known, ours = published(name), cost(reference(name))
    view: View = {}
    for key, count, printed in (("params", ours.params, known.params), ("macs", ours.macs, known.macs)):
        one = agreement(count, printed)
        view[key] = {
            "ours": count,
            "published": printed,
            "difference": one and round(one.relative, 4),
            "verdict": one and one.verdict,
        }
    top1 = {"percent": known.top1, "data": known.data or None, "source": known.top1_source or None}
    return view | {"source": known.source or None, "top1": top1, "note": known.note or None}


def stage_views(architecture: Architecture) -> list[View]:
    """Returns each stage with its output and what it costs, stem and head included."""
    total = cost(architecture)
    stages = [("stem", architecture.stem)]
    for index, stage in enumerate(architecture.stages):
        stages.append((f"stages.{index}", stage))
        heads = enumerate(architecture.auxiliary)
        stages += [(f"auxiliary.{number}", aux.head) for number, aux in heads if aux.after == index]
    stages.append(("head", architecture.head))
    members: dict[str, list[Layer]] = {}
    for layer in layers(architecture):
        members.setdefault(_stage_name(layer.name), []).append(layer)
    views = []
    for name, stage in stages:
        own = members[name]
        macs, params = sum(layer.macs for layer in own), sum(layer.params for layer in own)
        views.append(
            {
                "stage": name,
                "block": stage_words(stage),
                "details": stage_details(stage),
                "output": list(own[-1].output),
                "params": params,
                "macs": macs,
                "share": round(macs / total.macs, 4) if total.macs else 0.0,
                "memory_bytes": sum(layer.memory_bytes for layer in own),
            }
        )
    return views


@dataclass(frozen=True, slots=True)
class LayerTable:
    """A network layer by layer: what `nas cost --per-layer` prints."""

    layers: tuple[Layer, ...]
    words: tuple[str, ...]  # for each layer
    memory: Memory

    def view(self) -> View:
        """Returns every operator, and the memory of an image, for `--json`."""
        rows = [
            asdict(layer) | {"memory_bytes": layer.memory_bytes, "words": words}
            for layer, words in zip(self.layers, self.words, strict=True)
        ]
        held = asdict(self.memory) | {
            "forward_bytes": self.memory.forward_bytes,
            "forward_backward_bytes": self.memory.forward_backward_bytes,
            "convention": CONVENTION,
        }
        return {"layers": rows, "memory": held}

    def rows(self) -> Iterator[View]:
        """Yields a row for each layer that has memory of its own, with what is computed in its place; then all."""
        groups: dict[str, list[int]] = {}
        for number, layer in enumerate(self.layers):
            groups.setdefault(layer.stored_in, []).append(number)
        for name, numbers in groups.items():
            own = [self.layers[number] for number in numbers]
            yield _row(name, ", ".join(self.words[number] for number in numbers), own)
        yield _row("total", "", self.layers) | {"output": ""}


def layer_table(architecture: Architecture) -> LayerTable:
    """Returns a network layer by layer."""
    graph = lower(architecture)
    words = [operator_words(node.operator, graph.input_shapes(node)[0][0]) for node in graph.nodes]
    return LayerTable(tuple(layers(architecture)), tuple(words), memory(architecture))


def _row(name: str, words: str, own: Sequence[Layer]) -> View:
    return {
        "layer": name,
        "operators": words,
        "output": shape_words(own[-1].output),
        "params": sum(layer.params for layer in own),
        "macs": sum(layer.macs for layer in own),
        "memory_kib": round(sum(layer.memory_bytes for layer in own) / 1024, 1),
    }


def _ratio(one: int, other: int) -> float | None:
    return round(one / other, 4) if other else None


def _matches(name: str, pattern: str | None) -> bool:
    if pattern is None:
        return True
    return fnmatch.fnmatchcase(name, pattern) if set(pattern) & set("*?[") else pattern in name


def _stage_name(layer: str) -> str:
    """Returns the stage of a layer: `stages.2` of `stages.2.blocks.0.conv`, `stem` of `stem.conv`."""
    first, second = layer.split(".")[:2]
    return f"{first}.{second}" if first in ("stages", "auxiliary") else first
