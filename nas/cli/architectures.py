"""Commands about architectures, without a ledger: cost, space show."""

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
    from nas.networks import LayerTable
    from search_space import Architecture, SearchSpace

_SPACE = tuple(flag for flag in FLAGS if flag.group == "What" or flag.name in ("target", "cost"))

Name = Annotated[
    str, typer.Argument(metavar="NAME|FILE", help="Of the zoo (`nas zoo list`), or architecture.json.")
]
Width = Annotated[
    float | None,
    typer.Option(
        parser=number,
        metavar="F",
        show_default=False,
        help="Multiplies the channels, to the nearest legal width: of EfficientNet's 40, 1.2 makes 48.",
    ),
]
Depth = Annotated[
    float | None,
    typer.Option(
        parser=number,
        metavar="F",
        show_default=False,
        help="Multiplies the blocks of each stage, rounded up: of 2, 1.2 makes 3.",
    ),
]
ResolutionFactor = Annotated[
    float | None,
    typer.Option(
        parser=number,
        metavar="F",
        show_default=False,
        help="Multiplies the side of the input, in pixels: of 224, 1.5 makes 336.",
    ),
]


def register(app: typer.Typer) -> None:
    """Adds the commands to `app`."""
    verb(app, "cost", flags=())(cost)
    space = typer.Typer(no_args_is_help=True, help="Search spaces.")
    verb(space, "show", flags=_SPACE)(space_show)
    app.add_typer(space, name="space")


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
    width: Width = None,
    depth: Depth = None,
    resolution_factor: ResolutionFactor = None,
    resolution: Annotated[
        int | None, typer.Option(parser=whole, metavar="PIXELS", help="Side of the input.")
    ] = None,
    classes: Annotated[
        int | None, typer.Option(parser=whole, metavar="N", help="Scores that the head gives.")
    ] = None,
    per_layer: Annotated[
        bool, typer.Option("--per-layer", help="A line a layer, and the memory of an image.")
    ] = False,
) -> None:
    """Count a network: MACs (the papers' FLOPs), parameters, activations, peak memory."""
    from nas.networks import cost_view, layer_table

    title, architecture = load_architecture(name)
    architecture = Scaling(depth, width, resolution_factor, resolution, classes)(architecture)
    if not per_layer:
        session.facts(cost_view(title, architecture))
        return
    table = layer_table(architecture)
    if session.json:
        session.printer.json(cost_view(title, architecture) | table.view())
        return
    session.rows(list(table.rows()), title=title)
    session.facts(_memory_facts(table))


def space_show(
    session: Session,
    space: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="Like --space.", show_default=False)
    ] = None,
) -> None:
    """Show the space that `nas search` would search with these settings: its choices, and what its networks cost."""
    settings = session.configuration().settings
    if space is not None:
        settings = settings.model_copy(update={"search": settings.search.model_copy(update={"space": space})})

    from nas.evaluation.data import load
    from nas.stages.preparation import make_space, with_width

    dataset = load(settings.data)
    view = space_view(make_space(with_width(settings, dataset), dataset))
    if session.json:
        session.printer.json(view)
        return
    choices = view.pop("choices")
    session.facts(view)
    session.rows([{"choice": name, "options": options} for name, options in choices.items()])


def load_architecture(text: str) -> tuple[str, Architecture]:
    """Returns the name and the value of a zoo network or of an architecture's JSON file.

    Raises:
        CommandError: where there is neither, or the file holds something else; UnknownNetwork: where only numbers
            were published.
    """
    from search_space import Architecture, ArchitectureError, reference, reference_names
    from search_space.zoo.publications import UNPUBLISHED

    path = Path(text)
    if path.is_file():
        try:
            return path.stem, Architecture.from_json(_read(path))
        except ArchitectureError as error:
            raise CommandError(f"{str(path)!r} must hold an architecture: {error}") from None
    if text in reference_names() or text in UNPUBLISHED:
        return text, reference(text)  # which says why there is none
    if path.suffix == ".json" or "/" in text:
        raise CommandError(
            f"the file of an architecture must exist, got {text!r}; check the path", Exit.NOT_FOUND
        )
    near = difflib.get_close_matches(text, reference_names(), n=1)
    hint = f"did you mean {near[0]}?" if near else "`nas zoo list` lists the names"
    raise CommandError(
        f"a network must be one of the zoo's or a JSON file, got {text!r}; {hint}", Exit.NOT_FOUND
    )


def space_view(space: SearchSpace) -> dict[str, Any]:
    """Returns a space's choices, and the quartiles of MACs and parameters of 1,000 networks drawn from it."""
    import numpy as np

    rng = np.random.default_rng(0)
    costs = space.costs(np.array([space.sample(rng) for _ in range(1000)]))
    shares = (0, 25, 50, 75, 100)
    return {
        "name": space.name,
        "version": space.version,
        "size": space.size,
        "width": space.width,
        "resolution": space.resolution,
        "input_channels": space.input_channels,
        "num_classes": space.num_classes,
        "macs_quartiles": [int(value) for value in np.percentile(costs.macs, shares)],
        "params_quartiles": [int(value) for value in np.percentile(costs.params, shares)],
        "choices": {choice.name: list(choice.options) for choice in space.choices},
    }


def _memory_facts(table: LayerTable) -> dict[str, str]:
    from nas.networks import CONVENTION

    held = table.memory
    return {
        "memory of an image, forward": mebibytes(held.forward_bytes),
        "forward and backward": mebibytes(held.forward_backward_bytes),
        "weights, once": mebibytes(held.weights_bytes),
        "convention": CONVENTION,
    }


def mebibytes(num_bytes: int) -> str:
    """Returns a memory size as people read it."""
    return f"{num_bytes / 2**20:.1f} MiB"


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
