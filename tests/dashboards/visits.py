"""What tests in a browser share: a served storage, a page of it, and what its trials say by themselves."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Page

from dashboards.server import Server
from runs import Store, TrialState
from tests.dashboards.waiting import wait_until

PATIENCE_MS = 60_000


@dataclass
class House:
    """A served storage, and the ids of its studies by name."""

    server: Server
    store: Store
    studies: dict[str, int]
    folder: Path

    def at(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server.port}{path}"


@dataclass
class Visit:
    """A page with what it complained of, and what it asked of others."""

    page: Page
    house: House
    complaints: list[str] = field(default_factory=list)
    title: str = ""

    def go(self, path: str, *, until: str = "#main > *:not(.loading)") -> Page:
        self.page.goto(self.house.at(path))
        wait_until(self.page, "!document.getElementById('still')")
        self.page.wait_for_selector(until, timeout=PATIENCE_MS)
        return self.page


def digests(house: House) -> list[str]:
    found = [trial.digest for trial in house.store.trials(house.studies["digits"]) if trial.digest]
    return list(dict.fromkeys(found))


def pages(house: House) -> dict[str, str]:
    digits, first, second = house.studies["digits"], *digests(house)[:2]
    failed = next(t.number for t in house.store.trials(digits) if t.state is TrialState.FAILED)
    return {
        "studies": "/",
        "search": f"/s/{digits}",
        "trials": f"/s/{digits}/trials",
        "trial": f"/s/{digits}/trials/0",
        "failed": f"/s/{digits}/trials/{failed}",
        "architecture": f"/a/{first}",
        "comparison": f"/compare/{first}/{second}",
        "scaling": f"/s/{digits}/scaling",
        "family": f"/s/{digits}/family",
        "workers": f"/s/{digits}/workers",
        "missing": "/s/9999",
    }


def winners_of(house: House, weight: float, target: float) -> list[tuple[str, str]]:
    """Returns trial and reward of the five best networks under the soft reward, from the stored numbers alone."""
    best: dict[str, tuple[float, float, int]] = {}
    for one in house.store.trials(house.studies["digits"]):
        if one.state is TrialState.COMPLETE and one.digest:
            reward = one.metrics["accuracy"] * (one.costs["macs"] / target) ** weight
            found = (-reward, one.costs["macs"], one.number)
            best[one.digest] = min(best.get(one.digest, found), found)
    return [(f"trial {number}", f"{-negative:.4f}") for negative, _, number in sorted(best.values())[:5]]
