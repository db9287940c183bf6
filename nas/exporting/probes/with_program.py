"""Runs torch's exported program: FILE IMAGES SCORES."""

from __future__ import annotations

import sys

import numpy as np
import torch


def main(file: str, images: str, scores: str) -> None:
    """Writes the scores of the images; the first one is also a batch of its own."""
    network = torch.export.load(file).module()
    given = torch.from_numpy(np.load(images))
    batches = [given[:1], *(given[start : start + 64] for start in range(1, len(given), 64))]
    with torch.inference_mode():
        np.save(scores, torch.cat([network(batch) for batch in batches]).numpy())


if __name__ == "__main__":
    main(*sys.argv[1:])
