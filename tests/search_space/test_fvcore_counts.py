"""fvcore, which traces a module and counts its operators, gives the multiply-adds that the arithmetic gives.

It counts multiply-adds, too; of its operators, ours are `conv` and `linear` (not `batch_norm`, pools or activations).
"""

from __future__ import annotations

import warnings

import pytest
import torch

from search_space import cost, family, reference, reference_names
from search_space.build import build

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it compiles with `torch.jit.script` when it is imported
    from fvcore.nn import FlopCountAnalysis

# The first of each family that is small enough to be run; fvcore computes what it counts.
ONE_OF_EACH = {
    family(name): name for name in reversed(reference_names()) if cost(reference(name)).macs < 6_000_000_000
}


def _check(name: str) -> None:
    network = reference(name)
    image = torch.zeros(1, network.input_channels, network.resolution, network.resolution)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch's tracer
        analysis = FlopCountAnalysis(build(network).eval(), image)
        counted = analysis.unsupported_ops_warnings(False).by_operator()
    assert counted["conv"] + counted["linear"] == cost(network).macs


def test_fvcore_counts_the_same_convolutions_and_linear_layers() -> None:
    _check("mobilenet_v3_small_1_0")


@pytest.mark.slow
@pytest.mark.parametrize("name", ONE_OF_EACH.values())
def test_fvcore_counts_the_same_in_every_family(name: str) -> None:
    _check(name)
