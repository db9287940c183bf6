"""The names that a user types, and what importing them costs."""

from __future__ import annotations

import subprocess
import sys

import runs


def test_every_public_name_is_there_and_listed_once() -> None:
    assert sorted(set(runs.__all__)) == sorted(runs.__all__)
    for name in runs.__all__:
        assert getattr(runs, name) is not None


def test_importing_runs_loads_no_heavy_library() -> None:
    script = """
import sys, runs
heavy = {"sqlalchemy", "alembic", "optuna", "torch", "ray", "fsspec", "numpy"}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
runs.open_store("sqlite://").close()
assert not {"optuna", "torch", "ray"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", script], check=True)
