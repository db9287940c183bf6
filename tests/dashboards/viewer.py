"""Viewers without a browser: they ask what an open page of a search asks, once a second each, until they are stopped.

python -m tests.dashboards.viewer URL-WITH-TOKEN NUMBER
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

PAGE = "/s/1"
TICK_S = 1.0
NICENESS = (
    19  # a viewer's browser works on another machine: here it takes what the search and the server leave
)

Values = dict[str, Any]  # by "id.property", as Dash names it


@dataclass
class Viewer:
    """One open page: what it shows, and which callbacks each change of it sets off."""

    address: str
    values: Values = field(default_factory=dict)
    present: set[str] = field(default_factory=set)  # ids of the components on the page
    num_asked: int = 0

    def __post_init__(self) -> None:
        parts = urlsplit(self.address)
        token = parse_qs(parts.query)["token"][0]
        self._base = f"http://{parts.netloc}"
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self._callbacks = self._asked("/_dash-dependencies")
        self._seed(self._asked("/_dash-layout"))

    def open(self, page: str) -> None:
        """Loads a page."""
        self.set("url.pathname", page)

    def tick(self, count: int) -> None:
        """Does what the page does each second."""
        self.set("tick.n_intervals", count)

    def set(self, name: str, value: Any) -> None:
        """Changes a property, and runs whatever listens to it."""
        self.values[name] = value
        for one in self._callbacks:
            names = [_name(given) for given in one["inputs"]]
            known = all(given["id"] in self.present for given in (*one["inputs"], *one["state"]))
            if name in names and known and one.get("clientside_function") is None:
                self._run(one, name)

    def _run(self, callback: dict[str, Any], changed: str) -> None:
        names = callback["output"].strip(".").split("...")
        outputs = [{"id": one.split(".")[0], "property": one.partition(".")[2]} for one in names]
        body = {
            "output": callback["output"],
            "outputs": outputs if callback["output"].startswith("..") else outputs[0],
            "inputs": [given | {"value": self.values.get(_name(given))} for given in callback["inputs"]],
            "changedPropIds": [changed],
            "state": [given | {"value": self.values.get(_name(given))} for given in callback["state"]],
        }
        found = self._asked("/_dash-update-component", body)
        for id, properties in (found or {}).get("response", {}).items():
            for key, value in properties.items():
                self._seed(value)
                self.set(f"{id}.{key}", value)

    def _seed(self, tree: Any) -> None:
        """Remembers the properties of components that have just appeared."""
        appeared = list(_components(tree))
        self.present |= {props["id"] for props in appeared}
        for props in appeared:
            self.values |= {
                f"{props['id']}.{key}": value for key, value in props.items() if key != "children"
            }
        for props in appeared:
            if "data" in props:  # what a new store holds sets off what listens to it
                self.set(f"{props['id']}.data", props["data"])

    def _asked(self, path: str, body: object = None) -> Any:
        content = None if body is None else json.dumps(body).encode()
        asked = urllib.request.Request(f"{self._base}{path}", content, self._headers)
        self.num_asked += 1
        with urllib.request.urlopen(asked, timeout=60) as answer:
            text = answer.read()
        return json.loads(text) if text else None


def _name(given: dict[str, str]) -> str:
    return f"{given['id']}.{given['property']}"


def _components(tree: Any) -> Iterator[dict[str, Any]]:
    if isinstance(tree, list):
        for one in tree:
            yield from _components(one)
    elif isinstance(tree, dict) and "props" in tree:
        props = tree["props"]
        if isinstance(props.get("id"), str):
            yield props
        yield from _components(props.get("children"))


def look(address: str, begin_after_s: float) -> None:
    """Opens the page of the first study and follows it, for ever."""
    time.sleep(begin_after_s)  # viewers do not come in step
    viewer, count = Viewer(address), 0
    while True:
        count += 1
        if "search-cursor" not in viewer.present:
            viewer.open(PAGE)  # the search has not begun
        viewer.tick(count)
        time.sleep(TICK_S)


def main() -> None:
    """Looks with as many viewers as were asked for, until it is killed."""
    address, number = sys.argv[1], int(sys.argv[2])
    os.nice(NICENESS)

    def persist(index: int) -> None:
        while True:
            try:
                look(address, index / number)
            except OSError:  # the server is not there yet, or is going
                time.sleep(0.2)

    for index in range(number):
        threading.Thread(target=persist, args=(index,), daemon=True).start()
    while True:
        time.sleep(60)


if __name__ == "__main__":
    main()
