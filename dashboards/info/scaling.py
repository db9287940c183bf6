"""What a scaling rule rests on, and how its family came out: from stored fits and the trials of a study's arms."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

import numpy as np
import numpy.typing as npt

from dashboards.info.table import Array
from runs import TrialState
from runs.records import FitRecord, TrialRecord
from scaling_rules import Committee, LawFit, RuleFit, ScalingError, Trust, Voter, committee_frontier
from scaling_rules.surface import logs_at, plausibility, triangle

RULE, LAW, TRUST = "rule", "law", "trust"  # kinds of stored fits
ARMS = ("fit", "grid", "longer", "sweep", "grow")  # names of the arms, after the study's and a dot
DIMENSIONS = ("depth", "width", "resolution")
TRIANGLE_STEPS = 28
MAX_VOTERS = 12  # of which committees are made: the cheapest


@dataclass(frozen=True, slots=True)
class StoredRule:
    """A stored fit of a rule, read back."""

    record: FitRecord
    fit: RuleFit


def rules(records: Sequence[FitRecord]) -> list[StoredRule]:
    """Returns the fitted rules, the newest first; what another program stored under the name is left out."""
    found = []
    for record in reversed(records):
        if record.kind == RULE and isinstance(record.fit.get("rule"), Mapping):
            try:
                found.append(StoredRule(record, RuleFit.from_json(json.dumps(record.fit["rule"]))))
            except (ValueError, TypeError, KeyError):
                continue
    return found


def laws(records: Sequence[FitRecord]) -> dict[str, LawFit]:
    """Returns the newest law of each dimension that was swept alone."""
    found: dict[str, LawFit] = {}
    for record in records:
        if record.kind == LAW and isinstance(record.fit.get("law"), Mapping):
            try:
                found[str(record.fit.get("dimension", ""))] = LawFit.from_json(json.dumps(record.fit["law"]))
            except (ValueError, TypeError, KeyError):
                continue
    return found


def newest_trust(records: Sequence[FitRecord]) -> Trust | None:
    """Returns how far the short trainings may be trusted, as far as longer ones have told."""
    for record in reversed(records):
        if record.kind == TRUST and isinstance(record.fit.get("trust"), Mapping):
            try:
                return Trust.from_json(json.dumps(record.fit["trust"]))
            except (ValueError, TypeError, KeyError):
                continue
    return None


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """The plane of equal cost: how it is shared among the dimensions, and what each share is worth.

    Args:
        shares: of the logarithm of the cost spent on depth, width and resolution: [points, 3].
        values: the accuracy that the surface has there: [points].
        possible: whether the data leave possible that this is the best: [points].
    """

    shares: Array
    values: Array
    possible: npt.NDArray[np.bool_]


def region(fit: RuleFit) -> Region | None:
    """Returns the plane of equal cost of a fitted surface; None for a fit by grid, which has none."""
    try:
        found, log_cost, exponents = fit.surfaces()
    except ScalingError:
        return None
    shares = triangle(TRIANGLE_STEPS)
    p_values = plausibility(found, shares, log_cost, exponents, freedom=2)
    heights = found.best.heights(logs_at(shares, log_cost, exponents))
    return Region(shares, heights, np.asarray(p_values >= 1.0 - fit.level))


def rule_shares(fit: RuleFit) -> Array:
    """Returns how the fitted rule shares the logarithm of the cost among depth, width and resolution: [3]."""
    spent = np.log([fit.rule.alpha, fit.rule.beta, fit.rule.gamma]) * np.array(fit.cost_exponents)
    return np.asarray(spent / spent.sum())


@dataclass(frozen=True, slots=True)
class Compared:
    """A network that was predicted and trained."""

    name: str
    predicted: float
    observed: float


def fitted_pairs(fit: RuleFit) -> list[Compared]:
    """Returns each measured point as the surface has it and as it was measured."""
    return [
        Compared(f"{one.depth:.3g} × {one.width:.3g} × {one.resolution:.3g}", one.value - residual, one.value)
        for one, residual in zip(fit.points, fit.residuals, strict=True)
    ]


@dataclass(frozen=True, slots=True)
class Saturation:
    """One dimension scaled alone: factors as asked for, what they cost, mean accuracies and their spread."""

    dimension: str
    factors: tuple[float, ...]
    sizes: tuple[float, ...]  # MACs over the baseline's, of which the laws are; NaN where they are not known
    means: tuple[float, ...]
    spreads: tuple[float, ...]  # standard deviation over seeds; 0 for one


def saturations(trials: Sequence[TrialRecord]) -> list[Saturation]:
    """Returns the curves of the trainings in which only one dimension was scaled, by dimension."""
    found: dict[str, dict[float, list[float]]] = {}
    costs: dict[tuple[str, float], float] = {}
    for trial in _complete(trials):
        factors = [_real(trial.choices.get(name)) for name in DIMENSIONS]
        scaled = [index for index, factor in enumerate(factors) if factor != 1.0]
        for index in scaled if len(scaled) == 1 else range(3) if not scaled else ():
            name, factor = DIMENSIONS[index], factors[index]
            found.setdefault(name, {}).setdefault(factor, []).append(trial.metrics["accuracy"])
            costs[name, factor] = trial.costs.get("macs", math.nan)
    curves = []
    for name in DIMENSIONS:
        values = dict(sorted(found.get(name, {}).items()))
        if len(values) > 1:
            means = tuple(fmean(one) for one in values.values())
            spreads = tuple(stdev(one) if len(one) > 1 else 0.0 for one in values.values())
            base = costs.get((name, 1.0), math.nan)
            sizes = tuple(costs[name, factor] / base for factor in values)
            curves.append(Saturation(name, tuple(values), sizes, means, spreads))
    return curves


@dataclass(frozen=True, slots=True, eq=False)
class LawCurve:
    """A law between the sizes that it was fitted to, with the interval of the mean of many trainings: [points] each."""

    sizes: Array  # MACs over the baseline's
    values: Array
    lows: Array
    highs: Array


def law_rows(law: LawFit) -> dict[str, str]:
    """Returns each number of a law with its interval, by name."""
    return {one.name: f"{one.value:.4g} ({one.low:.4g} to {one.high:.4g})" for one in law.parameters}


def law_curve(law: LawFit, num_points: int = 60) -> LawCurve:
    """Returns a law of one size as a curve to draw."""
    fitted = np.array([point.sizes[0] for point in law.points])
    sizes = np.geomspace(fitted.min(), fitted.max(), num_points)
    lows, highs = law.interval(sizes, new=False).T
    return LawCurve(sizes, law.predict(sizes), lows, highs)


@dataclass(frozen=True, slots=True)
class Member:
    """One size of a family, trained one or more times.

    Args:
        rule, size: by which rule it was grown, and to what.
        numbers: of its trials in the family's study.
        accuracies: of them.
        macs, params: of the network.
        resolution: multiplier, as asked for, with depth and width.
        digest: of the architecture.
        weights: whether each trial's weights are kept.
        predicted: what the surface said, carried over to longer training by what the baseline gained; None without it.
    """

    rule: str
    size: str
    numbers: tuple[int, ...]
    accuracies: tuple[float, ...]
    macs: float
    params: float
    factors: tuple[float, float, float]
    digest: str
    weights: tuple[bool, ...]
    predicted: float | None = None
    low: float | None = None
    high: float | None = None

    @property
    def is_inside(self) -> bool | None:
        """Returns whether the mean accuracy lies in the forecast's interval; None without one."""
        return None if self.low is None or self.high is None else self.low <= self.mean <= self.high

    @property
    def name(self) -> str:
        """Returns rule and size."""
        return f"{self.rule} {self.size}"

    @property
    def mean(self) -> float:
        """Returns the mean accuracy."""
        return fmean(self.accuracies)


def members(trials: Sequence[TrialRecord]) -> list[Member]:
    """Returns the trained members of a family, the cheapest first, with what was forecast before they were trained."""
    groups: dict[tuple[str, str], list[TrialRecord]] = {}
    for trial in _complete(trials):
        if "size" in trial.choices:
            groups.setdefault((str(trial.choices.get("rule", "")), str(trial.choices["size"])), []).append(
                trial
            )
    found = [_member(rule, size, group) for (rule, size), group in groups.items()]
    found.sort(key=lambda one: (one.macs, one.name))
    return found


def _member(rule: str, size: str, group: Sequence[TrialRecord]) -> Member:
    first = group[0]
    depth, width, resolution = (_real(first.choices.get(name)) for name in DIMENSIONS)
    return Member(
        rule,
        size,
        tuple(one.number for one in group),
        tuple(one.metrics["accuracy"] for one in group),
        first.costs.get("macs", float("nan")),
        first.costs.get("params", float("nan")),
        (depth, width, resolution),
        first.digest or "",
        tuple(one.weights is not None for one in group),
        *(_forecast(first.choices.get(name)) for name in ("expected", "expected_low", "expected_high")),
    )


def _forecast(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


@dataclass(frozen=True, slots=True, eq=False)
class Votes:
    """What one trained network says of the validation images: probabilities [images, classes], and the labels."""

    name: str
    macs: float
    probabilities: Array
    labels: Array


def committee(votes: Sequence[Votes]) -> tuple[Committee, ...]:
    """Returns all networks, and what of the cheapest ones' committees none beat on the half of the images that chose.

    Args:
        votes: the cheapest first.
    """
    if not votes or len({len(one.labels) for one in votes}) > 1:
        return ()
    labels = votes[0].labels
    voters = [
        Voter(one.name, one.macs, one.probabilities.astype(np.float64), joins=index < MAX_VOTERS)
        for index, one in enumerate(votes)
    ]
    chosen_on = np.random.default_rng(0).permutation(len(labels)) % 2 == 0
    return committee_frontier(voters, labels, chosen_on=chosen_on)


def arrays(content: bytes) -> dict[str, Array]:
    """Returns the arrays of a safetensors file: a length, a header of JSON, and numbers; nothing in it is run.

    Raises:
        ValueError: it is none, or holds other types than those of stored predictions.
    """
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    types = {"F32": "<f4", "F64": "<f8", "I64": "<i8"}
    found = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        data = content[8 + size + begin : 8 + size + end]
        found[name] = np.frombuffer(data, types[entry["dtype"]]).reshape(entry["shape"])
    return found


def _complete(trials: Sequence[TrialRecord]) -> list[TrialRecord]:
    return [one for one in trials if one.state is TrialState.COMPLETE and "accuracy" in one.metrics]


def _real(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 1.0
