"""Runs a folder for timm: the Python FILE in it that registers the network, IMAGES, SCORES."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import torch


def main(file: str, images: str, scores: str) -> None:
    """Writes the scores of the images; the first one is also a batch of its own."""
    timm = import_module("timm")  # without types, and not a dependency of ours
    name = Path(file).stem
    spec = spec_from_file_location(name, file)
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[name] = module  # where timm looks for what it registers
    spec.loader.exec_module(module)
    network = timm.create_model(f"local-dir:{Path(file).parent}", pretrained=True).eval()
    given = torch.from_numpy(np.load(images))
    batches = [given[:1], *(given[start : start + 64] for start in range(1, len(given), 64))]
    with torch.inference_mode():
        np.save(scores, torch.cat([network(batch) for batch in batches]).numpy())


if __name__ == "__main__":
    main(*sys.argv[1:])
