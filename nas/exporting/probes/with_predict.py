"""Runs a committee's `predict.py`: FILE IMAGES SCORES, where images are levels from 0 to 255."""

from __future__ import annotations

import sys
from importlib.util import module_from_spec, spec_from_file_location

import numpy as np


def main(file: str, images: str, scores: str) -> None:
    """Writes the probabilities of the images, and in a last column how many networks each one needed."""
    spec = spec_from_file_location("predict", file)
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    probabilities, asked = module.Committee().ask(np.load(images))
    np.save(scores, np.concatenate([probabilities, asked[:, None]], axis=1))


if __name__ == "__main__":
    main(*sys.argv[1:])
