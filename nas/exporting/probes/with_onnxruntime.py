"""Runs an ONNX file in onnxruntime: FILE IMAGES SCORES."""

from __future__ import annotations

import sys

import numpy as np
import onnxruntime


def main(file: str, images: str, scores: str) -> None:
    """Writes the scores of the images; the first one is also a batch of its own."""
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    given = np.load(images)
    batches = [given[:1], *(given[start : start + 64] for start in range(1, len(given), 64))]
    np.save(scores, np.concatenate([session.run(["scores"], {"image": batch})[0] for batch in batches]))


if __name__ == "__main__":
    main(*sys.argv[1:])
