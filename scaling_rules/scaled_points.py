"""Measurements of scaled networks, checked and in arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import fdtrc

from scaling_rules.errors import Array, Indices, ScalingError, numbers


@dataclass(frozen=True, slots=True)
class ScaledPoint:
    """One training of a scaled network.

    Args:
        depth: layers over the baseline's, *as built*: a factor of 1.1 that a ceiling turned into 1.4 times the
            layers is 1.4.
        width: channels over the baseline's, as built.
        resolution: side of the input over the baseline's.
        cost: what the rounded network really costs, in any unit (MACs, parameters, milliseconds).
        value: its accuracy, or anything else of which more is better.
        seed: of the training; equal networks with other seeds show the noise.
    """

    depth: float
    width: float
    resolution: float
    cost: float
    value: float
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Table:
    """Points as arrays, and their repeats."""

    logs: Array  # [points, 3]: log-multipliers
    costs: Array  # [points]
    values: Array  # [points]
    groups: Indices  # [points]: number of the network, 0 to networks - 1
    num_networks: int
    pure_variance: float  # of repeats around their network's mean
    pure_dof: int


def table(points: Sequence[ScaledPoint]) -> Table:
    """Returns points as arrays.

    Raises:
        ScalingError: a number is not finite or a multiplier or cost not positive; a training stands there twice;
            no network was trained with a second seed; or repeats never differ.
    """
    if not points:
        raise ScalingError("there must be points, got none; measure what `next_points` names")
    rows = [[p.depth, p.width, p.resolution, p.cost] for p in points]
    sizes = numbers("points", rows, ndim=2, positive=True)
    values = numbers("value", [p.value for p in points], ndim=1)
    if len(set(points)) < len(points):
        raise ScalingError(
            f"a training must stand among the points once, got {len(points) - len(set(points))} repeated; "
            "give each seed its number"
        )
    multipliers = np.log(sizes[:, :3])
    networks, groups = np.unique(np.round(multipliers, 12), axis=0, return_inverse=True)
    groups = groups.ravel().astype(np.int64)
    counts = np.bincount(groups)
    means = np.bincount(groups, values) / counts
    squares, dof = float(((values - means[groups]) ** 2).sum()), len(points) - len(networks)
    if dof < 1 or squares == 0.0:
        raise ScalingError(
            f"intervals need networks trained with two or more seeds that differ, got {len(points)} trainings "
            f"of {len(networks)} networks{' without a difference' if dof else ''}; repeat some with another seed"
        )
    return Table(multipliers, sizes[:, 3], values, groups, len(networks), squares / dof, dof)


def cost_law(points: Table) -> tuple[float, Array, float]:
    """Returns how measured costs grow: the baseline's cost, the three exponents, and the law's error.

    cost = baseline * depth^e0 * width^e1 * resolution^e2 by least squares on logarithms; the error is the root mean
    square of log(measured / fitted).

    Raises:
        ScalingError: all costs are equal, or the multipliers do not vary independently, or a cost falls with size.
    """
    if np.ptp(np.log(points.costs)) < 1e-9:
        raise ScalingError(
            f"costs must differ, got {len(points.costs)} times {points.costs[0]:g}; measure other sizes too"
        )
    rows = np.concatenate([np.ones((len(points.logs), 1)), points.logs], axis=1)
    if np.linalg.matrix_rank(rows, tol=1e-6) < 4:
        raise ScalingError(
            "depth, width and resolution must vary independently, got multipliers on one plane; "
            "measure points off it (`next_points` names some)"
        )
    coefficients = np.linalg.lstsq(rows, np.log(points.costs), rcond=None)[0]
    if coefficients[1:].min() <= 0.0:
        raise ScalingError(
            f"costs must rise with depth, width and resolution, got exponents {np.round(coefficients[1:], 2)}; "
            "check what was counted"
        )
    error = float(np.sqrt(np.mean((np.log(points.costs) - rows @ coefficients) ** 2)))
    return float(np.exp(coefficients[0])), coefficients[1:], error


def lack_of_fit(points: Table, loss: float, num_parameters: int) -> tuple[float, float, int]:
    """Returns the p-value that a surface misses more than noise explains, and the misses' variance and freedom.

    Args:
        points: what was fitted to.
        loss: the surface's sum of squared residuals.
        num_parameters: of the surface.
    """
    dof = points.num_networks - num_parameters
    if dof < 1:
        return 1.0, 0.0, 0
    missing = max(0.0, loss - points.pure_variance * points.pure_dof) / dof
    return float(fdtrc(dof, points.pure_dof, missing / points.pure_variance)), missing, dof
