"""Whether a Python file is a network as we write them: read before a file from elsewhere is run.

A file of ours holds classes of torch modules and two short functions. So what it may say is a short list: these
imports, the functions of torch that our files use, no other name of a module, no name that begins with an underscore
but `__init__`. Whatever passes can compute with tensors and read one weights file, and nothing else.
"""

from __future__ import annotations

import ast
import builtins
import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from torch import nn

from search_space.export.python import HELPERS

IMPORTS = {
    "import torch",
    "import torch.nn.functional as F",
    "from torch import nn",
    "from safetensors.torch import load_file",
    "from __future__ import annotations",
}
MODULES = {name for name, value in vars(nn).items() if inspect.isclass(value)}
# What the writers themselves say; the copied helpers add what they say.
TORCH = {"Tensor", "cat", "flatten", "tensor"}
FUNCTIONAL = {"pad"}
NAMES = {"enumerate", "float", "range", "str", "super", "tuple", "zip"}
ATTRIBUTES = {"append", "device", "eval", "float", "load_state_dict", "shape"}
DECORATOR = "torch.no_grad()"
_STATEMENTS = (
    ast.Import,
    ast.ImportFrom,
    ast.ClassDef,
    ast.FunctionDef,
    ast.Assign,
    ast.AnnAssign,
    ast.Expr,
    ast.Return,
    ast.For,
    ast.If,
)
_FORBIDDEN = (ast.Lambda, ast.Await, ast.Yield, ast.YieldFrom, ast.NamedExpr, ast.JoinedStr)


class HarmfulSource(ValueError):
    """A Python file does more than a network of ours."""


def require_harmless(source: str) -> None:
    """Checks that running a Python file can only define a network and load its weights.

    Raises:
        HarmfulSource: it says something that our files do not; the message names the line.
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise HarmfulSource(f"a network's file must be Python, got {error}; export it again") from None
    for statement in tree.body:
        if isinstance(statement, ast.Expr) and not isinstance(statement.value, ast.Constant):
            _refuse(statement)
    defined = _defined(tree)
    if taken := sorted(defined & set(dir(builtins))):
        raise HarmfulSource(
            f"a network's file must not rename what Python has, got {taken[0]!r}; export it again"
        )
    for node in ast.walk(tree):
        _check(node, defined)


def _defined(tree: ast.Module) -> set[str]:
    """Returns the names that the file itself gives to something."""
    names = {node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef | ast.FunctionDef)}
    names |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    return names | {
        node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }


@dataclass(frozen=True, slots=True)
class _Vocabulary:
    """What a file may say."""

    of: Mapping[str, set[str]]  # attributes of the modules `torch`, `F` and `nn`
    attributes: set[str]  # of anything else
    names: set[str]  # of Python's own functions


@lru_cache(maxsize=1)
def _vocabulary() -> _Vocabulary:
    """Returns the words of the writers, and of the helpers that are copied into files."""
    words = _Vocabulary(
        {"torch": set(TORCH), "F": set(FUNCTIONAL), "nn": set(MODULES)}, set(ATTRIBUTES), set(NAMES)
    )
    for helper in HELPERS:
        for node in ast.walk(ast.parse(inspect.getsource(helper))):
            if isinstance(node, ast.Attribute) and not _hidden(node.attr):
                root = node.value.id if isinstance(node.value, ast.Name) else ""
                words.of.get(root, words.attributes).add(node.attr)
            if isinstance(node, ast.Name) and node.id in vars(builtins):
                words.names.add(node.id)
    return words


def _check(node: ast.AST, defined: set[str]) -> None:
    if isinstance(node, ast.stmt) and not isinstance(node, _STATEMENTS):
        _refuse(node)
    if isinstance(node, _FORBIDDEN):
        _refuse(node)
    if isinstance(node, ast.Import | ast.ImportFrom) and ast.unparse(node) not in IMPORTS:
        _refuse(node)
    if isinstance(node, ast.ClassDef | ast.FunctionDef):
        if _hidden(node.name) or not {ast.unparse(each) for each in node.decorator_list} <= {DECORATOR}:
            _refuse(node)
    if isinstance(node, ast.ClassDef) and (node.keywords or not set(map(ast.unparse, node.bases)) <= _BASES):
        _refuse(node)
    if isinstance(node, ast.arg | ast.keyword) and _hidden(node.arg or ""):
        _refuse(node)
    if isinstance(node, ast.Name) and not _may_be_read(node.id, defined):
        _refuse(node)
    if isinstance(node, ast.Attribute) and not _may_be_named(node):
        _refuse(node)


def _may_be_read(name: str, defined: set[str]) -> bool:
    words = _vocabulary()
    return not _hidden(name) and (
        name in words.names or name in words.of or name in ("load_file", "_") or name in defined
    )


def _may_be_named(node: ast.Attribute) -> bool:
    """Returns whether `node` is an attribute that our files use."""
    if node.attr == "__init__":
        return ast.unparse(node.value) == "super()"
    if _hidden(node.attr):
        return False
    words = _vocabulary()
    root = node.value.id if isinstance(node.value, ast.Name) else ""
    return root == "self" or node.attr in words.of.get(root, words.attributes)


_BASES = {"nn.Module", "nn.Conv2d"}


def _hidden(name: str) -> bool:
    return name.startswith("_") and name not in ("_", "__init__")


def _refuse(node: ast.AST) -> None:
    line = getattr(node, "lineno", 0)
    text = ast.unparse(node).partition("\n")[0][:60]
    raise HarmfulSource(
        f"a network's file must hold what `nas export` writes, got {text!a} in line {line}; export it again"
    )
