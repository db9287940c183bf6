"""What fits, sweeps and families say: the JSON of `nas fit`, `nas grow` and `nas committee`, and their tables."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nas.cli.session import Session

if TYPE_CHECKING:
    from nas.stages.fit import FitReport
    from nas.stages.forecast import Forecast
    from nas.stages.grow import Grown, GrowReport
    from nas.stages.sweep import Curve, SweepReport
    from scaling_rules import Committee, Trust

_FORECAST_COLUMNS = ("rule", "size", "macs", "params", "resolution", "accuracy", "low", "high", "range")
_MEMBER_COLUMNS = (
    *("rule", "size", "trials", "macs", "params", "resolution"),
    *("expected", "low", "high", "observed", "inside"),
)
COMMITTEE_COLUMNS = ("kind", "names", "mean", "threshold", "macs", "accuracy", "low", "high", "beaten")
COMMITTEE_TITLE = "chosen on one half of the validation images, measured on the other"


def fit_view(report: FitReport) -> dict[str, Any]:
    """Returns what `nas fit --json` prints."""
    found = report.fit
    view: dict[str, Any] = {
        "study": report.study,
        "baseline": {"digest": report.baseline.architecture.digest, "origin": report.baseline.origin},
        "ending": {"kind": report.ending.kind, "reason": report.ending.reason},
        "fit": report.id,
        "num_failed": report.num_failed,
        "device_seconds": report.device_seconds,
        "forecasts": [forecast_view(one) for one in report.forecasts],
    }
    if found is None:
        return view | {"rule": None, "trust": None, "doubt": report.doubt}
    stored = json.loads(found.to_json())
    return view | {
        "method": found.method,
        "rule": stored["rule"] | {"equation": found.rule.equation},
        "parameters": stored["parameters"],
        "verdict": found.verdict,
        "comparisons": stored["comparisons"],
        "region": found.region,
        "cost_exponents": stored["cost_exponents"],
        "noise": found.noise,
        "lack_of_fit": found.lack_of_fit,
        "level": found.level,
        "num_trainings": len(found.points),
        "num_networks": len({(p.depth, p.width, p.resolution) for p in found.points}),
        "points": stored["points"],
        "trust": trust_view(report.trust),
        "doubt": report.doubt,
    }


def trust_view(found: Trust | None) -> dict[str, Any] | None:
    """Returns how far short trainings may be trusted; None where that was not asked or is not known."""
    if found is None:
        return None
    stored: dict[str, Any] = json.loads(found.to_json())
    law = None if found.law is None else str(found.law.law)
    checks = [
        {**one, "holds": check.holds} for one, check in zip(stored["checks"], found.checks, strict=True)
    ]
    return {
        "epochs": found.epochs,
        "upto": found.upto,
        "verdict": found.verdict,
        "checks": checks,
        "law": law,
        "why": found.why,
    }


def sweep_view(report: SweepReport) -> dict[str, Any]:
    """Returns what `nas fit --sweep --json` prints."""
    return {
        "study": report.study,
        "ending": {"kind": report.ending.kind, "reason": report.ending.reason},
        "device_seconds": report.device_seconds,
        "curves": [curve_view(curve) for curve in report.curves],
    }


def grow_view(report: GrowReport) -> dict[str, Any]:
    """Returns what `nas grow --json` prints."""
    return {
        "study": report.study,
        "baseline": {"digest": report.baseline.architecture.digest, "origin": report.baseline.origin},
        "ending": {"kind": report.ending.kind, "reason": report.ending.reason},
        "epochs": report.epochs,
        "fit": report.fit,
        "members": [_member_view(one) for one in report.members],
        "committees": [committee_view(one) for one in report.committees],
        "num_failed": report.num_failed,
        "device_seconds": report.device_seconds,
    }


def forecast_view(one: Forecast) -> dict[str, Any]:
    """Returns one size and what is expected of it."""
    factors = {"depth": one.member.depth, "width": one.member.width, "resolution": one.member.resolution}
    return {
        "rule": one.rule,
        "size": one.size,
        "multipliers": factors,
        "macs": one.macs,
        "params": one.params,
        "resolution": one.resolution,
        "latency_ms": one.latency_ms,
        "target_met": one.member.met,
        "accuracy": one.accuracy,
        "low": one.low,
        "high": one.high,
        "measured": not one.is_beyond,
    }


def committee_view(one: Committee) -> dict[str, Any]:
    """Returns one committee as a line of the table."""
    view = dataclasses.asdict(one)
    view["macs"] = round(view.pop("cost"))
    view["threshold"] = one.threshold if one.kind == "cascade" else None
    view["mean"] = one.mean if one.kind != "single" else None
    return view | {"names": list(one.names)}


def _member_view(one: Grown) -> dict[str, Any]:
    expected = forecast_view(one.forecast)
    expected["expected"] = expected.pop("accuracy")
    return expected | {
        "trials": list(one.trials),
        "accuracies": list(one.accuracies),
        "observed": one.mean,
        "inside": one.num_hits,
        "weights": list(one.weights),
    }


def curve_view(curve: Curve) -> dict[str, Any]:
    """Returns one dimension of a sweep; limit and saturation only where the points determine them."""
    law = curve.law if curve.shape == "saturates" else None
    return {
        "dimension": curve.dimension,
        "points": [dataclasses.asdict(point) for point in curve.points],
        "shape": curve.shape,
        "law": None if curve.law is None else str(curve.law.law),
        "limit": None if law is None else law.law.limit,
        "saturation": None if law is None else law.law.saturation(),
        "parameters": [dataclasses.asdict(one) for one in (curve.law.parameters if curve.law else ())],
        "why": curve.why,
    }


def print_fit(session: Session, view: Mapping[str, Any]) -> None:
    printer = session.printer
    if view["rule"] is None:
        printer.message("too few trainings have ended for a fit")
        return
    facts = {
        one["name"]: f"{one['value']:.3f}  ({one['low']:.3f} to {one['high']:.3f})"
        for one in view["parameters"]
    }
    facts |= {"rule": view["rule"]["equation"], "verdict": view["verdict"]}
    trained = f"{view['num_trainings']} trainings of {view['num_networks']} networks"
    facts |= {
        "left": f"{view['region']:.1%} of all rules, jointly",
        "noise": f"{view['noise']:.4f} of one training; {trained}",
    }
    if view["lack_of_fit"] < 0.01:
        facts["misses"] = "more than noise explains; they count as noise"
    printer.facts(
        facts, title=f"fit of {view['study']} ({view['baseline']['origin']}, by the {view['method']})"
    )
    rows = [
        {
            "against": one["name"],
            "gain": one["gain"],
            "low": max(one["low"], -1.0),  # a gain in accuracy is no larger
            "high": min(one["high"], 1.0),
            "sure": one["distinguishable"],
        }
        for one in view["comparisons"]
    ]
    if rows:
        printer.table(rows, columns=("against", "gain", "low", "high", "sure"), title="at equal cost")
    if view["forecasts"]:
        sizes = [{**one, "range": "measured" if one["measured"] else "beyond"} for one in view["forecasts"]]
        title = "to be expected of one training like these (beyond: costs more than any that was measured)"
        printer.table(sizes, columns=_FORECAST_COLUMNS, title=title)
    _print_trust(session, view)


def _print_trust(session: Session, view: Mapping[str, Any]) -> None:
    found, printer = view["trust"], session.printer
    if view["doubt"]:
        printer.message(f"the longer trainings tell nothing: {view['doubt']}")
    if found is None:
        return
    rows = [
        {
            "epochs": one["epochs"],
            "networks": one["kendall"]["num_networks"],
            **{key: one[key]["value"] for key in ("kendall", "spearman")},
            "low": one["kendall"]["low"],
            "high": one["kendall"]["high"],
            "gain": one["gain"],
            "factor": one["factor"]["value"],
        }
        for one in found["checks"]
    ]
    title = f"longer trainings beside those of {found['epochs']} epochs (factor: of the errors, a doubling of the cost)"
    columns = ("epochs", "networks", "kendall", "low", "high", "spearman", "gain", "factor")
    printer.table(rows, columns=columns, title=title)
    printer.data(found["verdict"])
    if found["law"] is not None:
        printer.data(f"accuracy = {found['law']}")


def print_sweep(session: Session, view: Mapping[str, Any]) -> None:
    rows = [
        {
            "dimension": curve["dimension"],
            **point,
            "mean": sum(point["accuracies"]) / len(point["accuracies"]),
        }
        for curve in view["curves"]
        for point in curve["points"]
    ]
    session.printer.table(rows, columns=("dimension", "factor", "built", "macs", "mean", "accuracies"))
    for curve in view["curves"]:
        session.printer.data(f"{curve['dimension']}: {curve_text(curve)}")


def curve_text(curve: Mapping[str, Any]) -> str:
    """Returns what a sweep says of one dimension: no limit and no saturation that the points do not determine."""
    if curve["law"] is None:
        return f"no law, because {curve['why']}"
    macs = [point["macs"] for point in curve["points"]]
    if curve["shape"] == "falls":
        return f"falls, measured up to {macs[-1] / macs[0]:.3g} times the MACs"
    if curve["shape"] == "rises":
        return f"does not saturate within what was measured, up to {macs[-1] / macs[0]:.3g} times the MACs"
    limit, exponent = curve["parameters"]
    least, most = (_gained(exponent[bound]) for bound in ("high", "low"))
    return (
        f"approaches {limit['value']:.3g} ({limit['low']:.3g} to {min(limit['high'], 1.0):.3g});"
        f" 90 % of what is lacking is gained after {curve['saturation']:.3g} times the MACs ({least} to {most})"
    )


def _gained(exponent: float) -> str:
    """Returns after how many times the MACs 90 % are gained; words where the exponent hardly bounds it."""
    powers_of_ten = 1.0 / exponent
    return f"{10.0**powers_of_ten:.3g}" if powers_of_ten < 3.0 else "more than 1000"


def print_grow(session: Session, view: Mapping[str, Any]) -> None:
    rows = []
    for one in view["members"]:
        tried = len(one["accuracies"])
        inside = None if one["inside"] is None or not tried else f"{one['inside']} of {tried}"
        rows.append({**one, "inside": inside})
    title = f"family of {view['study']} ({view['baseline']['origin']}), {view['epochs']} epochs"
    session.rows(rows, columns=_MEMBER_COLUMNS, title=title)
    for one in view["members"]:
        if not one["target_met"]:
            nearest = (
                f"rounding allows no nearer than {one['macs']:,} MACs"
                if one["latency_ms"] is None
                else f"{one['latency_ms']:.3g} ms is the nearest of what was timed"
            )
            session.printer.message(f"{one['rule']} {one['size']}: {nearest}")
    if len(view["committees"]) > 1:
        session.printer.table(
            view["committees"],
            columns=COMMITTEE_COLUMNS,
            title=COMMITTEE_TITLE,
        )
