"""Runs a network's Python file with its weights in torch: FILE WEIGHTS DTYPE IMAGES SCORES."""

from __future__ import annotations

import sys
from importlib.util import module_from_spec, spec_from_file_location

import numpy as np
import torch


def main(file: str, weights: str, dtype: str, images: str, scores: str) -> None:
    """Writes the scores of the images; the first one is also a batch of its own."""
    spec = spec_from_file_location("network", file)
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    number = getattr(torch, dtype)
    network = module.load(weights).to(number)
    given = torch.from_numpy(np.load(images)).to(number)
    batches = [given[:1], *(given[start : start + 64] for start in range(1, len(given), 64))]
    with torch.inference_mode():
        np.save(scores, torch.cat([network(batch) for batch in batches]).float().numpy())


if __name__ == "__main__":
    main(*sys.argv[1:])
