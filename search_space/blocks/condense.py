"""CondenseNet's layer: a learned group convolution, a grouped one, and all that came before beside it.

Huang et al. 2018, section 3. While training, each filter group learns which inputs to keep; afterwards an
index layer picks them and an ordinary group convolution does the work.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from search_space.blocks.parts import Groups, Options
from search_space.graph import Builder, Carry
from search_space.operators import ChannelShuffle, Concat, Conv2d, Gather, LearnedGroupConv
from search_space.schema import Range


@dataclass(frozen=True, slots=True)
class CondenseOptions(Options):
    """The stage's channels are the growth: what each layer adds to the map."""

    groups: Groups = 4
    condensation: Groups = 4  # each group keeps 1/condensation of the inputs
    bottleneck: Annotated[int, Range(1, 16)] = 4  # width of the pointwise convolution, in growths
    learned: bool = False  # True: the network as it is trained; False: as it is used, after condensation


def condense(b: Builder, carry: Carry, channels: int, stride: int, options: CondenseOptions) -> Carry:
    """One layer."""
    x = carry[0]
    y = x
    if not options.learned:
        y = b.add("index", Gather(x.shape[0] * options.groups // options.condensation), y)
    y = b.activate(b.norm(y, "norm1"), "activation1", "relu")
    inner = options.bottleneck * channels
    if options.learned:
        y = b.add("reduce", LearnedGroupConv(inner, options.groups, options.condensation), y)
    else:
        y = b.add("reduce", Conv2d(inner, 1, groups=options.groups), y)
    y = b.add("shuffle", ChannelShuffle(options.groups), y)
    y = b.activate(b.norm(y, "norm2"), "activation2", "relu")
    y = b.add("conv", Conv2d(channels, 3, stride, b.padding(3), options.groups), y)
    return (b.add("concat", Concat(), x, y),)
