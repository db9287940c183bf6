"""A network's classes as readable Python that needs torch alone.

`Network` has the state-dict names of `build`, so the weights of one load into the other. Blocks that differ in
numbers only share a class, whose constructor takes the numbers.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from search_space import modules, operators
from search_space.architecture import Architecture
from search_space.blocks import BLOCKS
from search_space.cost import cost
from search_space.export.layout import Call, Item, Repeat, lines
from search_space.graph import Node, Part
from search_space.modules import Construction, Rates, construction

VARIABLES = ("y", "z", "w", "v", "u", "t", "s", "r", "q", "p")
HELPERS: tuple[Callable[..., Any], ...] = (
    modules.same_padded,
    modules.SameConv2d,
    modules.SameMaxPool2d,
    modules.SameAvgPool2d,
    modules.DropPath,
    modules.Gather,
    modules.LearnedGroupConv2d,
    modules.ChannelShuffle,
)
EXPRESSIONS: dict[type[operators.Operator], Callable[[Any, Sequence[str]], str]] = {
    operators.Flatten: lambda op, x: f"torch.flatten({x[0]}, 1)",
    operators.Add: lambda op, x: f"{x[0]} + {x[1]}",
    operators.Multiply: lambda op, x: f"{x[0]} * {x[1]}",
    operators.Concat: lambda op, x: f"torch.cat(({', '.join(x)}), 1)",
    operators.Slice: lambda op, x: f"{x[0]}[:, {op.start}:{op.stop}]",
    operators.PadChannels: lambda op, x: f"F.pad({x[0]}, (0, 0, 0, 0, 0, {op.channels} - {x[0]}.shape[1]))",
    operators.Shift: lambda op, x: f"F.pad({x[0]}, (-1, 1, -1, 1))",
}
WIDTHS = {"in_channels", "out_channels", "num_features", "groups", "in_features", "out_features"}


@dataclass(slots=True)
class BlockClass:
    """Blocks of one structure: they become one class."""

    name: str
    example: Part
    members: list[Part] = field(default_factory=list)
    made: list[list[Construction | None]] = field(default_factory=list)  # per member, per node

    def values(self, node: int, argument: str) -> tuple[Any, ...]:
        """Returns what each member gives for an argument of one of its modules."""
        return tuple(one.arguments[argument] for constructions in self.made if (one := constructions[node]))

    def columns(self) -> dict[tuple[str, tuple[Any, ...]], str]:
        """Returns the constructor's arguments: those that differ between members, each with a name."""
        names: dict[tuple[str, tuple[Any, ...]], str] = {}
        for index, node in enumerate(self.example.graph.nodes):
            first = self.made[0][index]
            for argument in first.arguments if first else ():
                column = self.column(index, argument)
                if column and column not in names and self.derived(index, argument) is None:
                    names[column] = _argument_name(node, argument, set(names.values()))
        return names

    def column(self, node: int, argument: str) -> tuple[str, tuple[Any, ...]] | None:
        """Returns the key of a constructor's argument, or None when all members agree."""
        values = self.values(node, argument)
        kind = "width" if argument in WIDTHS else argument
        return (kind, values) if len(set(values)) > 1 else None

    def derived(self, node: int, argument: str) -> str | None:
        """Returns the name of the column that half of gives a symmetric padding."""
        if argument != "padding" or not (kernels := self.column(node, "kernel_size")):
            return None
        return (
            "kernel"
            if all(p == k // 2 for p, k in zip(self.values(node, "padding"), kernels[1], strict=True))
            else None
        )


def network_code(architecture: Architecture, chain: Sequence[Part], rates: Mapping[str, Rates]) -> str:
    """Returns the classes that make up a network: first helpers, at last `Network`.

    Args:
        architecture: what to write.
        chain: its parts, as they are or changed by `folding`.
        rates: of each part, by name.
    """
    several = any(len(part.graph.inputs) > 1 for part in chain)
    classes = _classes(architecture, chain, rates)
    calls = {part.name: call for each in classes for part, call in _calls(each)}
    body = [_class_source(each, several) for each in classes]
    stage = [_stage_source(several)] if architecture.stages else []
    code = "\n\n\n".join([*stage, *body, _network_source(architecture, chain, calls, several)])
    helpers = [inspect.getsource(helper).rstrip() for helper in HELPERS if _used(helper, code)]
    return "\n\n\n".join([*helpers, code])


def imports(code: str) -> list[str]:
    """Returns the import lines that a network's classes need."""
    functional = ["import torch.nn.functional as F"] if "F." in code else []
    return ["import torch", *functional, "from torch import nn"]


def described(architecture: Architecture, notes: Sequence[str] = ()) -> str:
    """Returns the docstring of a network's file; `notes` are lines about where it comes from."""
    total = cost(architecture)
    side = architecture.resolution
    images = f"{architecture.input_channels} x {side} x {side} images and {architecture.num_classes} classes"
    told = "".join(f"{note}\n" for note in notes)
    return (
        f"A network for {images}.\n\n{total.params:,} parameters, {total.macs:,} MACs. "
        f"Use: `load(path)`.\nArchitecture (sha256): {architecture.digest}\n{told}"
    )


def _used(helper: Callable[..., Any], code: str) -> bool:
    return f" {helper.__name__}(" in code or (helper is modules.same_padded and " Same" in code)


def _block_name(architecture: Architecture, part: Part) -> str:
    kind, *rest = part.name.split(".")
    stage = {
        "stem": lambda: architecture.stem,
        "head": lambda: architecture.head,
        "stages": lambda: architecture.stages[int(rest[0])],
        "auxiliary": lambda: architecture.auxiliary[int(rest[0])].head,
    }[kind]()
    return BLOCKS[stage.block].options.__name__.removesuffix("Options")


def _classes(
    architecture: Architecture, chain: Sequence[Part], rates: Mapping[str, Rates]
) -> list[BlockClass]:
    """Returns the parts grouped by structure, in order of their first use."""
    found: dict[Any, BlockClass] = {}
    taken: dict[str, int] = {}
    for part in chain:
        graph = part.graph
        made = [
            construction(node.operator, graph.input_shapes(node), rates[part.name]) for node in graph.nodes
        ]
        key = _structure(part, made)
        if key not in found:
            name = _block_name(architecture, part)
            taken[name] = taken.get(name, 0) + 1
            found[key] = BlockClass(name if taken[name] == 1 else f"{name}{taken[name]}", part)
        found[key].members.append(part)
        found[key].made.append(made)
    return list(found.values())


def _structure(part: Part, made: Sequence[Construction | None]) -> Any:
    """Returns what blocks of one class have in common."""
    nodes = tuple(
        (node.name, node.inputs, node.operator if one is None else (one.cls, tuple(one.arguments)))
        for node, one in zip(part.graph.nodes, made, strict=True)
    )
    return len(part.graph.inputs), nodes, part.graph.outputs, part.name.split(".")[0]


def _calls(each: BlockClass) -> list[tuple[Part, Call]]:
    """Returns each member with the call that makes it."""
    names = each.columns()
    return [
        (part, Call(f"{each.name}(", [f"{name}={column[1][index]!r}" for column, name in names.items()]))
        for index, part in enumerate(each.members)
    ]


def _argument_name(node: Node, argument: str, taken: set[str]) -> str:
    short = {"out_channels": f"{node.name}_channels", "p": "drop_path", "kernel_size": "kernel"}
    name = short.get(argument, argument)
    return name if name not in taken else f"{node.name}_{argument}"


def _class_source(each: BlockClass, several: bool) -> str:
    names = each.columns()
    parameters = ["self", *(f"{name}: {type(column[1][0]).__name__}" for column, name in names.items())]
    where = ", ".join(part.name for part in each.members[:3]) + (", ..." if len(each.members) > 3 else "")
    text = [f"class {each.name}(nn.Module):", f'    """The block of {where}."""', ""]
    text += [*lines(Call("def __init__(", parameters, ") -> None:"), 1), "        super().__init__()"]
    for index, node in enumerate(each.example.graph.nodes):
        made = each.made[0][index]
        if made is not None:
            prefix = "" if made.cls in HELPERS else "nn."
            start = f"self.{node.name} = {prefix}{made.cls.__name__}("
            text += lines(Call(start, _arguments(each, index, made, names)), 2)
    return "\n".join([*text, "", *_forward_source(each.example, several and not _is_head(each.example))])


def _is_head(part: Part) -> bool:
    return part.name == "head" or part.auxiliary


def _arguments(
    each: BlockClass, node: int, made: Construction, names: dict[tuple[str, tuple[Any, ...]], str]
) -> list[str]:
    """Returns a module's arguments as source: by position where required, defaults left out."""
    written = []
    for name, parameter in inspect.signature(made.cls).parameters.items():
        if name not in made.arguments:
            continue
        column = each.column(node, name)
        half = each.derived(node, name)
        if column is None and made.arguments[name] == parameter.default:
            continue
        value = repr(made.arguments[name]) if column is None else f"{half} // 2" if half else names[column]
        written.append(value if parameter.default is inspect.Parameter.empty else f"{name}={value}")
    return written


def _forward_source(part: Part, several: bool) -> list[str]:
    """Returns the forward method: a line an operator, variables reused when no longer needed."""
    graph = part.graph
    uses = [value for node in graph.nodes for value in node.inputs] + list(graph.outputs)
    names = ["x"] if len(graph.inputs) == 1 else [f"x{index}" for index in range(len(graph.inputs))]
    parameters = ["self", *(f"{name}: torch.Tensor" for name in names)]
    returned = "tuple[torch.Tensor, ...]" if several else "torch.Tensor"
    text = lines(Call("def forward(", parameters, f") -> {returned}:"), 1)
    position = 0
    for node in graph.nodes:
        position += len(node.inputs)
        inputs = [names[value] for value in node.inputs]
        alive = {names[value] for value in uses[position:] if value < len(names)}
        target = next((name for name in (*inputs, *VARIABLES) if name not in alive), node.name)
        text.append(f"        {target} = {_expression(node, inputs)}")
        names.append(target)
    outputs = [names[value] for value in graph.outputs]
    ending = f"({outputs[0]},)" if several and len(outputs) == 1 else ", ".join(outputs)
    return _nested([*text, f"        return {ending}"])


def _nested(text: list[str]) -> list[str]:
    """Returns a method with a module's normalisation and activation on the module's own line."""
    merged: list[str] = []
    for line in text:
        target, _, call = line.partition(" = ")
        before, _, inner = merged[-1].partition(" = ") if merged else ("", "", "")
        follows = call.endswith(("_norm(" + target.strip() + ")", "_activation(" + target.strip() + ")"))
        if follows and before == target and inner.startswith("self."):
            merged[-1] = f"{target} = {call.partition('(')[0]}({inner})"
        else:
            merged.append(line)
    return merged


def _expression(node: Node, inputs: Sequence[str]) -> str:
    written = EXPRESSIONS.get(type(node.operator))
    return written(node.operator, inputs) if written else f"self.{node.name}({', '.join(inputs)})"


def _stage_source(several: bool) -> str:
    name, star, kind = ("carry", "*", "tuple[torch.Tensor, ...]") if several else ("x", "", "torch.Tensor")
    return f'''class Stage(nn.Module):
    """Blocks one after another."""

    def __init__(self, *blocks: nn.Module) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)

    def forward(self, {star}{name}: torch.Tensor) -> {kind}:
        for block in self.blocks:
            {name} = block({star}{name})
        return {name}'''


def _network_source(
    architecture: Architecture, chain: Sequence[Part], calls: dict[str, Call], several: bool
) -> str:
    text = [
        "class Network(nn.Module):",
        '    """Images [n, channels, height, width] to class scores [n, classes]."""',
        "",
    ]
    text += ["    def __init__(self) -> None:", "        super().__init__()"]
    text += lines(_prefixed("self.stem = ", calls["stem"]), 2)
    stages: list[Item] = []
    for index in range(len(architecture.stages)):
        blocks = [calls[part.name] for part in chain if part.name.startswith(f"stages.{index}.")]
        stages.append(Call("Stage(", _repeated(blocks)))
    if stages:
        text += ["        self.stages = nn.ModuleList(", "            ["]
        text += [line for stage in stages for line in lines(stage, 4, ",")] + ["            ]", "        )"]
    if architecture.auxiliary:
        heads = [calls[f"auxiliary.{number}"] for number in range(len(architecture.auxiliary))]
        text += lines(Call("self.auxiliary = nn.ModuleList(", [Call("[", heads, "]")]), 2)
    text += lines(_prefixed("self.head = ", calls["head"]), 2)
    return "\n".join([*text, "", *_network_forward(architecture, several)])


def _prefixed(prefix: str, call: Call) -> Call:
    return Call(prefix + call.start, call.items, call.end)


def _repeated(calls: Sequence[Call]) -> list[Item]:
    """Returns calls with equal neighbours as one repetition."""
    items: list[Item] = []
    for call in calls:
        last = items[-1] if items else None
        if isinstance(last, Repeat) and last.call == call:
            items[-1] = Repeat(call, last.times + 1)
        elif last == call:
            items[-1] = Repeat(call, 2)
        else:
            items.append(call)
    return items


def _network_forward(architecture: Architecture, several: bool) -> list[str]:
    star, x = ("*", "carry") if several else ("", "x")
    after = tuple(extra.after for extra in architecture.auxiliary)
    if after:
        return f"""    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, ...]:
        {x} = self.stem(image)
        auxiliary = []
        for index, stage in enumerate(self.stages):
            {x} = stage({star}{x})
            for head, after in zip(self.auxiliary, {after!r}, strict=True):
                if after == index:
                    auxiliary.append(head({star}{x}))
        return (self.head({star}{x}), *auxiliary)""".split("\n")
    loop = (
        ["        for stage in self.stages:", f"            {x} = stage({star}{x})"]
        if architecture.stages
        else []
    )
    start = ["    def forward(self, image: torch.Tensor) -> torch.Tensor:", f"        {x} = self.stem(image)"]
    return [*start, *loop, f"        scores: torch.Tensor = self.head({star}{x})", "        return scores"]
