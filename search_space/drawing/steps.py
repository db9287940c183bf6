"""A network as the copies of its blocks, one after another, with what each reads and hands on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from search_space.architecture import Architecture, Stage
from search_space.cost import Cost, graph_cost
from search_space.graph import Graph
from search_space.lowering import parts
from search_space.operators import Shape


@dataclass(frozen=True, slots=True)
class Step:
    """One copy of a block."""

    name: str
    graph: Graph
    stage: Stage
    auxiliary: bool
    cost: Cost

    @property
    def place(self) -> str:
        """The name of its stage: `stages.2` of `stages.2.blocks.0`."""
        return self.name.partition(".blocks.")[0]

    @property
    def made(self) -> tuple[Shape, ...]:
        """The shapes of what it computes and hands on."""
        first = len(self.graph.inputs)
        return tuple([self.graph.shape(value) for value in self.graph.outputs if value >= first])

    @property
    def used(self) -> list[int]:
        """Which of the carried maps it reads."""
        first = len(self.graph.inputs)
        return sorted({value for node in self.graph.nodes for value in node.inputs if value < first})


def steps(architecture: Architecture) -> Iterator[Step]:
    """Yields stem, blocks, auxiliary classifiers and head, in the order of their computation."""
    costs: dict[int, Cost] = {}  # by graph: equal copies share theirs
    for part in parts(architecture):
        if id(part.graph) not in costs:
            costs[id(part.graph)] = graph_cost(part.graph)
        stage = _stage(architecture, part.name)
        yield Step(part.name, part.graph, stage, part.auxiliary, costs[id(part.graph)])


def runs(members: Sequence[Step]) -> Iterator[list[Step]]:
    """Yields the steps, equal neighbours of a stage together."""
    run: list[Step] = []
    for step in members:
        if run and (run[-1].place, run[-1].graph) != (step.place, step.graph):
            yield run
            run = []
        run.append(step)
    if run:
        yield run


def _stage(architecture: Architecture, name: str) -> Stage:
    kind, *numbers = name.split(".")
    if kind == "stages":
        return architecture.stages[int(numbers[0])]
    if kind == "auxiliary":
        return architecture.auxiliary[int(numbers[0])].head
    return architecture.stem if kind == "stem" else architecture.head
