"""Histories of several clients of one ledger, and what must be true of all of them together (after Jepsen).

A client writes a line of JSON before (`invoke`) and after (`ok`, `fail`) each thing that it asks of the ledger. An
`invoke` without an answer is undecided: it may have happened or not, and nothing else is forgiven.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from runs import Store, TrialState


def say(kind: str, what: str, **facts: Any) -> None:
    """Writes one line to the output by one system call that fault injection does not touch."""
    os.writev(1, [json.dumps({"kind": kind, "what": what, **facts}).encode() + b"\n"])


@dataclass
class History:
    """What one process said before it ended."""

    lines: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def parsed(cls, output: str) -> History:
        """Reads the output of a process; a line that it did not come to finish is dropped."""
        return cls([json.loads(line) for line in output.splitlines() if line.endswith("}")])

    def said(self, what: str, kind: str = "ok") -> list[dict[str, Any]]:
        """Returns the lines of one kind about one thing."""
        return [line for line in self.lines if (line["kind"], line["what"]) == (kind, what)]

    @property
    def accepted(self) -> dict[int, tuple[float, ...] | None]:
        """Returns the acknowledged ends, by trial number."""
        ends: dict[int, tuple[float, ...] | None] = {}
        for line in self.said("accepted"):
            assert line["number"] not in ends, f"one client was told twice that trial {line['number']} ended"
            ends[line["number"]] = None if line["objectives"] is None else tuple(line["objectives"])
        return ends


def contradictions(histories: Iterable[History], store: Store, study: str = "s") -> Iterator[str]:
    """Yields everything that the clients were told and the ledger does not bear out; empty is the proof.

    Acknowledged ends are there with their numbers (I1); no trial ended twice (I2); no two clients held one fence of one
    trial; an end was only accepted from whoever had been given that fence.
    """
    histories = list(histories)
    trials = {trial.number: trial for trial in store.trials(store.study(study).id)}
    holders: dict[tuple[int, int], int] = {}
    ended: dict[int, int] = {}
    for client, history in enumerate(histories):
        for line in [*history.said("begin"), *history.said("reclaim")]:
            for number, fence in line["claims"]:
                other = holders.setdefault((number, fence), client)
                if other != client:
                    yield f"clients {other} and {client} both held fence {fence} of trial {number}"
        for number, objectives in history.accepted.items():
            if ended.setdefault(number, client) != client:
                yield f"clients {ended[number]} and {client} both ended trial {number}"
            if number not in trials or not trials[number].state.is_finished:
                yield f"trial {number} was acknowledged to client {client} and is lost"
            elif trials[number].objectives != objectives:
                yield f"trial {number} was acknowledged as {objectives}, and is {trials[number].objectives}"
        for line in history.said("accepted"):
            key = (line["number"], line["fence"])
            if key in holders and holders[key] != client:
                yield f"client {client} ended fence {key[1]} of trial {key[0]}, which client {holders[key]} held"
    for number, trial in trials.items():
        if trial.state is TrialState.COMPLETE and trial.reused_from is None and trial.objectives is None:
            yield f"trial {number} is complete without objectives"


def proven(histories: Iterable[History], store: Store, *, grace_s: float = 0.0) -> None:
    """Asserts that the histories agree with the ledger and that the ledger holds together."""
    assert list(contradictions(histories, store)) == []
    assert store.check(grace_s=grace_s, is_deep=True) == []
