"""No code of ours can run code from a file: what could is looked for in the syntax tree of every package."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("nas", "search_space", "scaling_rules", "runs", "dashboards", "benchmarks", "examples")
FORBIDDEN_MODULES = {"pickle", "_pickle", "cPickle", "cloudpickle", "dill", "marshal", "shelve", "jsonpickle"}
FORBIDDEN_CALLS = {
    "eval",
    "exec",
    "joblib.load",
    "joblib.dump",
    "os.system",
    "os.popen",
    "pandas.read_pickle",
    "torch.save",
    "yaml.load",
    "yaml.full_load",
    "yaml.unsafe_load",
}
ALIASES = {"np": "numpy", "pd": "pandas"}
FORBIDDEN_ARGUMENTS = {("shell", True), ("verify", False), ("allow_pickle", True), ("weights_only", False)}


def faults(source: str) -> Iterator[str]:
    """Yields what a source does that it must not."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            modules = [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            modules = []
        yield from (
            f"line {node.lineno}: imports {name}"
            for name in modules
            if FORBIDDEN_MODULES & set(name.split("."))
        )
        if isinstance(node, ast.Call):
            yield from (f"line {node.lineno}: {fault}" for fault in _faults_of_call(node))


def _faults_of_call(call: ast.Call) -> Iterator[str]:
    name = _dotted(call.func)
    if name in FORBIDDEN_CALLS:
        yield f"calls {name}"
    given = {(keyword.arg, _constant(keyword.value)) for keyword in call.keywords}
    yield from (f"gives {name} {argument}={value}" for argument, value in given & FORBIDDEN_ARGUMENTS)
    if name == "torch.load" and ("weights_only", True) not in given:
        yield "calls torch.load without weights_only=True"


def _dotted(node: ast.expr) -> str:
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return ""
    return ".".join([ALIASES.get(node.id, node.id), *reversed(parts)])


def _constant(node: ast.expr) -> object:
    value = node.value if isinstance(node, ast.Constant) else None
    return value if isinstance(value, bool) else None


def sources() -> list[Path]:
    return sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_file_can_run_code_that_it_reads(path: Path) -> None:
    assert list(faults(path.read_text())) == []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from pickle import loads",
        "import ray.cloudpickle as p",
        "from ray import cloudpickle",
        "import dill",
        "import torch\ntorch.load(path)",
        "import torch\ntorch.load(path, weights_only=False)",
        "import torch\ntorch.save(x, path)",
        "import yaml\nyaml.load(text)",
        "import numpy as np\nnp.load(path, allow_pickle=True)",
        "import joblib\njoblib.load(path)",
        "import pandas as pd\npd.read_pickle(path)",
        "eval(text)",
        "exec(text)",
        "import subprocess\nsubprocess.run(text, shell=True)",
        "import requests\nrequests.get(url, verify=False)",
        "import os\nos.system(text)",
    ],
)
def test_the_search_finds_each_of_them(source: str) -> None:
    assert list(faults(source)) != []


@pytest.mark.parametrize(
    "source",
    [
        "import torch\ntorch.load(path, weights_only=True)",
        "model.eval()",
        "import re\nre.compile('exec')",
        "import subprocess\nsubprocess.run([program])",
    ],
)
def test_what_is_harmless_is_let_be(source: str) -> None:
    assert list(faults(source)) == []


def test_runs_holds_code_only_and_is_tracked() -> None:
    """TensorBoard's default output folder has the same name, and many ignore files exclude it."""
    files = {
        path for path in (ROOT / "runs").rglob("*") if path.is_file() and "__pycache__" not in path.parts
    }
    assert {path.suffix for path in files} <= {".py", ".mako", ".typed"}
    assert "!/runs/" in (ROOT / ".gitignore").read_text().splitlines()
