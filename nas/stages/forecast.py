"""How accurate a grown network will be, said before it is trained."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist, fmean

from nas.settings import GrowSettings
from nas.stages.baseline import Baseline
from scaling_rules import (
    NUDGE,
    Member,
    Multipliers,
    Ramp,
    Regularisation,
    RuleFit,
    ScalingRule,
    family,
    named_rule,
)

COMPOUND = "compound"  # name of the fitted rule
_LEAST = 1e-3  # share of errors below which a logarithm would say nothing
_NORMAL_95 = NormalDist().inv_cdf(0.975)
_NOTHING = Ramp(0.0, 0.0, 0.0, 0.0)
UNCHANGED = Regularisation(_NOTHING, _NOTHING, _NOTHING)


@dataclass(frozen=True, slots=True)
class Forecast:
    """One size of a family, and the accuracy that is expected of it.

    Args:
        rule: by which it is grown.
        size: such as `phi 2`, `50M macs` or `5 ms`.
        member: multipliers, and how it is regularised.
        macs, params, resolution: of the rounded network.
        accuracy: expected of one training like the fit's; None where nothing was fitted.
        low, high: interval of that training's accuracy.
        is_beyond: whether the network is dearer than all that were measured, so that the surface is carried on.
        latency_ms: milliseconds that an image took when the network was chosen by them; None for any other size.
    """

    rule: str
    size: str
    member: Member
    macs: int
    params: int
    resolution: int
    accuracy: float | None
    low: float | None
    high: float | None
    is_beyond: bool
    latency_ms: float | None = None

    def expecting(self, accuracy: float, low: float, high: float) -> Forecast:
        """Returns the forecast with an accuracy and its interval, made consistent here and nowhere else.

        All three are shares, and the interval holds the accuracy.
        """
        ordered = (accuracy, min(low, accuracy), max(high, accuracy))
        point, least, most = (min(max(value, 0.0), 1.0) for value in ordered)
        return replace(self, accuracy=point, low=least, high=most)

    def expecting_nothing(self) -> Forecast:
        """Returns the size without an accuracy."""
        return replace(self, accuracy=None, low=None, high=None)


def members(
    baseline: Baseline,
    rule: ScalingRule,
    chosen: GrowSettings,
    *,
    regularisation: Regularisation | None = None,
    fitted: RuleFit | None = None,
) -> tuple[tuple[str, Member], ...]:
    """Returns the sizes that the settings name, each with what it is called.

    Args:
        baseline: what is grown.
        rule: how.
        chosen: the sizes.
        regularisation: how it grows along; none when left out.
        fitted: where the rule is from, when it is one in multipliers as built.
    """
    built_of = baseline.built if fitted is not None and fitted.method == "surface" else None
    ramps = regularisation or UNCHANGED
    found: list[tuple[str, Member]] = []
    if chosen.phis:
        grown = family(rule, baseline.macs, phis=chosen.phis, built_of=built_of, regularisation=ramps)
        found += [(f"phi {phi:g}", one) for phi, one in zip(chosen.phis, grown, strict=True)]
    for name, targets, cost_of in (
        ("macs", chosen.macs, baseline.macs),
        ("params", chosen.params, baseline.params),
    ):
        if targets:
            grown = family(rule, cost_of, targets=targets, built_of=built_of, regularisation=ramps)
            found += [
                (f"{_quantity(target)} {name}", one) for target, one in zip(targets, grown, strict=True)
            ]
    return tuple(found)


def missed(one: Forecast, baseline: Baseline) -> str:
    """Returns by what a size misses the cost that was asked for, and what to do; nothing where it is met.

    >>> missed(forecast(baseline, "dWr", "phi 1", member, None), baseline)
    'dWr phi 1 costs 7.2x the baseline, not 2x: no network within 15 % of the rule is nearer; try --divisor 4'
    """
    cost, target = one.member.cost, one.member.target
    if one.member.met or target is None:
        return ""
    if one.size.startswith("phi"):
        base = baseline.macs(depth=1.0, width=1.0, resolution=1.0)
        said = f"costs {cost / base:.3g}x the baseline, not {target / base:.3g}x"
    elif one.latency_ms is not None:
        return f"{one.rule} {one.size} takes {cost:.3g} ms, not {target:.3g}: no network that was timed is nearer"
    else:
        said = f"has {cost:,.0f}, not {target:,.0f}"
    remedy = f"; try --divisor {baseline.divisor // 2}" if baseline.divisor > 1 else ""
    return f"{one.rule} {one.size} {said}: no network within {NUDGE - 1:.0%} of the rule is nearer{remedy}"


def _quantity(value: float) -> str:
    """Returns a count as people write it.

    >>> _quantity(5e7), _quantity(1.5e6)
    ('50M', '1.5M')
    """
    for factor, suffix in ((1e9, "G"), (1e6, "M"), (1e3, "K")):
        if value >= factor:
            return f"{value / factor:.4g}{suffix}"
    return f"{value:.4g}"


def size_called(target_ms: float) -> str:
    """Returns what a size by its latency is called, in the ledger too.

    >>> size_called(2.50)
    '2.5 ms'
    """
    return f"{target_ms:g} ms"


def rule_called(name: str, fitted: RuleFit | None) -> ScalingRule:
    """Returns the fitted rule, or one of the literature.

    Raises:
        ScalingError: there is none of that name.
    """
    return fitted.rule if name == COMPOUND and fitted is not None else named_rule(name)


def forecasts(
    baseline: Baseline, fitted: RuleFit, chosen: GrowSettings, *, rules: Sequence[str] = (COMPOUND,)
) -> tuple[Forecast, ...]:
    """Returns what the surface expects of the sizes that the settings name, but for those that need timing."""
    chosen = chosen.model_copy(update={"latency": ()})
    return tuple(
        forecast(baseline, name, size, member, fitted)
        for name in rules
        for size, member in members(baseline, rule_called(name, fitted), chosen, fitted=fitted)
    )


def forecast(baseline: Baseline, rule: str, size: str, member: Member, fitted: RuleFit | None) -> Forecast:
    """Returns what is expected of one member: of one training like those that were fitted to."""
    nominal: Multipliers = member.multipliers
    network = baseline.scaled(**nominal)
    macs, params = baseline.macs(**nominal), baseline.params(**nominal)
    one = Forecast(rule, size, member, macs, params, network.resolution, None, None, None, is_beyond=False)
    if fitted is None or fitted.method != "surface":
        return one
    built = baseline.built(**nominal)
    is_beyond = macs > 1.001 * max(point.cost for point in fitted.points)
    expected = one.expecting(fitted.predict(**built), *fitted.interval(**built))
    return replace(expected, is_beyond=is_beyond)


def carried_over(one: Forecast, fitted: RuleFit, observed: Sequence[float]) -> Forecast:
    """Returns a forecast for longer trainings, from what the baseline gained by them.

    What a network lacks to full accuracy is taken to shrink by one factor for all sizes, the baseline's. That is an
    assumption: the interval holds the fit's uncertainty and the noise of the baseline's longer trainings, but not this.

    Args:
        one: of a training like the fit's.
        fitted: the surface.
        observed: accuracies of the baseline's longer trainings, at least one.
    """
    if one.accuracy is None or one.low is None or one.high is None:
        return one
    short = max(1.0 - fitted.predict(1.0, 1.0, 1.0), _LEAST)
    longer = max(1.0 - fmean(observed), _LEAST)
    # Errors on a logarithmic scale: what is uncertain of the size, and of the baseline's longer training.
    centre = math.log(max(1.0 - one.accuracy, _LEAST))
    noise = _NORMAL_95 * fitted.noise / short / math.sqrt(len(observed))
    worse, better = (
        math.hypot(math.log(max(1.0 - bound, _LEAST)) - centre, noise) for bound in (one.low, one.high)
    )
    factor = longer / short

    def accuracy(error: float) -> float:
        return 1.0 - factor * math.exp(error)

    return one.expecting(accuracy(centre), accuracy(centre + worse), accuracy(centre - better))
