"""A search space of your own: a class with choices, and the network that they stand for.

Run it here with `python examples/own_space.py`, or search it with

    cd examples && nas search --space own_space:Tiny --data digits
"""

from __future__ import annotations

import numpy as np

from search_space import Architecture, Choice, SearchSpace, Stage, cost, open_space
from search_space.blocks import MBConvOptions, SqueezeExcitation
from search_space.spaces import Values


class Tiny(SearchSpace):
    """Two stages of inverted bottlenecks: 144 networks for small images."""

    name = "tiny"
    choices = (
        Choice("kernel", (3, 5)),
        Choice("expansion", (2.0, 4.0)),
        Choice("squeeze", (False, True)),
        Choice("channels", (16, 24, 32)),
        Choice("depth1", (1, 2)),
        Choice("depth2", (1, 2, 3)),
    )

    def architecture(self, values: Values) -> Architecture:
        channels = max(8, int(int(values["channels"]) * self.width))
        options = MBConvOptions(
            expansion=float(values["expansion"]),
            kernel=int(values["kernel"]),
            activation="silu",
            squeeze=SqueezeExcitation(0.25) if values["squeeze"] else None,
        )
        return Architecture(
            self.resolution,
            stem=Stage("stem", 1, channels // 2),
            stages=(
                Stage("mbconv", int(values["depth1"]), channels, 2, options),
                Stage("mbconv", int(values["depth2"]), 2 * channels, 2, options),
            ),
            head=Stage("classifier", 1, 4 * channels),
            num_classes=self.num_classes,
            input_channels=self.input_channels,
        )


def main() -> None:
    """Prints what a space offers."""
    space = open_space(f"{__name__}:Tiny", resolution=16, num_classes=10, input_channels=1)
    rng = np.random.default_rng(0)
    print(f"{space.size} points, version {space.version}")
    point = space.sample(rng, macs=(200_000, 400_000))
    print(f"drawn inside 0.2 to 0.4 million MACs: {space.values(point)}")
    print(f"costs of it: {cost(space.decode(point))}")
    print(f"a mutation of it: {space.values(space.mutate(point, rng))}")
    all_macs = space.costs(np.array(list(space.points()))).macs
    print(f"the space reaches from {all_macs.min():,} to {all_macs.max():,} MACs")


if __name__ == "__main__":
    main()
