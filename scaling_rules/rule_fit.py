"""A fitted scaling rule: its value, its intervals, what it cannot be told from, and what it rests on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import fdtri

from scaling_rules import plain_json
from scaling_rules.errors import Array, ScalingError
from scaling_rules.law_fit import Estimate
from scaling_rules.measured_surface import measured_surfaces
from scaling_rules.rule import PowerRule
from scaling_rules.scaled_points import ScaledPoint, table
from scaling_rules.surface import Surfaces, interval, logs_at, plausibility, triangle


@dataclass(frozen=True, slots=True)
class Comparison:
    """The fitted rule beside another at equal cost.

    Attributes:
        name: of the other.
        gain: predicted value of the fitted rule minus the other's.
        low, high: interval of the gain, simultaneous over all pairs of rules (Scheffe), because the fitted one was
            chosen by the data; pairwise against the grid's winner.
        distinguishable: whether the data rule out that the other is the best, and that it is as good.
    """

    name: str
    gain: float
    low: float
    high: float
    distinguishable: bool


@dataclass(frozen=True, slots=True)
class RuleFit:
    """A fitted rule and what it rests on.

    Attributes:
        rule: the mean of the peaks of all surfaces that the data leave possible; phi counts doublings of the measured
            cost. Where the data are clear it is the peak; where they are not, the peak jumps about and this errs
            less (docs/scaling.md has the measurement).
        peak: the surface's maximum at that cost, as its best fit has it.
        method: `surface` or `grid`.
        parameters: alpha, beta and gamma with intervals, each at `level`.
        comparisons: with width, depth and resolution alone, dWr, and EfficientNet's constants, at equal cost.
        region: share of all rules that the data leave possible jointly at `level`; small is well determined.
        cost_multiple: at which the rule was sought.
        cost_exponents: measured cost grows as depth^e0 * width^e1 * resolution^e2.
        cost_error: root mean square of log(measured / fitted cost).
        noise: standard deviation of one training.
        dof: degrees of freedom of the noise.
        lack_of_fit: p-value of the surface's misses against repeats; misses count as noise below 0.01.
        level: confidence of the intervals.
        points: what was fitted to.
        residuals: per point, observed minus fitted.
    """

    rule: PowerRule
    peak: PowerRule
    method: str
    parameters: tuple[Estimate, ...]
    comparisons: tuple[Comparison, ...]
    region: float
    cost_multiple: float
    cost_exponents: tuple[float, ...]
    cost_error: float
    noise: float
    dof: int
    lack_of_fit: float
    level: float
    points: tuple[ScaledPoint, ...]
    residuals: tuple[float, ...]

    @property
    def verdict(self) -> str:
        """One sentence: which simpler rules the data cannot tell from the fitted one."""
        alike = [row.name for row in self.comparisons if not row.distinguishable]
        if alike:
            return f"not distinguishable from {_listed(alike)} at {self.level:.0%} confidence"
        return f"distinguishable from {_listed([row.name for row in self.comparisons])} at {self.level:.0%} confidence"

    def contains(self, alpha: float, beta: float, gamma: float) -> bool:
        """Returns whether a rule lies in the joint confidence region.

        For the surface only the rule's direction counts, (1.44, 1.21, 1.32) is (1.2, 1.1, 1.15); for the grid it is
        the box of the intervals.

        Raises:
            ScalingError: a factor is below 1 or all are 1.
        """
        logs = np.log([alpha, beta, gamma])
        if logs.min() < 0.0 or logs.max() == 0.0:
            raise ScalingError(
                f"factors must be at least 1 and one greater, got {(alpha, beta, gamma)}; a rule grows"
            )
        if self.method == "grid":
            bounds = zip((alpha, beta, gamma), self.parameters, strict=True)
            return all(row.low - 1e-9 <= base <= row.high + 1e-9 for base, row in bounds)
        spent = logs * self.cost_exponents
        shares = spent / spent.sum()
        found, log_cost, exponents = self.surfaces()
        [value] = plausibility(found, shares[None], log_cost, exponents, freedom=2, level=self.level)
        return bool(value >= 1.0 - self.level)

    def bootstrap(self, *, rng: np.random.Generator, num_draws: int = 1_000) -> Array:
        """Returns rules of refits to resampled residuals, (alpha, beta, gamma) each: [draws, 3].

        A cloud to draw as the joint region. The region of `contains` covers better (docs/scaling.md).

        Raises:
            ScalingError: the fit is the grid's.
        """
        found, log_cost, exponents = self.surfaces()
        best = found.best
        measured = table(self.points)
        residuals = np.array(self.residuals)
        residuals = residuals * math.sqrt(found.variance / np.mean(residuals**2))
        fitted = best.heights(measured.logs)
        rows = best.rows(measured.logs)
        drawn = fitted + rng.choice(residuals, (num_draws, len(fitted)))
        coefficients = drawn @ rows @ best.inverse  # [draws, terms]
        shares = triangle(60)
        heights = best.rows(logs_at(shares, log_cost, exponents)) @ coefficients.T
        return np.array([self._bases(row) for row in shares[heights.argmax(axis=0)]])

    def predict(self, depth: float, width: float, resolution: float) -> float:
        """Returns the surface's value at multipliers as built.

        Raises:
            ScalingError: the fit is the grid's, which predicts nothing.
        """
        found, _, _ = self.surfaces()
        return float(found.best.heights(np.log([depth, width, resolution])))

    def interval(
        self, depth: float, width: float, resolution: float, *, new: bool = True
    ) -> tuple[float, float]:
        """Returns the interval of the value at multipliers as built; far from what was measured it is wide.

        Args:
            depth, width, resolution: multipliers as built, greater than 0.
            new: whether for one new training (with its noise) or for the mean of many.

        Raises:
            ScalingError: the fit is the grid's.
        """
        found, _, _ = self.surfaces()
        logs = np.log([depth, width, resolution])
        _, low, high = interval(
            found, lambda surface: surface.rows(logs), float(fdtri(1, found.dof, self.level)), new=new
        )
        return low, high

    def _bases(self, shares: Array) -> tuple[float, float, float]:
        alpha, beta, gamma = (
            2.0 ** (share / e) for share, e in zip(shares, self.cost_exponents, strict=True)
        )
        return float(alpha), float(beta), float(gamma)

    def surfaces(self) -> tuple[Surfaces, float, Array]:
        """Returns the surfaces behind the fit, the logarithm of its cost multiple, and the cost's exponents.

        Raises:
            ScalingError: the fit is the grid's.
        """
        if self.method != "surface":
            raise ScalingError(f"this needs a fit by surface, got one by {self.method}; fit by surface")
        found, _ = measured_surfaces(table(self.points))
        return found, math.log(self.cost_multiple), np.array(self.cost_exponents)

    def __str__(self) -> str:
        lines = [str(self.rule), *map(str, self.parameters), self.verdict]
        lines += [
            f"against {c.name}: {c.gain:+.4f} ({c.low:+.4f} to {c.high:+.4f})" for c in self.comparisons
        ]
        return "\n".join(lines)

    def to_json(self) -> str:
        """Returns the fit, with its points, as one line of JSON."""
        return plain_json.dumps(self)

    @classmethod
    def from_json(cls, text: str) -> RuleFit:
        """Returns the fit that `to_json` wrote."""
        return plain_json.loads(cls, text)


def _listed(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
