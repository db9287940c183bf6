"""What an architecture is: one immutable value with a canonical JSON and a digest."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Annotated, Any

from search_space.blocks import BLOCKS, Options
from search_space.graph import Conventions
from search_space.schema import (
    ArchitectureError,
    Plain,
    Range,
    check,
    decode,
    encode,
    json_schema,
    nearest,
    require_object,
    shown,
)

FORMAT = 1
MAX_DOCUMENT_BYTES = 1_000_000
MAX_BLOCKS = 5_000
STAGE_FIELDS = ["block", "repeats", "channels", "stride", "options"]


@dataclass(frozen=True, slots=True)
class Stage:
    """Copies of one block. The first has the stride and the change of channels, the others neither."""

    block: str
    repeats: Annotated[int, Range(1, 1_000)]
    channels: Annotated[int, Range(0, 65_536)]  # 0 where the block may keep as many as enter
    stride: Annotated[int, Range(1, 16)] = 1
    options: Options = Options()  # the block's own; left out: all its defaults

    def __post_init__(self) -> None:
        if not isinstance(self.block, str) or self.block not in BLOCKS:
            remedy = nearest(str(self.block)[:60], BLOCKS)
            raise ArchitectureError("block", f"must be a known block, got {shown(self.block)}; {remedy}")
        block = BLOCKS[self.block]
        if type(self.options) is Options:
            object.__setattr__(self, "options", block.options())
        if type(self.options) is not block.options:
            expected, given = block.options.__name__, type(self.options).__name__
            raise ArchitectureError(
                "options", f"must be {expected} for the block {self.block}, got {given}; change one"
            )
        check(self)
        if self.channels == 0 and not block.keeps_channels:
            raise ArchitectureError(
                "channels", "must be a whole number of at least 1, got 0; say how wide the stage is"
            )


@dataclass(frozen=True, slots=True)
class Auxiliary:
    """A second classifier on the map after a stage, for training only (GoogLeNet, section 5)."""

    after: Annotated[int, Range(0, 255)]  # index of the stage
    head: Stage

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True)  # no slots: the canonical document and its digest are computed once a value
class Architecture:
    """A network as a value: hashable, comparable, one line of JSON.

    Args:
        resolution: side of the square input in pixels, in [1, 8192].
        stem: what turns the image into the first map; one block.
        stages: what follows, in order; at most 256.
        head: what turns the last map into class scores; one block.
        num_classes: scores that the head gives, in [1, 1000000].
        input_channels: channels of the image, in [1, 4096].
        auxiliary: further classifiers for training.
        conventions: padding and normalisation in the whole network.

    Example:
        >>> from search_space.blocks import MBConvOptions
        >>> tiny = Architecture(32, Stage("stem", 1, 16, 2), (Stage("mbconv", 2, 24, 2, MBConvOptions(4)),),
        ...                     Stage("classifier", 1, 0), num_classes=10)
        >>> Architecture.from_json(tiny.to_json()) == tiny
        True

    Raises:
        ArchitectureError: a field breaks its rule; the message leads to it.
    """

    resolution: Annotated[int, Range(1, 8_192)]
    stem: Stage
    stages: tuple[Stage, ...]
    head: Stage
    num_classes: Annotated[int, Range(1, 1_000_000)] = 1000
    input_channels: Annotated[int, Range(1, 4_096)] = 3
    auxiliary: tuple[Auxiliary, ...] = ()
    conventions: Conventions = Conventions()

    def __post_init__(self) -> None:
        check(self)
        for name, stage in (("stem", self.stem), ("head", self.head)):
            if stage.repeats != 1:
                raise ArchitectureError(
                    f"{name}.repeats", f"must be 1, got {stage.repeats}; put repeats into stages"
                )
        heads = [(f"auxiliary[{index}].head", aux.head) for index, aux in enumerate(self.auxiliary)]
        for name, stage in (("head", self.head), *heads):
            if not BLOCKS[stage.block].head:
                raise ArchitectureError(
                    f"{name}.block", f"must give class scores, {stage.block} does not; {_heads()}"
                )
        for name, stage in (("stem", self.stem), *((f"stages[{i}]", s) for i, s in enumerate(self.stages))):
            if BLOCKS[stage.block].head:
                raise ArchitectureError(
                    f"{name}.block", f"must give a map, {stage.block} gives scores; move it to head"
                )
        blocks = sum(stage.repeats for stage in self.stages)
        if blocks > MAX_BLOCKS:
            raise ArchitectureError(
                "stages", f"must hold at most {MAX_BLOCKS} blocks, got {blocks}; lower repeats"
            )
        for index, auxiliary in enumerate(self.auxiliary):
            if auxiliary.after >= len(self.stages):
                problem = (
                    f"must be the index of a stage, below {len(self.stages)}, got {auxiliary.after}; lower it"
                )
                raise ArchitectureError(f"auxiliary[{index}].after", problem)

    def to_json(self) -> str:
        """Returns the canonical document: one line, sorted keys, no spaces, defaults left out."""
        return self._document

    def to_dict(self) -> Plain:
        """Returns the document as plain values."""
        return {"format": FORMAT, **encode(self)}

    @cached_property
    def digest(self) -> str:
        """The sha256 of the canonical document, in hexadecimal: the same in every process and version."""
        return hashlib.sha256(self._document.encode()).hexdigest()

    @cached_property
    def _document(self) -> str:
        return json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"), allow_nan=False)

    @staticmethod
    def from_json(text: str) -> Architecture:
        """Returns the architecture that a document describes.

        Raises:
            ArchitectureError: the text is no JSON, too large, nested too deep, or a field is wrong.
        """
        return Architecture.from_dict(_parsed(text))

    @staticmethod
    def from_dict(data: object) -> Architecture:
        """Returns the architecture that plain values describe.

        Raises:
            ArchitectureError: a field is missing, unknown or wrong; the message has its path.
        """
        known = ["format", *(field.name for field in dataclasses.fields(Architecture))]
        table = require_object(data, known)
        if table.get("format") != FORMAT or type(table.get("format")) is not int:
            raise ArchitectureError(
                "format", f"must be {FORMAT}, got {table.get('format')!r:.60}; convert the document"
            )
        body = {key: value for key, value in table.items() if key != "format"}
        converted: Plain = {name: _stage(body[name], name) for name in ("stem", "head") if name in body}
        if "stages" in body:
            converted["stages"] = _each(body["stages"], "stages", lambda item: _stage(item, ""))
        if "auxiliary" in body:
            converted["auxiliary"] = _each(body["auxiliary"], "auxiliary", _auxiliary)
        return decode(Architecture, body, converted)

    def at(self, *, resolution: int | None = None, num_classes: int | None = None) -> Architecture:
        """Returns this architecture for another input size or number of classes."""
        side = self.resolution if resolution is None else resolution
        classes = self.num_classes if num_classes is None else num_classes
        return replace(self, resolution=side, num_classes=classes)


def schema() -> Plain:
    """Returns the JSON Schema (draft 2020-12) of an architecture's document."""
    kinds = [_stage_schema(name) for name in sorted(BLOCKS)]
    stage = {"$ref": "#/$defs/stage"}
    auxiliary = json_schema(Auxiliary)
    auxiliary["properties"]["head"] = stage
    document = json_schema(Architecture)
    document["properties"] |= {
        "format": {"const": FORMAT},
        "stem": stage,
        "head": stage,
        "stages": {"type": "array", "items": stage, "maxItems": 256},
        "auxiliary": {"type": "array", "items": auxiliary, "maxItems": 256, "default": []},
    }
    document["required"] = ["format", *document["required"]]
    title = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Architecture"}
    return title | document | {"$defs": {"stage": {"oneOf": kinds}}}


def joined(stages: Sequence[Stage]) -> tuple[Stage, ...]:
    """Returns the same network with every stage that merely continues the one before joined to it."""
    runs: list[Stage] = []
    for stage in stages:
        last = runs[-1] if runs else None
        if last is not None and stage.stride == 1 and stage == replace(last, repeats=stage.repeats, stride=1):
            runs[-1] = replace(last, repeats=last.repeats + stage.repeats)
        else:
            runs.append(stage)
    return tuple(runs)


def _heads() -> str:
    return f"choose {' or '.join(sorted(name for name, block in BLOCKS.items() if block.head))}"


def _stage_schema(block: str) -> Plain:
    document = json_schema(Stage)
    document["properties"] |= {"block": {"const": block}, "options": json_schema(BLOCKS[block].options)}
    if not BLOCKS[block].keeps_channels:
        document["properties"]["channels"] = document["properties"]["channels"] | {"minimum": 1}
    return document


def _parsed(text: str) -> object:
    if len(text.encode()) > MAX_DOCUMENT_BYTES:
        raise ArchitectureError(
            "", f"the document must have at most {MAX_DOCUMENT_BYTES} bytes, got {len(text.encode())}"
        )
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_refused)
    except RecursionError:
        raise ArchitectureError(
            "", "the document must not nest so deep; an architecture needs six levels"
        ) from None
    except ArchitectureError:
        raise
    except ValueError as error:
        raise ArchitectureError("", f"the document must be JSON, got {error}; correct it there") from None


def _unique(pairs: list[tuple[str, Any]]) -> Plain:
    table = dict(pairs)
    if len(table) != len(pairs):
        twice = next(key for index, (key, _) in enumerate(pairs) if key in dict(pairs[:index]))
        raise ArchitectureError(twice[:60], "must stand once in its object, got it twice; delete one")
    return table


def _refused(constant: str) -> None:
    raise ArchitectureError("", f"the document must hold finite numbers, got {constant}; write a number")


def _stage(data: object, path: str) -> Stage:
    try:
        table = require_object(data, STAGE_FIELDS)
        block = table.get("block")
        if "options" not in table or not isinstance(block, str) or block not in BLOCKS:
            return decode(Stage, {key: value for key, value in table.items() if key != "options"})
        try:
            options = decode(BLOCKS[block].options, table["options"])
        except ArchitectureError as error:
            raise error.under("options") from None
        return decode(Stage, table, {"options": options})
    except ArchitectureError as error:
        raise error.under(path) from None


def _auxiliary(data: object) -> Auxiliary:
    table = require_object(data, ["after", "head"])
    head = {"head": _stage(table["head"], "head")} if "head" in table else {}
    return decode(Auxiliary, table, head)


def _each(data: object, name: str, convert: Any) -> tuple[Any, ...]:
    if not isinstance(data, list):
        raise ArchitectureError(name, f"must be a list, got {data!r:.60}; write [...]")
    values = []
    for index, item in enumerate(data[:257]):
        try:
            values.append(convert(item))
        except ArchitectureError as error:
            raise error.under(f"{name}[{index}]") from None
    return tuple(values)
