"""The versions of what writes and runs exports."""

from __future__ import annotations

import importlib.metadata
import platform

from runs.owner import PACKAGE, code_version

LIBRARIES = ("torch", "numpy", "safetensors", "onnx", "onnxruntime", "timm")


def versions() -> dict[str, str]:
    """Returns the versions of Python, of this project (with its revision) and of the libraries for exports."""
    found = {"python": platform.python_version(), PACKAGE: code_version()}
    for name in LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
