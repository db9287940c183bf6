"""The reward: one number, or two objectives, from an accuracy and a cost.

MnasNet (Tan et al., CVPR 2019), section 3.1, equations 2 and 3: `soft` and `hard`.
TuNAS (Bender et al., CVPR 2020), section 3.2, the absolute reward function: `absolute`.
`pareto` keeps accuracy and cost apart, as two objectives. Pure arithmetic: accuracies and costs are stored
separately, so that any reward can be recomputed over any trials, one at a time or as arrays.
"""

from __future__ import annotations

import difflib
import math
import re
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Numbers = float | npt.NDArray[Any]
Direction = Literal["maximize", "minimize"]

# The weight `w` of each kind, and how far above the target a candidate is still worth measuring.
# soft: MnasNet's alpha = beta = -0.07: doubling the cost is worth about 5 % of accuracy (2^-0.07 = 0.953).
# hard: MnasNet's alpha = 0, beta = -1.
# absolute: -0.10 is the default of TuNAS's published code (its flag `rl_cost_model_exponent`).
WEIGHTS: dict[str, float] = {"soft": -0.07, "hard": -1.0, "absolute": -0.10, "pareto": 0.0}

# A cost above `LIMITS[kind] * target` is refused before it is trained.
# hard: above the target the reward halves with every doubling of the cost, which buys about 5 % of accuracy
# (MnasNet, section 3.1), so nothing there can win.
# others: MnasNet's soft search spread over about 0.5 to 1.5 times its target (Fig. 6: below 40 and above
# 110 ms at 75 ms); 2 leaves room above that.
LIMITS: dict[str, float] = {"soft": 2.0, "hard": 1.0, "absolute": 2.0, "pareto": 2.0}

# The lower end of the window in which first candidates are drawn, as a share of the target (same figure).
WINDOW_FLOOR = 0.5

COSTS: tuple[str, ...] = ("macs", "params", "peak_memory_bytes", "latency_ms")

MAX_LATENCY_MS = 60_000.0  # a minute for one pass: whoever asks for more has thought of another cost

_SUFFIXES: dict[str, float] = {"": 1.0, "K": 1e3, "M": 1e6, "G": 1e9, "B": 1e9}
_QUANTITY = re.compile(r"(\d[\d_]*(?:\.\d+)?|\.\d+)\s*([KMGB]?)", re.IGNORECASE)


class RewardError(ValueError):
    """A reward or a quantity that means nothing: rule, value and remedy."""


@dataclass(frozen=True, slots=True)
class Reward:
    """How accuracy and cost become what a search maximises.

    Args:
        kind: `soft`, `hard`, `absolute` or `pareto`.
        target: the cost aimed at, in the unit of `cost`, > 0.
        cost: `macs` (multiply-adds, the papers' FLOPs), `params`, `peak_memory_bytes` or `latency_ms`.
        w: the weight of the cost, <= 0; None takes the kind's own (`WEIGHTS`).
        max_cost: the largest cost worth measuring, >= target; None takes the kind's own (`LIMITS`).

    Raises:
        RewardError: for an unknown kind or cost, or a number outside its interval.

    Example:
        >>> round(Reward("soft", target=5e6).scalar(0.80, 10e6), 4)  # twice the target costs 5 %
        0.7621
    """

    kind: str
    target: float
    cost: str = "macs"
    w: float | None = None
    max_cost: float | None = None

    def __post_init__(self) -> None:
        _check_name("kind of reward", self.kind, tuple(WEIGHTS))
        _check_name("cost", self.cost, COSTS)
        if not (math.isfinite(self.target) and self.target > 0):
            raise RewardError(
                f"the target must be a positive number of {self.cost}, got {self.target}; try 5M"
            )
        if self.cost == "latency_ms" and self.target > MAX_LATENCY_MS:
            raise RewardError(
                f"a target of latency is in milliseconds, at most {MAX_LATENCY_MS:g}, got {self.target:g};"
                " write for example 2.5, or take --cost macs"
            )
        if not (math.isfinite(self.weight) and self.weight <= 0):
            raise RewardError(f"the weight `w` must be zero or negative, got {self.w}; MnasNet's is -0.07")
        if not self.limit >= self.target:
            raise RewardError(
                f"the largest cost must not be below the target {self.target:g}, got {self.max_cost};"
                " raise it or leave it out"
            )

    @property
    def weight(self) -> float:
        """Returns `w`, or the kind's own where none was given."""
        return WEIGHTS[self.kind] if self.w is None else self.w

    @property
    def limit(self) -> float:
        """Returns the largest cost that is worth measuring, in the unit of the cost."""
        return LIMITS[self.kind] * self.target if self.max_cost is None else self.max_cost

    @property
    def window(self) -> tuple[float, float]:
        """Returns the closed interval of costs in which a search draws its first candidates."""
        return WINDOW_FLOOR * self.target, self.limit

    @property
    def is_arithmetic(self) -> bool:
        """Returns whether the cost is known before anything is trained (a latency must be measured)."""
        return self.cost != "latency_ms"

    @property
    def directions(self) -> tuple[Direction, ...]:
        """Returns the direction of each of `objectives`, in Optuna's words."""
        return ("maximize", "minimize") if self.kind == "pareto" else ("maximize",)

    @property
    def equation(self) -> str:
        """Returns the formula with its numbers, for people."""
        ratio = f"({self.cost} / {self.target:g})"
        forms = {
            "soft": f"accuracy * {ratio}^{self.weight:g}",
            "hard": f"accuracy if {self.cost} <= {self.target:g} else accuracy * {ratio}^{self.weight:g}",
            "absolute": f"accuracy - {-self.weight:g} * |{self.cost} / {self.target:g} - 1|",
            "pareto": f"maximize accuracy, minimize {self.cost}",
        }
        return forms[self.kind]

    def scalar(self, accuracy: float, cost: float) -> float:
        """Returns the reward of one measurement.

        Args:
            accuracy: in [0, 1].
            cost: in the unit of `self.cost`, > 0.

        Raises:
            RewardError: for `pareto`, which is no single number, and for a cost that is not positive.
        """
        return float(self.scalars(accuracy, cost))

    def scalars(self, accuracies: Numbers, costs: Numbers) -> Array:
        """Returns the rewards of many measurements; the two arrays are broadcast."""
        if self.kind == "pareto":
            raise RewardError("`pareto` has two objectives, not one number; take soft, hard or absolute")
        if not np.all(np.asarray(costs) > 0):
            raise RewardError(
                f"a cost must be a positive number of {self.cost}, got {np.min(costs)}; measure it first"
            )
        ratios = np.asarray(costs, dtype=np.float64) / self.target
        if self.kind == "absolute":
            return np.asarray(accuracies + self.weight * np.abs(ratios - 1.0))
        if self.kind == "hard":
            ratios = np.maximum(ratios, 1.0)
        return np.asarray(accuracies * ratios**self.weight)

    def objectives(self, accuracy: float, cost: float) -> tuple[float, ...]:
        """Returns what a study is told: (reward,), or (accuracy, cost) for `pareto`; see `directions`."""
        return (accuracy, cost) if self.kind == "pareto" else (self.scalar(accuracy, cost),)


def parse_quantity(text: str) -> int | float:
    """Returns the number that `text` stands for, whole numbers as int.

    Args:
        text: a positive decimal number with K (10^3), M (10^6), G or B (10^9) after it, in either case, or
            none.

    Raises:
        RewardError: when it is something else.

    Example:
        >>> parse_quantity("5M"), parse_quantity("1.5k"), parse_quantity("7.5")
        (5000000, 1500, 7.5)
    """
    match = _QUANTITY.fullmatch(text.strip())
    value = float(match[1]) * _SUFFIXES[match[2].upper()] if match else 0.0
    if value <= 0 or not math.isfinite(value):
        raise RewardError(
            f"a quantity is a decimal number above zero with K, M, G or B after it, got {text!r};"
            " write for example 5M"
        )
    whole = round(value)
    return whole if math.isclose(value, whole, rel_tol=1e-12) else value


def _check_name(what: str, name: str, known: tuple[str, ...]) -> None:
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean {near[0]}?" if near else "; choose one of them"
        raise RewardError(f"the {what} must be one of {', '.join(known)}, got {name!r}{hint}")
