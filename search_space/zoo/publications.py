"""What was published about the reference networks: parameters, MACs and top-1, each with where it stands.

`params` and `macs` are as printed (the papers' "FLOPs"), rounded and sometimes counted by other rules than
ours; `agreement` says how far ours lie, and `note` why, wherever that is more than rounding.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

from search_space.zoo.published_accuracies import ACCURACIES
from search_space.zoo.published_costs import COSTS
from search_space.zoo.published_notes import NOTES

CLOSE = 0.02  # ours and the printed number are the same for all purposes up to this share
ROUNDED = 0.05  # beyond this, not even coarse rounding makes two numbers the same

Verdict = Literal["as printed", "within 2 %", "differs"]


class Published(NamedTuple):
    """Published numbers of one network; None where none were published."""

    params: int | None = None
    macs: int | None = None
    top1: float | None = None  # percent
    source: str = ""  # of params and macs
    top1_source: str = ""  # with how it was tested, where that was not one centre crop at the network's size
    data: str = ""  # on which top1 was measured; empty without one
    note: str = ""  # why ours differ


@dataclass(frozen=True, slots=True)
class Agreement:
    """A count of ours beside the printed one."""

    ours: int
    printed: int

    @property
    def relative(self) -> float:
        """By how large a share of the printed number ours is larger."""
        return self.ours / self.printed - 1

    @property
    def verdict(self) -> Verdict:
        """`as printed` where ours rounds to the printed digits."""
        unit = 1
        while self.printed % (unit * 10) == 0:
            unit *= 10
        distance = abs(self.relative)
        if abs(self.ours - self.printed) <= unit / 2 and distance <= ROUNDED:
            return "as printed"
        return "within 2 %" if distance <= CLOSE else "differs"


def agreement(ours: int, printed: int | None) -> Agreement | None:
    """Returns how a count of ours stands to the printed one; None where none was printed.

    Example:
        >>> agreement(5_288_548, 5_300_000).verdict, agreement(4_089_184_256, 3_800_000_000).verdict
        ('as printed', 'differs')
    """
    return None if printed is None else Agreement(ours, printed)


def _published() -> Iterator[tuple[str, Published]]:
    """Yields every network of which anything was published, with all of it."""
    costs: dict[str, list[tuple[str, float | None, float | None]]] = {}
    for source, rows in COSTS.items():
        for name, (params, macs) in rows.items():
            costs.setdefault(name, []).append((source, params, macs))
    top1s = {
        name: (top1, source, data)
        for (source, data), rows in ACCURACIES.items()
        for name, top1 in rows.items()
    }
    for name in dict.fromkeys((*costs, *top1s)):
        given = costs.get(name, [])
        params = next((_count(params) for _, params, _ in given if params is not None), None)
        macs = next((_count(macs) for _, _, macs in given if macs is not None), None)
        top1, top1_source, data = top1s.get(name, (None, "", ""))
        source = "; ".join(_sourced(*row, alone=len(given) == 1) for row in given)
        yield name, Published(params, macs, top1, source, top1_source, data, NOTES.get(name, ""))


def _count(millions: float | None) -> int | None:
    return None if millions is None else round(millions * 1e6)


def _sourced(source: str, params: float | None, macs: float | None, *, alone: bool) -> str:
    """Returns a source, with what it is the source of where there are several."""
    if alone or (params is not None and macs is not None):
        return source
    return f"{'params' if macs is None else 'MACs'}: {source}"


PUBLISHED: dict[str, Published] = dict(_published())

# Networks of which papers print numbers, but which nobody can build from what was published.
UNPUBLISHED: dict[str, str] = {
    "mnasnet_a2": "the MnasNet paper draws only A1, and the authors' code has no A2",
    "mnasnet_a3": "the MnasNet paper draws only A1, and the authors' code has no A3",
    "mnasnet_search1_22ms": (
        "the MnasNet paper names this model of its second search only by latency, and the authors' code has"
        " only the larger one, mnasnet_small"
    ),
    "nasnet_b_4_1536": "the NASNet paper draws its cells, but no code or weights let a reading be checked",
    "nasnet_c_3_960": "the NASNet paper draws its cells, but no code or weights let a reading be checked",
}
