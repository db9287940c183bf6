"""Real handwritten digits, embedded in scikit-learn: 1,797 grey 8×8 images of ten classes.

Source: E. Alpaydin, C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository
(1998), the test part, as `sklearn.datasets.load_digits` has it: levels 0..16, stretched here to 0..255 and
resampled to the size asked for.
"""

from __future__ import annotations

import numpy as np
from sklearn.datasets import load_digits

from nas.evaluation.examples import UNASSIGNED, Examples, Pixels
from nas.evaluation.pictures import resampled
from nas.settings import DataSettings


def examples(settings: DataSettings, argument: str = "") -> Examples:
    """Returns the 1,797 digits, one channel each, bilinearly enlarged from 8×8.

    Example:
        >>> examples(DataSettings(resolution=16)).read(0).shape
        (1, 16, 16)
    """
    del argument
    levels, labels = load_digits(return_X_y=True)
    images = np.floor(levels * (255.0 / 16.0) + 0.5).astype(np.uint8).reshape(-1, 1, 8, 8)

    def read(index: int) -> Pixels:
        return resampled(images[index], settings.resolution)

    return Examples(
        classes=tuple(str(digit) for digit in range(10)),
        labels=labels.astype(np.int64),
        splits=np.full(len(labels), UNASSIGNED, dtype=np.int8),
        identity="digits",
        read=read,
    )
