"""The MobileNetV3 spaces of weight sharing: every layer elastic (Once-for-all, Cai et al. 2020, section 4.1).

Units of two to four layers, each layer with its own kernel and expansion, on MobileNetV3's widths, strides and
activations (Howard et al. 2019, tables 1 and 2); here squeeze-excitation is chosen per unit, too. The choices
of layers beyond a unit's depth are unused. The first layer of a unit changes size and width and is always
there. Once-for-all's expansions are 3, 4 and 6; with the others, to which NetAdapt cut them (Howard et al.
2019, section 4.2), MobileNetV3-Large and -Small themselves are points.

The head is MobileNetV3's: a convolution to six times the last width, and a hidden layer behind the mean.
`width` multiplies every channel count, the hidden layer included. One set of strides serves all resolutions,
so that weights can be shared among them: the earliest are dropped until the smallest resolution keeps a last
map of 4x4.
"""

from __future__ import annotations

from typing import Any, ClassVar

from search_space.architecture import Stage
from search_space.blocks import ClassifierOptions, MBConvOptions, SqueezeExcitation, StemOptions, rounded
from search_space.graph import Conventions
from search_space.operators import ActivationKind
from search_space.spaces.base import Choice, Values
from search_space.spaces.staged import Section, StagedSpace, adapted_strides

STEM_CHANNELS = 16
LAST_EXPANSION = 6  # of the convolution before the mean
KERNELS, DEPTHS = (3, 5, 7), (2, 3, 4)
RESOLUTION_SHARES = (4 / 7, 5 / 7, 6 / 7)  # 128, 160 and 192 of 224, besides the full one
SMALLEST_RESOLUTION = 4
DIVISOR = 8
SQUEEZE = SqueezeExcitation(0.25, "expanded", DIVISOR, gate="hard_sigmoid")


class MobileNetV3(StagedSpace):
    """The elastic space around MobileNetV3-Large; `resolution` is the largest of the four that it chooses
    from.

    Choices: `resolution`; for unit u in 1..5 `unit{u}.depth`, `unit{u}.se`; for its layers l in 1..4
    `unit{u}.layer{l}.kernel` and `unit{u}.layer{l}.expansion`.
    """

    name = "mobilenetv3"
    conventions: ClassVar[Conventions] = Conventions(norm_eps=1e-3)
    channels: ClassVar[tuple[int, ...]] = (24, 40, 80, 112, 160)  # of the units
    strides: ClassVar[tuple[int, ...]] = (
        2,
        1,
        2,
        2,
        2,
        1,
        2,
    )  # of the stem, the fixed first layer and the units
    activations: ClassVar[tuple[ActivationKind, ...]] = (*("relu",) * 2, *("hard_swish",) * 3)  # of the units
    expansions: ClassVar[tuple[float, ...]] = (2.3, 2.5, 3.0, 4.0, 6.0)
    first_squeeze: ClassVar[SqueezeExcitation | None] = None  # of the fixed first layer
    hidden_channels: ClassVar[int] = 1280

    def __init__(
        self, *, resolution: int, num_classes: int, input_channels: int = 3, width: float = 1.0
    ) -> None:
        sides = {max(SMALLEST_RESOLUTION, 2 * round(resolution * share / 2)) for share in RESOLUTION_SHARES}
        self._sides = tuple(sorted({side for side in sides if side < resolution} | {resolution}))
        self._strides = adapted_strides(self.strides, self._sides[0])
        units = (self._unit_sections(number) for number in range(1, len(self.channels) + 1))
        self.sections = (
            (Choice("resolution", self._sides),),
            *(section for unit in units for section in unit),
            (),
        )
        super().__init__(
            resolution=resolution, num_classes=num_classes, input_channels=input_channels, width=width
        )

    def side(self, values: Values) -> int:
        return int(values["resolution"])

    def section(self, index: int, values: Values, carry: Any) -> Section:
        """Returns the stem with the first layer, one layer of a unit (none beyond its depth), or the head.

        The carry within a unit is its (depth, squeeze-excitation).
        """
        if index == 0:
            return Section(self._beginning())
        if index == len(self.sections) - 1:
            return Section((self._head(),))
        unit, layer = divmod(index - 1, max(DEPTHS))
        own = {name.rpartition(".")[2]: value for name, value in values.items()}
        depth, squeezed = carry if layer else (int(own["depth"]), bool(own["se"]))
        handed_on = (depth, squeezed) if layer + 1 < max(DEPTHS) else None
        if layer >= depth:
            return Section((), handed_on)
        entering = self.channels[unit] if layer else (STEM_CHANNELS, *self.channels)[unit]
        options = MBConvOptions(
            expansion=self._expansion(float(own["expansion"]), self._scaled(entering)),
            kernel=int(own["kernel"]),
            activation=self.activations[unit],
            squeeze=SQUEEZE if squeezed else None,
            expansion_divisor=DIVISOR,
        )
        stride = self._strides[unit + 2] if layer == 0 else 1
        return Section((Stage("mbconv", 1, self._scaled(self.channels[unit]), stride, options),), handed_on)

    def _beginning(self) -> tuple[Stage, Stage]:
        channels = self._scaled(STEM_CHANNELS)
        first = MBConvOptions(expansion=1.0, squeeze=self.first_squeeze, expansion_divisor=DIVISOR)
        return (
            Stage("stem", 1, channels, self._strides[0], StemOptions(activation="hard_swish")),
            Stage("mbconv", 1, channels, self._strides[1], first),
        )

    def _head(self) -> Stage:
        hidden = (self._scaled(self.hidden_channels),)
        options = ClassifierOptions(activation="hard_swish", hidden=hidden)
        return Stage("classifier", 1, LAST_EXPANSION * self._scaled(self.channels[-1]), 1, options)

    def _expansion(self, chosen: float, entering: int) -> float:
        """Returns the first expansion that gives as many channels as `chosen`: narrow layers round many to one."""
        wanted = rounded(entering * chosen, DIVISOR)
        return next(each for each in self.expansions if rounded(entering * each, DIVISOR) == wanted)

    def _scaled(self, channels: int) -> int:
        return rounded(channels * self.width, DIVISOR)

    @classmethod
    def _unit_sections(cls, number: int) -> list[tuple[Choice, ...]]:
        """Returns the choices of a unit, a section a layer; those of the whole unit stand in the first."""
        layers = [
            (
                Choice(f"unit{number}.layer{layer}.kernel", KERNELS),
                Choice(f"unit{number}.layer{layer}.expansion", cls.expansions),
            )
            for layer in range(1, max(DEPTHS) + 1)
        ]
        return [
            (Choice(f"unit{number}.depth", DEPTHS), Choice(f"unit{number}.se", (False, True)), *layers[0]),
            *layers[1:],
        ]


class MobileNetV3Small(MobileNetV3):
    """The elastic space around MobileNetV3-Small: four units."""

    name = "mobilenetv3_small"
    channels: ClassVar[tuple[int, ...]] = (24, 40, 48, 96)
    strides: ClassVar[tuple[int, ...]] = (2, 2, 2, 2, 1, 2)
    activations: ClassVar[tuple[ActivationKind, ...]] = ("relu", *("hard_swish",) * 3)
    expansions: ClassVar[tuple[float, ...]] = (3.0, 3.6667, 4.0, 4.5, 6.0)
    first_squeeze: ClassVar[SqueezeExcitation | None] = SQUEEZE
    hidden_channels: ClassVar[int] = 1024
