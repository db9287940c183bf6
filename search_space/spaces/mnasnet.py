"""The MnasNet space: seven blocks, each with a layer of its own kind (Tan et al. 2019, sections 4.1-4.2).

In a block one layer is chosen and repeated; only its first copy changes size and width. Filters and layer
counts are relative to MobileNetV2's. With S = 432 options a block, the space has 432^7 = 2.8e18 points.

What the paper leaves open, and what is done here:
- S = 432 counts the inverted bottleneck twice, with expansion 3 and 6, as the published networks use it.
- Filters are rounded to multiples of 8 by the released code's rule; the factors 0.75 and 1.0 of 16 filters
  coincide.
- MobileNetV2 has one layer in the first and last block; there one layer fewer is one layer, too.
- A skip joins the two ends of a layer where their widths agree: identity at stride 1 only, pooling (3x3
  average, the layer's stride) at any. Where no copy of the block can have one, the choice is unused.
- `width` multiplies every filter count, stem and head included, so that small spaces have no oversized head
  (the released code leaves the head at 1280 filters at every width).
- For inputs below 97 pixels the earliest strides are dropped, so that the last map stays at least 4x4.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal, cast

from search_space.architecture import Stage
from search_space.blocks import (
    ClassifierOptions,
    ConvOptions,
    MBConvOptions,
    Options,
    SqueezeExcitation,
    StemOptions,
    rounded,
)
from search_space.graph import Conventions
from search_space.spaces.base import Choice, Values
from search_space.spaces.staged import Section, StagedSpace, adapted_strides

Skip = Literal["none", "identity", "pool"]

STEM_FILTERS, HEAD_FILTERS = 32, 1280
FILTERS = (16, 24, 32, 64, 96, 160, 320)  # MobileNetV2 (Sandler et al. 2018, table 2)
LAYERS = (1, 2, 3, 4, 3, 3, 1)
STRIDES = (2, 1, 2, 2, 2, 1, 2, 1)  # of the stem and the blocks
EXPANSIONS = {"separable": 1.0, "mbconv3": 3.0, "mbconv6": 6.0}
DIVISOR = 8


class MnasNet(StagedSpace):
    """The space of MnasNet; any input size, class count and base width.

    Choices of block i in 1..7: `block{i}.convolution`, `.kernel`, `.se_ratio`, `.skip`, `.filters` (factor on
    MobileNetV2's), `.layers` (difference to MobileNetV2's).
    """

    name = "mnasnet"
    conventions: ClassVar[Conventions] = Conventions(norm_eps=1e-3)
    sections = (
        (),
        *(
            (
                Choice(f"block{number}.convolution", ("conv", "separable", "mbconv3", "mbconv6")),
                Choice(f"block{number}.kernel", (3, 5)),
                Choice(f"block{number}.se_ratio", (0.0, 0.25)),
                Choice(f"block{number}.skip", ("none", "identity", "pool")),
                Choice(f"block{number}.filters", (0.75, 1.0, 1.25)),
                Choice(f"block{number}.layers", (-1, 0, 1)),
            )
            for number in range(1, len(FILTERS) + 1)
        ),
        (),
    )

    def section(self, index: int, values: Values, carry: Any) -> Section:
        """Returns the stem, block `index` or the head; `carry` is the number of channels that enter."""
        if index == 0:
            channels = rounded(STEM_FILTERS * self.width, DIVISOR)
            return Section((Stage("stem", 1, channels, self._strides[0], StemOptions()),), channels)
        if index > len(FILTERS):
            channels = rounded(HEAD_FILTERS * self.width, DIVISOR)
            return Section((Stage("classifier", 1, channels, 1, ClassifierOptions()),))
        own = {name.partition(".")[2]: value for name, value in values.items()}
        return self._block(index, own, int(carry))

    @property
    def _strides(self) -> tuple[int, ...]:
        return adapted_strides(STRIDES, self.resolution)

    def _block(self, number: int, own: Values, entering: int) -> Section:
        channels = rounded(FILTERS[number - 1] * self.width * float(own["filters"]), DIVISOR)
        layers = max(1, LAYERS[number - 1] + int(own["layers"]))
        stride = self._strides[number]
        skip = cast(Skip, own["skip"])
        first_has_skip = entering == channels and (skip == "pool" or stride == 1)
        if layers == 1 and not first_has_skip:
            skip = "none"
        block, options = _layer(own, skip)
        return Section((Stage(block, layers, channels, stride, options),), channels)


def _layer(own: Values, skip: Skip) -> tuple[str, Options]:
    """Returns the block and its options; a separable convolution is a bottleneck without expansion."""
    kernel, ratio = int(own["kernel"]), float(own["se_ratio"])
    squeeze = SqueezeExcitation(ratio) if ratio else None
    if own["convolution"] == "conv":
        return "conv", ConvOptions(kernel=kernel, squeeze=squeeze, skip=skip)
    expansion = EXPANSIONS[str(own["convolution"])]
    return "mbconv", MBConvOptions(expansion=expansion, kernel=kernel, squeeze=squeeze, skip=skip)
