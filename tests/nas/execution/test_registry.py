"""Executors by name: what is refused, and what is imported when."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from nas.execution import open_executor
from nas.execution.errors import ExecutorError
from nas.execution.registry import EXECUTORS
from tests.fakes.evaluators import Scripted


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ExecutorError, match=f"one of {', '.join(EXECUTORS)}, got 'slurm'"):
        open_executor("slurm", Scripted())


@pytest.mark.parametrize(
    "options",
    [{"num_workers": 0}, {"num_cpus_per_worker": 0}, {"num_gpus_per_worker": -0.5}],
)
def test_impossible_numbers_are_refused_by_name(options: dict[str, Any]) -> None:
    with pytest.raises(ExecutorError, match=f"`{next(iter(options))}` must be at least"):
        open_executor("ray", Scripted(), **options)


def test_neither_the_package_nor_the_inline_executor_imports_a_heavy_library() -> None:
    program = (
        "import sys, nas.execution, nas.execution.inline\n"
        "assert not {'torch', 'ray', 'optuna'} & set(sys.modules), set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
