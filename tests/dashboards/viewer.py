"""Viewers without a browser: they ask what an open page asks, once a second each, until they are stopped.

python -m tests.dashboards.viewer URL-WITH-TOKEN NUMBER
"""

from __future__ import annotations

import json
import sys
import threading
import time
import urllib.request
from urllib.parse import parse_qs, urlsplit


def look(address: str, stop: threading.Event) -> None:
    """Polls the page of the first study as the page itself does."""
    parts = urlsplit(address)
    token = parse_qs(parts.query)["token"][0]
    base = f"http://{parts.netloc}"
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    names = ("pulse.data", "live.children", "banner.children", "live.data-beat")
    outputs = [{"id": name.split(".")[0], "property": name.partition(".")[2]} for name in names]
    pulse = None
    while not stop.is_set():
        values = ("/s/1", pulse, None, None)
        given = ("url.pathname", "pulse.data", "live.children", "banner.children")
        state = [
            {"id": name.split(".")[0], "property": name.partition(".")[2], "value": value}
            for name, value in zip(given, values, strict=True)
        ]
        body = {
            "output": "..pulse.data...live.children...banner.children...live.data-beat..",
            "outputs": outputs,
            "inputs": [{"id": "tick", "property": "n_intervals", "value": 1}],
            "changedPropIds": ["tick.n_intervals"],
            "state": state,
        }
        asked = urllib.request.Request(f"{base}/_dash-update-component", json.dumps(body).encode(), headers)
        with urllib.request.urlopen(asked) as answer:
            found = json.loads(answer.read())["response"]
        pulse = found.get("pulse", {}).get("data", pulse)
        for name in ("front", "best", "timeline"):  # the data of three charts, as often as a page draws them
            with urllib.request.urlopen(urllib.request.Request(f"{base}/_nas/csv/1/{name}", headers=headers)):
                pass
        stop.wait(1.0)


def main() -> None:
    """Looks with as many viewers as were asked for, until it is killed."""
    address, number = sys.argv[1], int(sys.argv[2])
    stop = threading.Event()

    def persist() -> None:
        while not stop.is_set():
            try:
                look(address, stop)
            except OSError:  # the study is not there yet, or the server is going
                time.sleep(0.2)

    for _ in range(number):
        threading.Thread(target=persist, daemon=True).start()
    while True:
        time.sleep(60)


if __name__ == "__main__":
    main()
