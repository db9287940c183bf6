"""Several owners in one process that take a study's queued trials from one another, until none is left.

Usage: python -m tests.fakes.queue_worker URL NUM_OWNERS {"study": NAME, "gate": FILE}

Each owner is a thread with a store of its own, waits for the file, and writes its history with its name.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path

from runs import EvaluationKey, Outcome, Start, TrialState, open_store
from tests.fakes.histories import say


def work(url: str, owner: int, study: str, gate: Path) -> None:
    with open_store(url, timeout_s=120.0) as store:
        found = store.study(study)
        say("info", "ready", owner=owner)
        while not gate.exists():
            time.sleep(0.01)
        while (claim := store.reclaim(found.id)) is not None:
            say("ok", "reclaim", owner=owner, claims=[(claim.number, claim.fence)])
            key = EvaluationKey(f"{study} {claim.number}", "d", "r", "f", 0)
            assert store.start([Start(claim, key)]) == []
            done = store.finish([Outcome(claim, TrialState.COMPLETE, (claim.number + 0.25,), seconds=1.0)])
            for end in done.accepted:
                number, fence = end.claim.number, end.claim.fence
                say("ok", "accepted", owner=owner, number=number, fence=fence, objectives=end.objectives)


if __name__ == "__main__":
    options = json.loads(sys.argv[3])
    owners = [
        threading.Thread(target=work, args=(sys.argv[1], owner, options["study"], Path(options["gate"])))
        for owner in range(int(sys.argv[2]))
    ]
    for owner in owners:
        owner.start()
    for owner in owners:
        owner.join()
