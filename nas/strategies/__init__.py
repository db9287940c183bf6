"""Search strategies: what to try next, what to stop early, and whether the search beat chance.

`make_sampler` and `STRATEGIES` are Optuna samplers and live in `nas.strategies.registry`, so that importing
this package does not import Optuna.
"""
