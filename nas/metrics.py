"""The ledger's figures in Prometheus' text format, and the small server that shows them on this machine alone.

Source: https://prometheus.io/docs/instrumenting/exposition_formats/, version 0.0.4.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from runs import Store, TrialState

HOST = "127.0.0.1"
PATH = "/metrics"
_HOSTS = frozenset(
    {"127.0.0.1", "localhost"}
)  # another name in a request means that somebody led a browser here

_HELP = {
    "nas_trials": ("gauge", "Trials of a study by state."),
    "nas_device_seconds_total": ("counter", "Seconds of training of a study, over all attempts."),
    "nas_reused_trials_total": ("counter", "Trials of a study that a stored measurement answered."),
    "nas_held_trials": ("gauge", "Trials that a driver holds now."),
    "nas_lost_leases": ("gauge", "Trials whose driver has let the lease end."),
    "nas_drivers": ("gauge", "Drivers at work on a study."),
}


def exposition(store: Store) -> str:
    """Returns all figures of a storage, one sample a line.

    Example:
        >>> print(exposition(store).splitlines()[1])
        # TYPE nas_trials gauge
    """
    samples: dict[str, list[str]] = {name: [] for name in _HELP}
    for name, labels, value in _samples(store):
        inside = ",".join(f"{key}={json.dumps(text, ensure_ascii=False)}" for key, text in labels.items())
        samples[name].append(f"{name}{{{inside}}} {value:.17g}")
    lines = []
    for name, (kind, text) in _HELP.items():
        lines += [f"# HELP {name} {text}", f"# TYPE {name} {kind}", *samples[name]]
    return "\n".join(lines) + "\n"


def serve(figures: Callable[[], str], port: int) -> ThreadingHTTPServer:
    """Returns a server of `figures` on the loopback interface; the caller runs and closes it.

    Args:
        figures: makes the text anew for each request.
        port: 0 takes a free one (`server_port`).

    Raises:
        OSError: the port is taken.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if (self.headers.get("Host") or "").partition(":")[0] not in _HOSTS:
                self.send_error(421)
            elif self.path != PATH:
                self.send_error(404)
            else:
                self._answer(figures().encode())

        def _answer(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Says nothing: a scrape every few seconds is no news."""

    return ThreadingHTTPServer((HOST, port), Handler)


def _samples(store: Store) -> Iterator[tuple[str, dict[str, str], float]]:
    now = store.now()
    for study in store.studies():
        label = {"study": study.name}
        spent, held = store.spent(study.id), store.holders(study.id)
        for state in TrialState:
            yield "nas_trials", {**label, "state": str(state)}, spent.counts[state]
        yield "nas_device_seconds_total", label, spent.device_seconds
        yield "nas_reused_trials_total", label, spent.num_reused
        yield "nas_held_trials", label, len(held)
        yield "nas_lost_leases", label, sum((one.lease_left_s or 0.0) < 0 for one in held)
        at_work = [one for one in store.runs(study.id) if one.status == "running" and one.lease_until > now]
        yield "nas_drivers", label, len(at_work)
