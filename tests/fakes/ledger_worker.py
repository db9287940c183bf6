"""A driver to be killed: works on a study and prints each result only after the ledger has accepted it.

Usage: python ledger_worker.py URL NUM_TRIALS [SECONDS_PER_TRIAL]
"""

from __future__ import annotations

import os
import sys
import time

from runs import EvaluationKey, Outcome, Progress, Start, TrialState, open_store

if __name__ == "__main__":
    url, num_trials, pause_s = sys.argv[1], int(sys.argv[2]), float(([*sys.argv, "0"])[3])
    with open_store(url, lease_s=5.0, timeout_s=60.0) as store:
        study = store.study("s")
        while store.spent(study.id).counts[TrialState.COMPLETE] < num_trials:
            claim = store.reclaim(study.id) or store.begin(study.id)[0]
            value = claim.number + 0.25
            if store.start([Start(claim, EvaluationKey(str(claim.number), "d", "r", "f", 0))]):
                continue
            time.sleep(pause_s)
            store.renew([claim], [Progress(claim, 1, {"accuracy": 0.5}, 0.5)])
            outcome = Outcome(claim, TrialState.COMPLETE, (value,), {"accuracy": 0.5}, 1.0)
            if store.finish([outcome]).accepted:
                os.write(1, f"{claim.number} {value}\n".encode())  # one write: a killed print is no promise
