"""Whether a Python file is a network as we write them: read before a file from elsewhere is run.

A file of ours holds classes of torch modules and three short functions. So what it may say is a short list:
these imports, these functions of torch, no other name of a module, no name that begins with an underscore but
`__init__`. Whatever passes can compute with tensors and read one weights file, and nothing else.
"""

from __future__ import annotations

import ast
import builtins
import inspect

from torch import nn

IMPORTS = {
    "import torch",
    "import torch.nn.functional as F",
    "from torch import nn",
    "from safetensors.torch import load_file",
    "from __future__ import annotations",
}
TORCH = {"Tensor", "arange", "cat", "empty", "flatten", "int64", "ones", "ones_like", "tensor"}
FUNCTIONAL = {"avg_pool2d", "conv2d", "max_pool2d", "pad"}
MODULES = {name for name, value in vars(nn).items() if inspect.isclass(value)}
NAMES = {"float", "str", "len", "max", "range", "super", "tuple", "bool", "int", "zip", "enumerate"}
ATTRIBUTES = {
    "append",
    "bernoulli_",
    "copy_",
    "device",
    "dtype",
    "eval",
    "fill_",
    "float",
    "forward",
    "index_select",
    "load_state_dict",
    "register_buffer",
    "reset_buffers",
    "reshape",
    "shape",
    "transpose",
}
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


def _check(node: ast.AST, defined: set[str]) -> None:
    if isinstance(node, ast.stmt) and not isinstance(node, _STATEMENTS):
        _refuse(node)
    if isinstance(node, _FORBIDDEN):
        _refuse(node)
    if isinstance(node, ast.Import | ast.ImportFrom) and ast.unparse(node) not in IMPORTS:
        _refuse(node)
    if isinstance(node, ast.ClassDef | ast.FunctionDef) and (node.decorator_list or _hidden(node.name)):
        _refuse(node)
    if isinstance(node, ast.ClassDef) and (node.keywords or not set(map(ast.unparse, node.bases)) <= _BASES):
        _refuse(node)
    if isinstance(node, ast.arg | ast.keyword) and _hidden(node.arg or ""):
        _refuse(node)
    if isinstance(node, ast.Name) and (
        _hidden(node.id) or node.id not in NAMES | _MODULE_NAMES | {"load_file", "_"} | defined
    ):
        _refuse(node)
    if isinstance(node, ast.Attribute) and not _may_be_named(node):
        _refuse(node)


def _may_be_named(node: ast.Attribute) -> bool:
    """Returns whether `node` is an attribute that our files use."""
    if node.attr == "__init__":
        return ast.unparse(node.value) == "super()"
    if _hidden(node.attr):
        return False
    if isinstance(node.value, ast.Name) and node.value.id in _ALLOWED:
        return node.attr in _ALLOWED[node.value.id]
    if isinstance(node.value, ast.Name) and node.value.id == "self":
        return True
    return node.attr in ATTRIBUTES


_ALLOWED = {"torch": TORCH, "F": FUNCTIONAL, "nn": MODULES}
_MODULE_NAMES = set(_ALLOWED)
_BASES = {"nn.Module", "nn.Conv2d"}


def _hidden(name: str) -> bool:
    return name.startswith("_") and name not in ("_", "__init__")


def _refuse(node: ast.AST) -> None:
    line = getattr(node, "lineno", 0)
    text = ast.unparse(node).partition("\n")[0][:60]
    raise HarmfulSource(
        f"a network's file must hold what `nas export` writes, got {text!a} in line {line}; export it again"
    )
