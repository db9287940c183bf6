"""The MnasNet space: seven blocks, each with a layer of its own kind (Tan et al. 2019, sections 4.1-4.2).

In a block one layer is chosen and repeated; only its first copy changes size and width. Filters and layer
counts are relative to MobileNetV2's. With S = 432 options a block, the space has 432^7 = 2.8e18 points.
EfficientNet-B0 was searched for in the same space, with swish (Tan & Le 2019, section 4). MnasNet-A1 and -B1
are points of `MnasNet`, EfficientNet-B0 is one of `EfficientNet`.

What the papers leave open, and what is done here:
- S = 432 counts the inverted bottleneck twice, with expansion 3 and 6, as the published networks use it.
- Filters are multiples of 8 by the released code's rule, and from 96 on multiples of 16, rounded down. Only so
  can 1.25 times 96 be the 112 of A1 and B0, and 1.25 times 160 the 192 of B1 and B0.
- MobileNetV2 has one layer in the first and last block; there one layer fewer is one layer, too.
- A skip joins the two ends of a layer where their widths agree: identity at stride 1 only, pooling (3x3
  average, the layer's stride) at any. Where it could join nothing, in a block of one layer between other
  widths, the choice is unused and written as identity: the copies that such a block gets when it grows have
  skips.
- `width` multiplies every filter count, stem and head included, so that small spaces have no oversized head.
  The released MnasNets have a head of 1280 filters at every width: at width 1, the head does not follow
  `scale` either.
- For inputs below 97 pixels the earliest strides are dropped, so that the last map stays at least 4x4.
"""

from __future__ import annotations

from typing import Any, ClassVar, cast

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
from search_space.blocks.parts import Skip
from search_space.graph import Conventions
from search_space.operators import ActivationKind
from search_space.spaces.base import Choice, Values
from search_space.spaces.staged import Section, StagedSpace, adapted_strides

STEM_FILTERS, HEAD_FILTERS = 32, 1280
FILTERS = (16, 24, 32, 64, 96, 160, 320)  # MobileNetV2 (Sandler et al. 2018, table 2)
LAYERS = (1, 2, 3, 4, 3, 3, 1)
STRIDES = (2, 1, 2, 2, 2, 1, 2, 1)  # of the stem and the blocks
EXPANSIONS = {"separable": 1.0, "mbconv3": 3.0, "mbconv6": 6.0}
DIVISOR = 8
WIDE, WIDE_DIVISOR = 96, 16


class MnasNet(StagedSpace):
    """The space of MnasNet; any input size, class count and base width.

    Choices of block i in 1..7: `block{i}.convolution`, `.kernel`, `.se_ratio`, `.skip`, `.filters` (factor on
    MobileNetV2's), `.layers` (difference to MobileNetV2's).
    """

    name = "mnasnet"
    activation: ClassVar[ActivationKind] = "relu"  # also between the layers of squeeze-excitation
    scales_head: ClassVar[bool] = False  # whether the head follows `scale` at width 1
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
        """Returns the stem, block `index` or the head; the carry is the number of channels that enter."""
        if index == 0:
            stage = self._stem()
        elif index > len(FILTERS):
            stage = self._head()
        else:
            own = {name.partition(".")[2]: value for name, value in values.items()}
            stage = self._block(index, own, entering=int(carry))
        return Section((stage,), carry=stage.channels)

    @property
    def _strides(self) -> tuple[int, ...]:
        return adapted_strides(STRIDES, self.resolution)

    def _stem(self) -> Stage:
        channels = rounded(STEM_FILTERS * self.width, DIVISOR)
        return Stage("stem", 1, channels, self._strides[0], StemOptions(activation=self.activation))

    def _head(self) -> Stage:
        fixed = self.width == 1.0 and not self.scales_head
        options = ClassifierOptions(self.activation, channels_width="fixed" if fixed else "scaled")
        return Stage("classifier", 1, rounded(HEAD_FILTERS * self.width, DIVISOR), options=options)

    def _block(self, number: int, own: Values, entering: int) -> Stage:
        channels = rounded(_filters(FILTERS[number - 1], float(own["filters"])) * self.width, DIVISOR)
        layers, stride = max(1, LAYERS[number - 1] + int(own["layers"])), self._strides[number]
        skip = cast(Skip, own["skip"])
        joins = entering == channels and (stride == 1 or skip == "pool")
        if layers == 1 and not joins:
            skip = "identity"
        block, options = self._layer(own, skip)
        return Stage(block, layers, channels, stride, options)

    def _layer(self, own: Values, skip: Skip) -> tuple[str, Options]:
        """Returns the block and its options; a separable convolution is a bottleneck without expansion."""
        kernel, ratio = int(own["kernel"]), float(own["se_ratio"])
        squeeze = SqueezeExcitation(ratio, activation=self.activation) if ratio else None
        if own["convolution"] == "conv":
            return "conv", ConvOptions(kernel, self.activation, squeeze=squeeze, skip=skip)
        expansion = EXPANSIONS[str(own["convolution"])]
        return "mbconv", MBConvOptions(expansion, kernel, self.activation, squeeze, skip)


class EfficientNet(MnasNet):
    """The same space with swish, and with a head that grows with the network: EfficientNet-B0's."""

    name = "efficientnet"
    activation: ClassVar[ActivationKind] = "silu"
    scales_head: ClassVar[bool] = True


def _filters(base: int, factor: float) -> int:
    """Returns a share of a filter count, in multiples of 8, from 96 filters on of 16."""
    wanted = base * factor
    return rounded(wanted, DIVISOR) if wanted < WIDE else int(wanted) // WIDE_DIVISOR * WIDE_DIVISOR
