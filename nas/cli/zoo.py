"""Commands about the reference networks: zoo list, zoo show, zoo compare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from nas.cli.architectures import Name, load_architecture, mebibytes
from nas.cli.exits import CommandError, Exit
from nas.cli.files import require_suffix, write_whole
from nas.cli.session import Session, verb

Limit = Annotated[str | None, typer.Option(metavar="N", help="At most so many, such as 600M.")]

COLUMNS = (
    "name",
    "family",
    "resolution",
    "params",
    "macs",
    "activations",
    "peak_memory_bytes",
    "top1",
    "top1_data",
)
COMPARED = (
    "name",
    "resolution",
    "params",
    "params_ratio",
    "macs",
    "macs_ratio",
    "activations",
    "peak_memory_bytes",
    "top1",
    "top1_data",
)


def register(app: typer.Typer) -> None:
    """Adds the commands to `app`."""
    zoo = typer.Typer(no_args_is_help=True, help="The reference networks.")
    verb(zoo, "list", flags=())(zoo_list)
    verb(zoo, "show", flags=())(zoo_show)
    verb(zoo, "compare", flags=())(zoo_compare)
    app.add_typer(zoo, name="zoo")


def zoo_list(
    session: Session,
    pattern: Annotated[
        str | None,
        typer.Argument(metavar="[PATTERN]", help="A part of the name, or with * and ? all of it."),
    ] = None,
    family: Annotated[str | None, typer.Option("--family", metavar="NAME", help="One family only.")] = None,
    max_macs: Limit = None,
    max_params: Limit = None,
    sort: Annotated[
        str | None, typer.Option("--sort", metavar="COLUMN", help="The smallest first; without: by family.")
    ] = None,
    reverse: Annotated[bool, typer.Option("--reverse", help="The other way round.")] = False,
) -> None:
    """List the reference networks with their costs and published accuracies."""
    from nas.networks import network_views
    from search_space.zoo import FAMILIES

    _require_known("the family", family, tuple(FAMILIES))
    _require_known("the column to sort by", sort, COLUMNS)
    rows = network_views(
        group=family,
        pattern=pattern,
        max_macs=_quantity(max_macs, "--max-macs"),
        max_params=_quantity(max_params, "--max-params"),
    )
    session.rows(_sorted(rows, sort, reverse), columns=COLUMNS)
    if pattern is not None and not rows and not session.json:
        session.printer.message(_nearest_names(pattern))


def zoo_show(session: Session, name: Name) -> None:
    """Show a network: its costs beside the published ones, and each stage's."""
    from nas.networks import network_view, published_view, same_references, stage_views

    title, architecture = load_architecture(name)
    is_file = Path(name).is_file()
    view = network_view(title, architecture if is_file else None)
    same = [other for other in same_references(architecture) if is_file or other != title]
    known = None if is_file else published_view(title)
    stages = stage_views(architecture)
    if session.json:
        document = {"architecture": architecture.to_dict(), "published": known, "stages": stages}
        session.printer.json(view | document | {"same_network_as": same})
        return
    facts = {key: view[key] for key in view if not key.startswith("top1")}
    session.facts(facts | ({"same network as": ", ".join(same)} if same else {}))
    rows = [stage | {"output": "×".join(map(str, stage["output"]))} for stage in stages]
    shown = [
        row
        | {
            "share": f"{100 * row['share']:.1f} %",
            "memory_bytes": None,
            "memory": mebibytes(row["memory_bytes"]),
        }
        for row in rows
    ]
    columns = ("stage", "block", "details", "output", "params", "macs", "share", "memory")
    session.rows(shown, columns=columns, title="stages")
    if known is not None:
        _show_published(session, known)


def zoo_compare(
    session: Session,
    names: Annotated[
        list[str], typer.Argument(metavar="NAME|FILE...", help="Of the zoo, or architecture.json.")
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="Published accuracy over MACs, as .svg or .png."),
    ] = None,
) -> None:
    """Compare networks side by side, and draw their published accuracy over their MACs."""
    from nas.networks import compared, network_view

    kind = require_suffix(out, (".svg", ".png"), "a plot") if out is not None else ""
    loaded = [(name, *load_architecture(name)) for name in dict.fromkeys(names)]
    rows = compared(
        [
            network_view(title, architecture if Path(name).is_file() else None)
            for name, title, architecture in loaded
        ],
        [architecture for _, _, architecture in loaded],
    )
    left_out = _plotted(session, rows, out, kind) if out is not None else []
    if session.json:
        plot = {"file": str(out), "left_out": left_out} if out is not None else None
        session.printer.json({"networks": rows, "plot": plot})
        return
    session.rows(rows, columns=COMPARED)
    same = {tuple(sorted((row["name"], *row["same_network_as"]))) for row in rows if row["same_network_as"]}
    for names_of_one in sorted(same):
        session.facts({"one network": " = ".join(names_of_one)})


def _plotted(session: Session, rows: Sequence[Mapping[str, Any]], out: Path, kind: str) -> list[str]:
    """Writes the plot; returns and tells which networks are not in it."""
    from nas.charts import bubbles, drawable

    shown, others = drawable([dict(row) for row in rows])
    if not shown:
        raise CommandError(
            "a plot must have a network with a published accuracy, got none; add one of the zoo, or leave out --out",
            Exit.NOT_FOUND,
        )
    write_whole(out, bubbles(shown, kind))
    session.printer.message(f"drew {len(shown)} networks: {out}")
    data = shown[0]["top1_data"]
    if others:
        names = ", ".join(row["name"] for row in others)
        session.printer.message(f"left out of the plot, without a published top-1 on {data}: {names}")
    return [row["name"] for row in others]


def _nearest_names(pattern: str) -> str:
    """Returns what to type instead of a pattern that no network has."""
    import difflib

    from search_space import reference_names

    near = difflib.get_close_matches(pattern.strip("*?"), reference_names(), n=3, cutoff=0.5)
    return f"did you mean {' or '.join(near)}?" if near else "`nas zoo list` lists all names"


def _show_published(session: Session, known: Mapping[str, Any]) -> None:
    rows = [
        {"count": key, **known[key]} | {"difference": None if one is None else f"{100 * one:+.1f} %"}
        for key, one in ((key, known[key]["difference"]) for key in ("params", "macs"))
        if known[key]["published"] is not None
    ]
    if rows:
        session.rows(rows, title="published")
    top1 = known["top1"]
    percent = (
        None if top1["percent"] is None else f"{top1['percent']:g} % on {top1['data']} ({top1['source']})"
    )
    facts = {"published in": known["source"], "published top-1": percent, "why ours differ": known["note"]}
    session.facts(
        {key: value for key, value in facts.items() if value is not None or key != "why ours differ"}
    )


def _sorted(rows: Sequence[dict[str, Any]], column: str | None, reverse: bool) -> list[dict[str, Any]]:
    """Returns rows in the order asked for; those without a value come last either way, equal ones by name."""
    if column is None:
        return list(rows)[::-1] if reverse else list(rows)
    valued = sorted((row for row in rows if row[column] is not None), key=lambda row: row["name"])
    valued.sort(key=lambda row: row[column], reverse=reverse)
    return [*valued, *(row for row in rows if row[column] is None)]


def _quantity(text: str | None, option: str) -> float | None:
    from nas.reward import parse_quantity

    try:
        return None if text is None else parse_quantity(text)
    except ValueError as error:
        raise CommandError(f"{option}: {error}") from None


def _require_known(what: str, name: str | None, known: Sequence[str]) -> None:
    import difflib

    if name is not None and name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"choose one of {', '.join(known)}"
        raise CommandError(f"{what} must be a known one, got {name!r}; {hint}")
