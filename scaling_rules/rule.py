"""Scaling rules: from phi, or a multiple of the cost, to multipliers of depth, width and resolution.

A power rule spends a fixed share of the growth on each dimension (EfficientNet, Tan and Le 2019, section 3.3):
depth = alpha^phi, width = beta^phi, resolution = gamma^phi. Negative phi shrinks. A table rule holds sizes that
somebody rounded by hand.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypedDict

import numpy as np

from scaling_rules import plain_json
from scaling_rules.errors import ScalingError

DIMENSIONS = ("depth", "width", "resolution")
# MACs of a convolutional network grow as depth * width^2 * resolution^2 (EfficientNet, section 3.3).
NOMINAL_EXPONENTS = (1.0, 2.0, 2.0)


class Multipliers(TypedDict):
    """Factors on a baseline; `scale(architecture, **multipliers)` applies them."""

    depth: float
    width: float
    resolution: float


class ScalingRule(Protocol):
    """How a baseline grows. Its multipliers are continuous in phi, and all 1 at phi = 0 (a cost of 1)."""

    @property
    def name(self) -> str: ...

    @property
    def equation(self) -> str: ...

    def multipliers(self, *, phi: float | None = None, cost: float | None = None) -> Multipliers: ...

    def promised_cost(self, phi: float) -> float | None:
        """Returns the multiple of the baseline's cost that phi stands for; None where it stands for a size itself."""


@dataclass(frozen=True, slots=True)
class PowerRule:
    """Every multiplier is a power of the cost: alpha^phi, beta^phi, gamma^phi.

    Args:
        name: for people.
        alpha: depth's factor at phi = 1, greater than 0.
        beta: width's.
        gamma: resolution's.
        cost_base: the factor on the cost at phi = 1, greater than 1; left out, alpha * beta^2 * gamma^2.

    Raises:
        ScalingError: a factor is not positive, or nothing grows.

    Example:
        >>> rule = PowerRule("compound", 1.2, 1.1, 1.15)
        >>> print(rule)
        compound: depth = 1.2^phi, width = 1.1^phi, resolution = 1.15^phi; cost grows by 1.92^phi
        >>> round(rule.multipliers(phi=2)["depth"], 2)
        1.44
    """

    name: str
    alpha: float
    beta: float
    gamma: float
    cost_base: float = 0.0

    def __post_init__(self) -> None:
        for name in ("alpha", "beta", "gamma"):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) > 0.0):
                raise ScalingError(
                    f"`{name}` must be greater than 0, got {getattr(self, name):g}; 1 leaves it as it is"
                )
        if self.cost_base == 0.0:
            object.__setattr__(self, "cost_base", self.alpha * self.beta**2 * self.gamma**2)
        if not (math.isfinite(self.cost_base) and self.cost_base > 1.0):
            raise ScalingError(
                f"the cost at phi = 1 must be greater than 1, got {self.cost_base:g}; "
                "let something grow, and shrink with a negative phi"
            )

    def multipliers(self, *, phi: float | None = None, cost: float | None = None) -> Multipliers:
        """Returns the factors at `phi`, or at a multiple of the baseline's cost.

        Args:
            phi: the compound coefficient, any finite number; below 0 shrinks.
            cost: instead of phi, the multiple of the cost, greater than 0.

        Raises:
            ScalingError: not exactly one of the two was given, or it is outside its interval.
        """
        power = _phi(phi, cost, self.cost_base)
        return Multipliers(depth=self.alpha**power, width=self.beta**power, resolution=self.gamma**power)

    def promised_cost(self, phi: float) -> float:
        """Returns the multiple of the baseline's cost at phi, which rounding may miss."""
        return float(self.cost_base**phi)

    @property
    def equation(self) -> str:
        """The rule as it would stand in a paper."""
        terms = zip(DIMENSIONS, (self.alpha, self.beta, self.gamma), strict=True)
        text = ", ".join(f"{name} = {base:.4g}^phi" if base != 1.0 else f"{name} = 1" for name, base in terms)
        return f"{text}; cost grows by {self.cost_base:.3g}^phi"

    def __str__(self) -> str:
        return f"{self.name}: {self.equation}"

    def to_json(self) -> str:
        """Returns the rule as one line of JSON."""
        return plain_json.dumps(self)

    @classmethod
    def from_json(cls, text: str) -> PowerRule:
        """Returns the rule that `to_json` wrote."""
        return plain_json.loads(cls, text)


@dataclass(frozen=True, slots=True)
class TableRow:
    """One size of a table: its label, its place on the scale of phi, and its multipliers."""

    label: str
    phi: float
    depth: float
    width: float
    resolution: float

    @property
    def nominal_cost(self) -> float:
        """depth * width^2 * resolution^2."""
        return self.depth * self.width**2 * self.resolution**2


@dataclass(frozen=True, slots=True)
class TableRule:
    """Sizes rounded by hand; between two rows the multipliers are interpolated on a logarithmic scale.

    Args:
        name: for people.
        rows: two or more, by increasing phi and nominal cost.
        note: what a reader must know of the table.

    Raises:
        ScalingError: fewer than two rows, or rows out of order.
    """

    name: str
    rows: tuple[TableRow, ...]
    note: str = ""

    def __post_init__(self) -> None:
        steps = [(row.phi, row.nominal_cost) for row in self.rows]
        ordered = all(a[0] < b[0] and a[1] < b[1] for a, b in zip(steps, steps[1:], strict=False))
        if len(self.rows) < 2 or not ordered:
            raise ScalingError(
                f"a table must have two or more rows by increasing phi and cost, got {steps}; sort them"
            )

    def multipliers(self, *, phi: float | None = None, cost: float | None = None) -> Multipliers:
        """Returns the factors at `phi`, or at a multiple of the nominal cost, inside the table.

        Raises:
            ScalingError: not exactly one of the two was given, or it lies outside the table.
        """
        by_cost = cost is not None
        at = math.log(_positive_cost(cost)) if cost is not None else _phi(phi, None, 2.0)
        scale = [math.log(row.nominal_cost) if by_cost else row.phi for row in self.rows]
        if not scale[0] - 1e-9 <= at <= scale[-1] + 1e-9:
            first, last = (math.exp(scale[0]), math.exp(scale[-1])) if by_cost else (scale[0], scale[-1])
            what = "cost" if by_cost else "phi"
            raise ScalingError(
                f"`{what}` must lie in the table {self.name}, [{first:g}, {last:g}], got "
                f"{cost if by_cost else phi:g}; use a power rule beyond it"
            )
        logs = np.log([[row.depth, row.width, row.resolution] for row in self.rows])
        depth, width, resolution = (float(np.exp(np.interp(at, scale, column))) for column in logs.T)
        return Multipliers(depth=depth, width=width, resolution=resolution)

    def promised_cost(self, phi: float) -> None:
        """Returns None: a row is a size that somebody chose, whatever it costs."""

    @property
    def equation(self) -> str:
        """The rows, and the note."""
        rows = "; ".join(
            f"{row.label} (phi {row.phi:g}): depth {row.depth:g}, width {row.width:g}, "
            f"resolution {row.resolution:.4g}"
            for row in self.rows
        )
        return f"{rows}{'. ' if self.note else ''}{self.note}"

    def __str__(self) -> str:
        return f"{self.name}: {self.equation}"


def shared_rule(
    name: str,
    shares: Sequence[float],
    *,
    cost_base: float = 2.0,
    exponents: Sequence[float] = NOMINAL_EXPONENTS,
) -> PowerRule:
    """Returns the power rule that spends given shares of the logarithm of the cost on each dimension.

    Args:
        name: for people.
        shares: of (depth, width, resolution), each at least 0, together 1.
        cost_base: the factor on the cost at phi = 1, greater than 1.
        exponents: the cost grows as depth^e0 * width^e1 * resolution^e2.

    Raises:
        ScalingError: the shares are negative or do not add up to 1.

    Example:
        >>> print(shared_rule("width only", (0, 1, 0)))
        width only: depth = 1, width = 1.414^phi, resolution = 1; cost grows by 2^phi
    """
    if len(shares) != 3 or min(shares) < 0.0 or abs(sum(shares) - 1.0) > 1e-9:
        raise ScalingError(
            f"`shares` must be three numbers of at least 0 that add up to 1, got {tuple(shares)}; "
            "divide them by their sum"
        )
    alpha, beta, gamma = (float(cost_base ** (share / e)) for share, e in zip(shares, exponents, strict=True))
    return PowerRule(name, alpha, beta, gamma, cost_base)


def named_rule(name: str) -> PowerRule | TableRule:
    """Returns a rule of the literature by its name.

    Raises:
        ScalingError: no rule has that name.

    Example:
        >>> named_rule("efficientnet").alpha
        1.2
    """
    if name not in RULES:
        raise ScalingError(f"a rule must be one of {', '.join(RULES)}, got {name!r}; choose one of them")
    return RULES[name]


def _phi(phi: float | None, cost: float | None, cost_base: float) -> float:
    """Returns phi, whichever of the two was given."""
    if (phi is None) == (cost is None):
        raise ScalingError(f"give exactly one of `phi` and `cost`, got phi={phi} and cost={cost}; drop one")
    if cost is not None:
        return math.log(_positive_cost(cost)) / math.log(cost_base)
    if phi is None or not math.isfinite(phi):
        raise ScalingError(f"`phi` must be finite, got {phi}; 0 is the baseline")
    return phi


def _positive_cost(cost: float) -> float:
    if not (math.isfinite(cost) and cost > 0.0):
        raise ScalingError(f"`cost` must be a multiple greater than 0, got {cost:g}; 1 is the baseline")
    return cost


# Released `efficientnet_params`; resolutions in pixels over the baseline's 224.
EFFICIENTNET_TABLE = TableRule(
    "efficientnet_table",
    tuple(
        TableRow(f"B{index}", float(index), depth, width, side / 224)
        for index, (width, depth, side) in enumerate(
            [
                (1.0, 1.0, 224),
                (1.0, 1.1, 240),
                (1.1, 1.2, 260),
                (1.2, 1.4, 300),
                (1.4, 1.8, 380),
                (1.6, 2.2, 456),
                (1.8, 2.6, 528),
                (2.0, 3.1, 600),
            ]
        )
    ),
    "Rounded by hand: these are not the powers of 1.2, 1.1 and 1.15 (phi = 1 of the formula is B2's depth and "
    "width, not B1's).",
)

# Model Rubik's Cube (Han et al. 2020), released TinyNets; phi is log2 of the nominal cost. Their repeats are
# rounded to nearest and their stem keeps its width, so a ceiling gives somewhat larger networks.
TINYNET_TABLE = TableRule(
    "tinynet_table",
    tuple(
        TableRow(label, math.log2(depth * width**2 * resolution**2), depth, width, resolution)
        for label, resolution, width, depth in [
            ("E", 0.475, 0.51, 0.6),
            ("D", 0.68, 0.54, 0.695),
            ("C", 0.825, 0.54, 0.85),
            ("B", 0.84, 0.75, 1.1),
            ("A", 0.86, 1.0, 1.2),
            ("baseline", 1.0, 1.0, 1.0),
        ]
    ),
    "Shrinks EfficientNet-B0: resolution and depth give way last.",
)

RULES: dict[str, PowerRule | TableRule] = {
    rule.name: rule
    for rule in (
        PowerRule("efficientnet", 1.2, 1.1, 1.15),  # EfficientNet, section 3.3, step 1
        EFFICIENTNET_TABLE,
        TINYNET_TABLE,
        shared_rule("depth", (1, 0, 0)),
        shared_rule("width", (0, 1, 0)),
        shared_rule("resolution", (0, 0, 1)),
        shared_rule("depth+width", (0.5, 0.5, 0)),
        shared_rule("depth+resolution", (0.5, 0, 0.5)),
        shared_rule("width+resolution", (0, 0.5, 0.5)),
        shared_rule("uniform", (1 / 3, 1 / 3, 1 / 3)),
        # Fast and Accurate Model Scaling (Dollar et al. 2021), alpha = 0.8: depth s^0.1, width s^0.4,
        # resolution s^0.05, that is 0.1, 0.8 and 0.1 of the cost's logarithm.
        shared_rule("dWr", (0.1, 0.8, 0.1)),
    )
}
