"""Spaces for the tests of spaces: small ones that can be listed, a large one, and wrong ones."""

from __future__ import annotations

from typing import Any

from search_space import Architecture, Choice, SearchSpace, Stage
from search_space.blocks import MBConvOptions
from search_space.spaces import Section, StagedSpace, Values


class SmallStaged(StagedSpace):
    """Three sections with 12 options each, of which the last two depend on what enters them."""

    name = "small-staged"
    sections = (
        (Choice("resolution", (8, 12)),),
        *(
            (
                Choice(f"s{number}.kernel", (3, 5)),
                Choice(f"s{number}.channels", (8, 16)),
                Choice(f"s{number}.depth", (1, 2, 3)),
            )
            for number in range(1, 4)
        ),
        (),
    )

    def side(self, values: Values) -> int:
        return int(values["resolution"])

    def section(self, index: int, values: Values, carry: Any) -> Section:
        if index == 0:
            return Section((Stage("stem", 1, 8),))
        if index == len(self.sections) - 1:
            return Section((Stage("classifier", 1, 0),))
        own = {name.partition(".")[2]: int(value) for name, value in values.items()}
        options = MBConvOptions(2.0, own["kernel"])
        return Section((Stage("mbconv", own["depth"], own["channels"], 1, options),))


class SmallPlain(SearchSpace):
    """24 points; `unused` decides nothing where `depth` is 1."""

    name = "small-plain"
    choices = (
        Choice("depth", (1, 2, 3)),
        Choice("channels", (8, 16)),
        Choice("activation", ("relu", "silu")),
        Choice("unused", (False, True)),
    )

    def architecture(self, values: Values) -> Architecture:
        depth = int(values["depth"])
        activation: Any = values["activation"]
        expansion = 3.0 if values["unused"] and depth > 1 else 2.0
        options = MBConvOptions(expansion, activation=activation)
        stages = (Stage("mbconv", depth, int(values["channels"]), 1, options),)
        return Architecture(
            self.resolution, Stage("stem", 1, 8), stages, Stage("classifier", 1, 0), self.num_classes
        )


class LargePlain(SearchSpace):
    """4^12 points, too many to list; the cost is a sum over twelve widths."""

    name = "large-plain"
    choices = tuple(Choice(f"width{number}", (8, 16, 24, 32)) for number in range(12))

    def architecture(self, values: Values) -> Architecture:
        stages = tuple(Stage("conv", 1, int(width)) for width in values.values())
        return Architecture(
            self.resolution, Stage("stem", 1, 8), stages, Stage("classifier", 1, 0), self.num_classes
        )


class WithoutChoices(SearchSpace):
    """Lacks its choices."""

    name = "without-choices"

    def architecture(self, values: Values) -> Architecture:
        return Architecture(
            self.resolution, Stage("stem", 1, 8), (), Stage("classifier", 1, 0), self.num_classes
        )


class WithoutNetwork(SearchSpace):
    """Lacks `architecture`."""

    name = "without-network"
    choices = (Choice("depth", (1, 2)),)


class Failing(SmallPlain):
    """Raises when decoded."""

    name = "failing"

    def architecture(self, values: Values) -> Architecture:
        raise KeyError("kernel")
