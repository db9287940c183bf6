"""Commands about architectures, without a ledger: cost, space show, zoo list, zoo show."""

from __future__ import annotations

import dataclasses
import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nas.cli.exits import CommandError, Exit
from nas.cli.session import Session, number, verb, whole
from nas.flags import FLAGS

if TYPE_CHECKING:
    from search_space import Architecture

_SPACE = tuple(
    flag for flag in FLAGS if flag.name in ("space", "width", "resolution", "classes", "target", "cost")
)

Name = Annotated[
    str, typer.Argument(metavar="NAME|FILE", help="Of the zoo (`nas zoo list`), or architecture.json.")
]
Factor = Annotated[
    float | None,
    typer.Option(parser=number, metavar="F", help="As in the EfficientNet paper.", show_default=False),
]


def register(app: typer.Typer) -> None:
    """Adds the commands to `app`."""
    verb(app, "cost", flags=())(cost)
    space = typer.Typer(no_args_is_help=True, help="Search spaces.")
    verb(space, "show", flags=_SPACE)(space_show)
    app.add_typer(space, name="space")
    zoo = typer.Typer(no_args_is_help=True, help="The reference networks.")
    verb(zoo, "list", flags=())(zoo_list)
    verb(zoo, "show", flags=())(zoo_show)
    app.add_typer(zoo, name="zoo")


@dataclass(frozen=True, slots=True)
class Scaling:
    """How a network is changed before it is counted; None leaves it as it is."""

    depth: float | None = None
    width: float | None = None
    resolution_factor: float | None = None
    resolution: int | None = None
    classes: int | None = None

    def __call__(self, architecture: Architecture) -> Architecture:
        from search_space import scale

        if self.resolution is not None and self.resolution_factor is not None:
            raise CommandError(
                "the resolution must be given once, got --resolution and --resolution-factor; drop one"
            )
        factors = (self.depth, self.width, self.resolution_factor)
        if any(factor is not None for factor in factors):
            depth, width, resolution = (1.0 if factor is None else factor for factor in factors)
            architecture = scale(architecture, depth=depth, width=width, resolution=resolution)
        if self.resolution is not None:
            architecture = dataclasses.replace(architecture, resolution=self.resolution)
        if self.classes is not None:
            architecture = dataclasses.replace(architecture, num_classes=self.classes)
        return architecture


def cost(
    session: Session,
    name: Name,
    width: Factor = None,
    depth: Factor = None,
    resolution_factor: Factor = None,
    resolution: Annotated[
        int | None, typer.Option(parser=whole, metavar="PIXELS", help="Side of the input.")
    ] = None,
    classes: Annotated[
        int | None, typer.Option(parser=whole, metavar="N", help="Scores that the head gives.")
    ] = None,
    per_layer: Annotated[bool, typer.Option("--per-layer", help="One line an operator.")] = False,
) -> None:
    """Count a network: MACs (the papers' FLOPs), parameters, activations, peak memory."""
    from search_space import layers

    title, architecture = load_architecture(name)
    architecture = Scaling(depth, width, resolution_factor, resolution, classes)(architecture)
    if per_layer:
        rows = [dataclasses.asdict(layer) for layer in layers(architecture)]
        session.rows(rows, title=title)
    else:
        session.facts(cost_view(title, architecture))


def space_show(
    session: Session,
    space: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="Like --space.", show_default=False)
    ] = None,
) -> None:
    """Show a space: its size, its choices, and the costs of a sample of its networks."""
    settings = session.configuration().settings
    view = space_view(
        space or settings.search.space,
        resolution=settings.data.resolution,
        num_classes=settings.data.num_classes or 10,
        width=settings.search.width or 1.0,
    )
    if session.json:
        session.printer.json(view)
        return
    choices = view.pop("choices")
    session.facts(view)
    session.rows([{"choice": name, "options": options} for name, options in choices.items()])


def zoo_list(session: Session) -> None:
    """List the reference networks with their costs."""
    from search_space import reference, reference_names

    rows = [cost_view(name, reference(name)) for name in reference_names()]
    session.rows(rows, columns=("name", "resolution", "params", "macs", "activations", "peak_memory_bytes"))


def zoo_show(session: Session, name: Name) -> None:
    """Show a reference network: its stages and its costs."""
    title, architecture = load_architecture(name)
    if session.json:
        session.printer.json(cost_view(title, architecture) | {"architecture": architecture.to_dict()})
        return
    session.facts(cost_view(title, architecture))
    stages = (("stem", architecture.stem), *enumerate(architecture.stages), ("head", architecture.head))
    rows = [{"stage": str(key), **_stage_view(stage)} for key, stage in stages]
    session.rows(rows)


def load_architecture(text: str) -> tuple[str, Architecture]:
    """Returns the name and the value of a zoo network or of an architecture's JSON file.

    Raises:
        CommandError: where there is neither; ArchitectureError: where the file holds something else.
    """
    from search_space import Architecture, reference, reference_names

    path = Path(text)
    if path.is_file():
        return path.stem, Architecture.from_json(_read(path))
    if text in reference_names():
        return text, reference(text)
    if path.suffix == ".json" or "/" in text:
        raise CommandError(
            f"the file of an architecture must exist, got {text!r}; check the path", Exit.NOT_FOUND
        )
    near = difflib.get_close_matches(text, reference_names(), n=1)
    hint = f"did you mean {near[0]}?" if near else "`nas zoo list` lists the names"
    raise CommandError(
        f"a network must be one of the zoo's or a JSON file, got {text!r}; {hint}", Exit.NOT_FOUND
    )


def cost_view(name: str, architecture: Architecture) -> dict[str, Any]:
    """Returns what `nas cost --json` prints."""
    import search_space

    costs = search_space.cost(architecture)
    return {
        "name": name,
        "digest": architecture.digest,
        "resolution": architecture.resolution,
        "params": costs.params,
        "macs": costs.macs,
        "activations": costs.activations,
        "peak_memory_bytes": costs.peak_memory_bytes,
    }


def space_view(name: str, *, resolution: int, num_classes: int, width: float) -> dict[str, Any]:
    """Returns a space's choices, and the quartiles of MACs and parameters of 1,000 networks drawn from it."""
    import numpy as np

    from search_space import open_space

    space = open_space(name, resolution=resolution, num_classes=num_classes, width=width)
    rng = np.random.default_rng(0)
    costs = space.costs(np.array([space.sample(rng) for _ in range(1000)]))
    shares = (0, 25, 50, 75, 100)
    return {
        "name": space.name,
        "version": space.version,
        "size": space.size,
        "resolution": resolution,
        "num_classes": num_classes,
        "macs_quartiles": [int(value) for value in np.percentile(costs.macs, shares)],
        "params_quartiles": [int(value) for value in np.percentile(costs.params, shares)],
        "choices": {choice.name: list(choice.options) for choice in space.choices},
    }


def _stage_view(stage: Any) -> dict[str, Any]:
    plain = {
        "block": stage.block,
        "repeats": stage.repeats,
        "channels": stage.channels,
        "stride": stage.stride,
    }
    return plain | {"options": str(stage.options).partition("(")[2].removesuffix(")")}


def _read(path: Path) -> str:
    from search_space.architecture import MAX_DOCUMENT_BYTES

    if path.stat().st_size > MAX_DOCUMENT_BYTES:
        raise CommandError(
            f"an architecture must have at most {MAX_DOCUMENT_BYTES} bytes, got {path.stat().st_size};"
            " name another file"
        )
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise CommandError(
            f"an architecture must be JSON in UTF-8, got another file: {str(path)!r}; name another"
        ) from None
