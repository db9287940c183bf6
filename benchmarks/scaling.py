"""Fits of laws and rules on made-up truths: do intervals cover, and how near is the rule, beside the usual ways.

Networks, costs and accuracies are made up by saturating power laws in depth, width and resolution with normal noise,
so the true rule is known. Coverage is of 95 % intervals; a law's rows give the distance from 95 % over the 2 % allowed
as the ratio, a rule's what lacks to 95 % over it: where noise leaves most rules possible, intervals cover more.
The grid is the paper's (EfficientNet, section 3.3): networks with alpha * beta^2 * gamma^2 near 2, each trained
as often as the trainings allow, the best wins. Both get the same number of trainings.

    python -m benchmarks scaling
"""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import numpy as np
import numpy.typing as npt
from scipy.special import fdtri

from benchmarks.row import Row
from scaling_rules import (
    Law,
    Multipliers,
    RuleFit,
    ScaledPoint,
    family,
    fit_law,
    fit_rule,
    grid_candidates,
    next_points,
    shared_rule,
)
from scaling_rules.measured_surface import measured_surfaces
from scaling_rules.scaled_points import cost_law, table
from scaling_rules.surface import distances, grid_between, logs_at, triangle
from search_space import Architecture, cost, reference, scale

NAME = "scaling"
NUM_SIMULATIONS = 1_000
NUM_TRUTHS = 100  # for errors of rules
START_UP = 3.0  # trainings of the baseline that any training costs besides, for the surface's design
LOUD = 0.02  # about what doubling the cost gains: neither way finds the rule in 44 trainings, nothing is promised
NUM_DRAWS = 200  # of the peer's bootstrap
EXPONENTS = np.array([1.0, 2.0, 2.0])
DIMENSIONS = ("depth", "width", "resolution")
Array = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Truth = Callable[[Array], Array]  # values at multipliers [n, 3]
Part = Callable[[], list[Row]]


def additive(scales: tuple[float, float, float], exponents: tuple[float, float, float]) -> Truth:
    """Returns a truth without interactions."""
    return Law(DIMENSIONS, 0.95, scales, exponents, (1.0, 1.0, 1.0)).predict


def interacting(multipliers: Array) -> Array:
    """Returns accuracies at multipliers where more of one dimension is worth less the more there is of the others."""
    lacking = (1.0 + 0.5 * (multipliers ** -np.array([0.8, 1.2, 1.2])).sum(axis=1)) / 2.5
    return np.asarray(0.95 - 0.3 * lacking**2)


TRUTH = additive((0.07, 0.14, 0.13), (1.2, 0.9, 1.1))  # alpha 1.32, beta 1.05, gamma 1.17
TRUTHS = {
    "exponents 1.2, 0.9, 1.1": TRUTH,
    "exponents 2.2, 0.5, 0.5, peak near the depth corner": additive((0.1, 0.2, 0.2), (2.2, 0.5, 0.5)),
    "exponents 2.2, 0.5, 0.5, peak in the middle": additive((0.05, 0.28, 0.28), (2.2, 0.5, 0.5)),
    "exponents 0.4, 2, 1, peak in the middle": additive((0.137, 0.063, 0.112), (0.4, 2.0, 1.0)),
    "interactions": interacting,
}


DESIGNS: dict[str, Callable[[], Array]] = {
    "14 networks x 3": lambda: _design(42),
    "first 12 of `nas fit` x 2": lambda: _first_design(),
}


def run() -> list[Row]:
    """Returns the coverage of laws and rules, and the rule's error beside the grid's."""
    with ProcessPoolExecutor() as pool:
        return [row for rows in pool.map(_called, parts()) for row in rows]


def parts() -> list[Part]:
    """Returns what is measured, each by itself and from its own seed, so that processes may share it."""
    found = [partial(_law_coverage), partial(_rule_coverage, 0.001), partial(_rule_coverage, 0.003)]
    found += [
        partial(_truth_coverage, design, truth, noise)
        for design in DESIGNS
        for truth in TRUTHS
        for noise in (0.001, 0.01, 0.03)
    ]
    found += [
        partial(_rule_error, noise, num_trainings, step)
        for num_trainings, step in ((44, 0.1), (111, 0.05))
        for noise in (0.001, 0.002, 0.005, 0.01, 0.02)
    ]
    return [*found, partial(_rounded), partial(_loop)]


def _called(part: Part) -> list[Row]:
    return part()


def _law_coverage() -> list[Row]:
    """Coverage of a law's exponent, limit and prediction, beside residual bootstraps of the prediction."""
    rng, costs = np.random.default_rng(1), np.repeat([1.0, 2.0, 4.0, 8.0, 16.0, 32.0], 2)
    law = Law(("cost",), 0.9, (0.2,), (0.5,), (1.0,))
    [truth] = law.predict([64.0])
    hits = np.zeros(6)
    for _ in range(NUM_SIMULATIONS):
        fit = fit_law(costs, law.predict(costs) + rng.normal(0.0, 0.005, len(costs)))
        new = truth + rng.normal(0.0, 0.005)
        bounds = [(row.low, row.high) for row in fit.parameters]
        bounds += [tuple(fit.interval([64.0], new=kind)[0]) for kind in (False, True)]
        bounds += [
            tuple(fit.bootstrap([64.0], rng=rng, num_draws=NUM_DRAWS, new=kind)[0]) for kind in (False, True)
        ]
        values = (0.9, 0.5, truth, new, truth, new)
        hits += [low <= value <= high for (low, high), value in zip(bounds, values, strict=True)]
    limit, exponent, mean, single, drawn_mean, drawn_single = (
        float(share) for share in hits / NUM_SIMULATIONS
    )
    return [
        _coverage("law: limit, beside what is meant", limit, 0.95),
        _coverage("law: exponent, beside what is meant", exponent, 0.95),
        _coverage("law: mean at twice the largest cost, profile beside bootstrap", mean, drawn_mean),
        _coverage(
            "law: new training at twice the largest cost, profile beside bootstrap", single, drawn_single
        ),
    ]


def _rule_coverage(noise: float) -> list[Row]:
    """Coverage of alpha, beta, gamma and their joint region, beside bootstrap percentiles."""
    rng, truth = np.random.default_rng(2), _true_bases(TRUTH)
    hits, drawn = np.zeros(4), np.zeros(3)
    for _ in range(NUM_SIMULATIONS):
        fit = fit_rule(_measured(rng, TRUTH, _design(42), noise))
        inside = [row.low <= value <= row.high for row, value in zip(fit.parameters, truth, strict=True)]
        hits += [*inside, fit.contains(*truth)]
        low, high = np.quantile(fit.bootstrap(rng=rng, num_draws=NUM_DRAWS), [0.025, 0.975], axis=0)
        drawn += (low <= truth) & (truth <= high)
    shares, peers = hits / NUM_SIMULATIONS, [*(drawn / NUM_SIMULATIONS), 0.95]
    beside = "beside bootstrap"
    names = (f"alpha {beside}", f"beta {beside}", f"gamma {beside}", "joint region beside what is meant")
    return [
        _at_least(f"rule, noise {noise:g}: {name}", float(ours), float(peer))
        for name, ours, peer in zip(names, shares, peers, strict=True)
    ]


def _truth_coverage(design: str, name: str, noise: float) -> list[Row]:
    """Coverage of the interval that covers least, and of the joint region, over one truth and design."""
    rng, hits, what = np.random.default_rng(6), np.zeros(4), f"{design}, {name}"
    truth, networks = TRUTHS[name], DESIGNS[design]()
    shares = _true_shares(truth)
    for _ in range(NUM_SIMULATIONS):
        hits += covered(_measured(rng, truth, networks, noise), shares)
    *single, joint = (float(share) for share in hits / NUM_SIMULATIONS)
    return [
        _at_least(f"rule, {what}, noise {noise:g}: alpha, beta or gamma, the least", min(single), 0.95),
        _at_least(f"rule, {what}, noise {noise:g}: joint region", joint, 0.95),
    ]


def covered(points: list[ScaledPoint], shares: Array) -> Flags:
    """Returns whether the intervals of alpha, beta, gamma and the joint region hold a rule, without the whole fit.

    An interval holds a share if any rule with that share is plausible.
    """
    found, _ = measured_surfaces(table(points))
    apart = np.linspace(-1.0, 1.0, 61) ** 3  # close to the truth, and to both ends
    lines = []
    for dimension in range(3):
        room = 1.0 - shares[dimension]
        first = np.clip(shares[(dimension + 1) % 3] + apart, 0.0, room)
        line = np.stack([np.full(61, shares[dimension]), first, room - first], axis=1)
        lines.append(np.roll(line, dimension, axis=1))
    allowed = float(fdtri(1, found.dof, 0.95))
    far = distances(found, np.concatenate([*lines, shares[None]]), math.log(2.0), EXPONENTS, enough=allowed)
    single = far[:-1].reshape(3, -1).min(axis=1) <= allowed
    return np.append(single, far[-1] <= 2.0 * float(fdtri(2, found.dof, 0.95)))


def _first_design() -> Array:
    """Returns the networks that `nas fit` trains first where rounding is fine, each twice: [24, 3]."""
    baseline = ScaledPoint(1.0, 1.0, 1.0, 1.0, 0.0)
    proposals = next_points((baseline,), num=11, fixed_cost=START_UP)
    networks = [(1.0, 1.0, 1.0), *((item.depth, item.width, item.resolution) for item in proposals)]
    return np.repeat(np.array(networks), 2, axis=0)


def _rule_error(noise: float, num_trainings: int, step: float) -> list[Row]:
    """Root mean square error of log alpha, beta, gamma over random truths: surface and grid at equal trainings.

    The surface's networks are the first design of `next_points`, and cost some 3 baselines each; the grid's cost 2.
    """
    rng = np.random.default_rng(3)
    grid, per_network = np.array(grid_candidates(step=step)), num_trainings / len(grid_candidates(step=step))
    proposals = next_points(num=num_trainings, fixed_cost=START_UP)
    networks = np.array([(item.depth, item.width, item.resolution) for item in proposals])
    ours, peers = [], []
    for _ in range(NUM_TRUTHS):
        law = _random_law(rng)
        truth = np.log(_true_bases(law))
        rule = fit_rule(_measured(rng, law, networks, noise)).rule
        ours.append(np.log([rule.alpha, rule.beta, rule.gamma]) - truth)
        means = law(grid) + rng.normal(0.0, noise / math.sqrt(per_network), len(grid))
        winner = np.log(grid[means.argmax()])
        peers.append(winner * math.log(2.0) / (winner @ EXPONENTS) - truth)
    what = f"rule: error of log multipliers, noise {noise:g}, {num_trainings} trainings (grid of {step:g})"
    error, other = _rms(ours), _rms(peers)
    target = 2.0 if noise < LOUD else None
    met = None if target is None else other / error >= target
    return [Row(what, error, other, other / error, target, met, "rms")]


def _rounded() -> list[Row]:
    """True accuracy lost at four times the real cost when EfficientNet-B0 grows by the rule of either way.

    Accuracies come from the multipliers as built and costs from the cost model. The grid's rule is used as the
    paper uses it, nominal multipliers and all, at the phi whose network costs four times as much.
    """
    b0, rng = reference("efficientnet_b0"), np.random.default_rng(4)
    baseline = cost(b0).macs

    def built(*, depth: float, width: float, resolution: float) -> Multipliers:
        return _as_built(b0, scale(b0, depth=depth, width=width, resolution=resolution))

    def macs(*, depth: float, width: float, resolution: float) -> float:
        return float(cost(scale(b0, depth=depth, width=width, resolution=resolution)).macs)

    def trained(nominals: Array, law: Truth, noise: float) -> list[ScaledPoint]:
        points = []
        for index, row in enumerate(nominals):
            named = Multipliers(depth=row[0], width=row[1], resolution=row[2])
            sizes = built(**named)
            [value] = law(np.array([_row(sizes)]))
            points.append(
                ScaledPoint(
                    **sizes, cost=macs(**named), value=float(value + rng.normal(0.0, noise)), seed=index
                )
            )
        return points

    lost: list[list[float]] = [[], []]
    grid = np.repeat(np.array(grid_candidates(step=0.1)), 2, axis=0)
    for _ in range(20):
        law = _random_law(rng)
        points = trained(_design(44), law, 0.002)
        fitted = fit_rule(points).rule
        _, exponents, _ = cost_law(table(points))
        values = np.array([point.value for point in trained(grid, law, 0.002)]).reshape(-1, 2).mean(axis=1)
        alpha, beta, gamma = grid[::2][values.argmax()]
        shares = np.log([alpha, beta, gamma]) * EXPONENTS
        nominal = shared_rule("grid", tuple(shares / shares.sum()))
        best = law(np.exp(logs_at(triangle(60), math.log(4.0), exponents))).max()
        for kept, rule, as_built in zip(lost, (fitted, nominal), (built, None), strict=True):
            [member] = family(rule, macs, targets=[4.0 * baseline], built_of=as_built)
            [value] = law(np.array([_row(built(**member.multipliers))]))
            kept.append(float(best - value) * 100.0)
    ours, peer = (float(np.mean(values)) for values in lost)
    what = "rule on rounded EfficientNet-B0s at 4 times the real MACs, noise 0.002: accuracy lost against the best"
    return [Row(what, ours, peer, peer / ours, None, None, "points")]


def _loop() -> list[Row]:
    """Error of the rule when half of a budget goes where `next_points` says, beside spending it on the same design."""
    rng, noise = np.random.default_rng(5), 0.003
    ours, peers = [], []
    for _ in range(30):
        law = _random_law(rng)
        truth = np.log(_true_bases(law))
        start = _measured(rng, law, _design(28), noise)
        budget = sum(point.cost for point in start)
        ours.append(_logs(fit_rule([*start, *_proposed(rng, law, start, budget, noise)])) - truth)
        again = [p for p in _measured(rng, law, _design(28), noise, first_seed=1_000)]
        peers.append(_logs(fit_rule([*start, *again])) - truth)
    error, other = _rms(ours), _rms(peers)
    what = (
        f"loop: error of log multipliers at equal training cost, noise {noise:g}, next_points beside repeats"
    )
    return [Row(what, error, other, other / error, None, None, "rms")]


def _proposed(
    rng: np.random.Generator, law: Truth, start: list[ScaledPoint], budget: float, noise: float
) -> list[ScaledPoint]:
    """Returns trainings of what is proposed, four at a time, until a budget is spent."""
    added: list[ScaledPoint] = []
    while True:
        points = [*start, *added]
        for proposal in next_points(points, num=4, fit=fit_rule(points)):
            budget -= proposal.cost_multiple
            if budget < 0.0:
                return added
            row = np.array([[proposal.depth, proposal.width, proposal.resolution]])
            added += _measured(rng, law, row, noise, first_seed=2_000 + len(added))


def _design(num_trainings: int) -> Array:
    """Returns the multipliers of trainings at one, two and eight times the cost, 14 networks in turn: [n, 3]."""
    mixtures = np.concatenate([triangle(2), [[1 / 3, 1 / 3, 1 / 3]]])
    logs = [logs_at(triangle(2), math.log(2.0), EXPONENTS), logs_at(mixtures, math.log(8.0), EXPONENTS)]
    networks = np.exp(np.concatenate([np.zeros((1, 3)), *logs]))
    return np.asarray(np.resize(networks, (num_trainings, 3)))


def _measured(
    rng: np.random.Generator, law: Truth, multipliers: Array, noise: float, *, first_seed: int = 0
) -> list[ScaledPoint]:
    """Returns one training per row of multipliers."""
    values = law(multipliers) + rng.normal(0.0, noise, len(multipliers))
    costs = np.exp(np.log(multipliers) @ EXPONENTS)
    return [
        ScaledPoint(depth, width, resolution, price, value, first_seed + seed)
        for seed, ((depth, width, resolution), price, value) in enumerate(
            zip(multipliers.tolist(), costs.tolist(), values.tolist(), strict=True)
        )
    ]


def _random_law(rng: np.random.Generator) -> Truth:
    """Returns a truth: doubling any dimension gains some 2 to 10 points of accuracy."""
    scales, exponents = rng.uniform(0.05, 0.15, 3), rng.uniform(0.6, 1.4, 3)
    # A unit of log cost buys half a unit of width or resolution.
    return additive((scales[0] / 2, scales[1], scales[2]), tuple(exponents))


def _true_bases(law: Truth) -> Array:
    """Returns alpha, beta and gamma of a law: where it is highest at twice the cost."""
    return np.exp(logs_at(_true_shares(law), math.log(2.0), EXPONENTS))


def _true_shares(law: Truth) -> Array:
    """Returns the shares of log cost at which a law is highest at twice the cost: [3]."""
    shares = triangle(300)
    best = shares[law(np.exp(logs_at(shares, math.log(2.0), EXPONENTS))).argmax()]
    shares = grid_between(best - 0.005, best + 0.005, 41)
    return np.asarray(shares[law(np.exp(logs_at(shares, math.log(2.0), EXPONENTS))).argmax()])


def _as_built(baseline: Architecture, scaled: Architecture) -> Multipliers:
    """Returns the ratio of layers, of channels and of the input's side."""
    sums: list[Callable[[Architecture], float]] = [
        lambda network: sum(stage.repeats for stage in network.stages),
        lambda network: sum(stage.channels for stage in network.stages),
        lambda network: network.resolution,
    ]
    depth, width, resolution = (float(part(scaled)) / float(part(baseline)) for part in sums)
    return Multipliers(depth=depth, width=width, resolution=resolution)


def _row(multipliers: Multipliers) -> list[float]:
    return [multipliers["depth"], multipliers["width"], multipliers["resolution"]]


def _logs(fit: RuleFit) -> Array:
    return np.log([fit.rule.alpha, fit.rule.beta, fit.rule.gamma])


def _rms(errors: list[Array]) -> float:
    return float(np.sqrt(np.mean(np.square(errors))))


def _coverage(what: str, ours: float, peer: float) -> Row:
    distance = abs(ours - 0.95) / 0.02
    return Row(f"coverage of {what}", ours, peer, distance, 1.0, distance <= 1.0 + 1e-9, "share")


def _at_least(what: str, ours: float, peer: float) -> Row:
    lacking = max(0.95 - ours, 0.0) / 0.02
    return Row(f"coverage of {what}", ours, peer, lacking, 1.0, lacking <= 1.0 + 1e-9, "share")
