"""The response surface through measurements, with as many coefficients as they determine and honest noise."""

from __future__ import annotations

import numpy as np

from scaling_rules.errors import ScalingError
from scaling_rules.scaled_points import Table, lack_of_fit
from scaling_rules.surface import ADDITIVE, FULL, NUM_BENDS, Surfaces, features, surfaces, with_noise

FULL_NETWORKS = 12  # different networks from which interactions are estimated too
LEAST_NETWORKS = 8
POOR_FIT = 0.01  # p-value below which misses of the surface count as noise


def measured_surfaces(measured: Table) -> tuple[Surfaces, float]:
    """Returns the surfaces through measurements and the p-value of their misses, which widen the noise."""
    num_terms = _num_terms(measured)
    found = surfaces(measured.logs, measured.values, num_terms)
    misfit, missing, dof = lack_of_fit(measured, found.best.loss, num_terms + NUM_BENDS)
    if misfit < POOR_FIT:
        found = with_noise(found, missing, dof)
    return found, misfit


def _num_terms(measured: Table) -> int:
    """Returns how many coefficients the different networks determine."""
    networks = np.unique(np.round(measured.logs, 12), axis=0)
    for terms, least in ((FULL, FULL_NETWORKS), (ADDITIVE, LEAST_NETWORKS)):
        enough = len(networks) >= least and len(measured.values) >= terms + 3
        if enough and np.linalg.matrix_rank(features(networks, terms), tol=1e-6) == terms:
            return terms
    raise ScalingError(
        f"a surface needs at least {LEAST_NETWORKS} different networks with three sizes of each dimension, and "
        f"{ADDITIVE + 3} trainings, got {len(networks)} and {len(measured.values)}; measure what `next_points` names"
    )
