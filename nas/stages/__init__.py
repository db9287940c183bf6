"""The stages of the work: each ties strategies, evaluation and execution together over the ledger."""
