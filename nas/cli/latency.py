"""Command `latency`: how long a network takes on this machine, and a table of operators to look it up in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nas.cli.exits import CommandError, Exit
from nas.cli.exporting import SUBJECT, Weights, find_subject
from nas.cli.session import Session, verb, whole
from nas.flags import FLAGS

if TYPE_CHECKING:
    from nas.exporting.running import Timed

TABLE = "table"
REFERENCE = "mobilenet_v2_1_0_224"
_SPACE = tuple(flag for flag in FLAGS if flag.name in ("space", "width", "classes"))


def register(app: typer.Typer) -> None:
    """Adds the command to `app`."""
    verb(app, "latency", flags=(*SUBJECT, *_SPACE))(latency)


def latency(
    session: Session,
    what: Annotated[
        str,
        typer.Argument(
            metavar="FILE|NAME|TRIAL|table",
            help="A network, or an exported .onnx as it is; or `table`: the operators of --space.",
        ),
    ],
    device: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="cpu, cuda or onnxruntime; a table has cpu or cuda. [default: cpu; of an .onnx: onnxruntime]",
            show_default=False,
        ),
    ] = None,
    batch: Annotated[int, typer.Option(parser=whole, metavar="N", help="Images in a pass.")] = 1,
    reference: Annotated[
        str, typer.Option(metavar="FILE|NAME|TRIAL", help="Timed in turns with the network.")
    ] = REFERENCE,
    weights: Weights = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Of the table.", show_default=False)
    ] = None,
) -> None:
    """Time a forward pass: warm-up, one thread, median and spread, beside a reference in the same run."""
    if what == TABLE:
        _table(session, device or "cpu", batch, out or Path("latency.json"))
        return
    from nas.evaluation.latency import latencies, one_thread
    from nas.evaluation.latency_table import device_name
    from search_space import reference as network_called

    if not Path(reference).suffix and "/" not in reference and not reference.isdigit():
        network_called(reference)  # a name is one of the zoo's; a wrong one is told the nearest
    place = device or ("onnxruntime" if _is_onnx(what) else "cpu")
    network = _timed(session, what, place, batch, weights)
    beside = _timed(session, reference, place, batch)
    with one_thread():
        taken = latencies({"network": network.run, "reference": beside.run})
    session.facts(
        {
            "name": network.name,
            "device": "onnxruntime, one thread" if place == "onnxruntime" else device_name(place),
            "batch": batch,
            "resolution": network.resolution,
            **_view(taken["network"], batch),
            "reference": {"name": reference, "resolution": beside.resolution}
            | _view(taken["reference"], batch),
            "ratio": taken["network"].median_ms / taken["reference"].median_ms,
        }
    )


def _is_onnx(text: str) -> bool:
    return Path(text).suffix == ".onnx"


def _timed(session: Session, text: str, device: str, batch: int, weights: Path | None = None) -> Timed:
    """Returns what `text` names, ready to be timed on a device."""
    from nas.exporting.network import network_of
    from nas.exporting.running import Timed, pass_of, timed_file

    if _is_onnx(text):
        if device != "onnxruntime" or weights is not None:
            raise CommandError(
                f"an ONNX file has its weights and runs in onnxruntime, got {text!r} with another --device or"
                " --weights; leave them out"
            )
        return timed_file(Path(text), batch)
    subject = find_subject(session, text, weights=weights)
    run = pass_of(network_of(subject), device, batch)
    return Timed(subject.name, subject.architecture.resolution, run)


def _table(session: Session, device: str, batch: int, out: Path) -> None:
    from nas.evaluation.data import load
    from nas.evaluation.latency_table import latency_table
    from nas.stages.preparation import make_space

    if device not in ("cpu", "cuda"):
        raise CommandError(f"a table's device must be cpu or cuda, got {device!r}; choose one")
    if out.exists():
        raise CommandError(
            f"the table's file must be new, got {str(out)!r}; name another with --out", Exit.CONFLICT
        )
    settings = session.configuration().settings
    dataset = load(settings.data)
    space = make_space(settings, dataset)  # the one that `nas search --cost latency_ms` takes
    table = latency_table(space, device=device, batch_size=batch, watch=session.printer.message)
    out.write_text(table.to_json(), encoding="utf-8")
    error = table.error
    view: dict[str, Any] = {
        "file": str(out),
        "device": table.device,
        "space": space.name,
        "operators": len(table.times_ms),
        "slope": table.slope,
        "intercept_ms": table.intercept_ms,
        "networks": error.num_networks,
        "mean_error": error.mean_share,
        "largest_error": error.max_share,
        "rank_correlation": error.rank_correlation,
        "timed_twice": error.repeat_share,
    }
    session.facts(view)


def _view(taken: Any, batch: int) -> dict[str, Any]:
    return {
        "median_ms": taken.median_ms,
        "low_ms": taken.low_ms,
        "high_ms": taken.high_ms,
        "runs": taken.num_runs,
        "images_per_second": 1e3 * batch / taken.median_ms,
    }
