"""Saturating power laws: value = limit - sum of scale_k * (size_k / reference_k)^-exponent_k.

One shape serves accuracy against cost, accuracy against one dimension, against (depth, width, resolution), and
against (cost, epochs), as in Hestness et al. 2017, section 3, and Hoffmann et al. 2022, section 3.3. For a loss the
scales are negative.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scaling_rules import plain_json
from scaling_rules.errors import Array, ScalingError, numbers


@dataclass(frozen=True, slots=True)
class Law:
    """A saturating power law in one or several sizes.

    Args:
        variables: names of the sizes.
        limit: the value that ever larger sizes approach.
        scales: per variable, what the reference size lacks; positive where larger is better.
        exponents: per variable, greater than 0.
        references: per variable, the size at which its term equals its scale; greater than 0.

    Example:
        >>> law = Law(("cost",), 0.9, (0.2,), (0.5,), (1.0,))
        >>> law.predict([4.0])
        array([0.8])
        >>> print(law)
        0.9 - 0.2 cost^-0.5
    """

    variables: tuple[str, ...]
    limit: float
    scales: tuple[float, ...]
    exponents: tuple[float, ...]
    references: tuple[float, ...]

    def __post_init__(self) -> None:
        counts = {len(self.variables), len(self.scales), len(self.exponents), len(self.references)}
        if len(counts) != 1 or not self.variables:
            raise ScalingError(f"a law must have one number per variable, got {self}; give each once")
        numbers("exponents", self.exponents, ndim=1, positive=True)
        numbers("references", self.references, ndim=1, positive=True)

    def predict(self, sizes: npt.ArrayLike) -> Array:
        """Returns the values at sizes: [n] for one variable, [n, variables] for several."""
        table = size_table(sizes, len(self.variables))
        terms = np.asarray(self.scales) * (table / self.references) ** -np.asarray(self.exponents)
        return np.asarray(self.limit - terms.sum(axis=1))

    def size_for(self, value: float) -> float:
        """Returns the size at which a law of one variable reaches `value`; infinity where it never does."""
        [scale], [exponent], [reference] = self._single("size_for")
        lacking = (self.limit - value) / scale
        return math.inf if lacking <= 0.0 else reference * lacking ** (-1.0 / exponent)

    def doubling_gain(self, size: float) -> float:
        """Returns what doubling `size` adds to the value, for a law of one variable."""
        first, second = self.predict([size, 2.0 * size])
        return float(second - first)

    def saturation(self, share: float = 0.9) -> float:
        """Returns the factor on any size after which `share` of what was lacking there has been gained.

        It depends on the exponent alone: (1 - share)^(-1 / exponent). The smaller, the earlier it saturates.
        """
        _, [exponent], _ = self._single("saturation")
        return float((1.0 - share) ** (-1.0 / exponent))

    def _single(self, what: str) -> tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...]]:
        if len(self.variables) != 1:
            raise ScalingError(
                f"`{what}` needs a law of one variable, got {self.variables}; fix the others and fit again"
            )
        return self.scales, self.exponents, self.references

    def __str__(self) -> str:
        text = f"{self.limit:.4g}"
        parts = zip(self.variables, self.scales, self.exponents, self.references, strict=True)
        for name, scale, exponent, reference in parts:
            size = name if reference == 1.0 else f"({name} / {reference:.4g})"
            text += f" {'-' if scale >= 0 else '+'} {abs(scale):.4g} {size}^-{exponent:.3g}"
        return text

    def to_json(self) -> str:
        """Returns the law as one line of JSON."""
        return plain_json.dumps(self)

    @classmethod
    def from_json(cls, text: str) -> Law:
        """Returns the law that `to_json` wrote."""
        return plain_json.loads(cls, text)


def size_table(sizes: npt.ArrayLike, num_variables: int) -> Array:
    """Returns sizes as an array [n, variables] of finite positive numbers.

    Raises:
        ScalingError: the shape does not fit, or a size is not positive.
    """
    array = np.asarray(sizes, dtype=np.float64)
    if array.ndim == 1 and num_variables == 1:
        array = array[:, None]
    table = numbers("sizes", array, ndim=2, positive=True)
    if table.shape[1] != num_variables:
        raise ScalingError(
            f"`sizes` must have {num_variables} column(s), got {table.shape[1]}; give one per variable"
        )
    return table
