"""The versions of what writes and runs exports."""

from __future__ import annotations

import importlib.metadata
import platform

LIBRARIES = ("nas-compound", "torch", "numpy", "safetensors", "onnx", "onnxruntime", "timm")


def versions() -> dict[str, str]:
    """Returns the versions of Python, of this project and of the libraries that write and run exports."""
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
