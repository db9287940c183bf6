"""Real handwritten digits, embedded in scikit-learn: 1,797 grey 8×8 images of ten classes.

Source: E. Alpaydin, C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository
(1998), the test part, as `sklearn.datasets.load_digits` has it: levels 0..16, stretched here to 0..255 and
resampled to the size asked for. The file is read directly: importing scikit-learn for it would cost every
worker two to four seconds.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np

from nas.evaluation.examples import UNASSIGNED, DataError, Examples, Pixels
from nas.evaluation.pictures import resampled
from nas.settings import DataSettings


def examples(settings: DataSettings, argument: str = "") -> Examples:
    """Returns the 1,797 digits, one channel each, bilinearly enlarged from 8×8.

    Raises:
        DataError: scikit-learn is not installed.

    Example:
        >>> examples(DataSettings(resolution=16)).read(0).shape
        (1, 16, 16)
    """
    del argument
    table = np.loadtxt(_file(), delimiter=",", dtype=np.int64)  # 64 levels and a label in each row
    levels, labels = table[:, :-1], table[:, -1]
    images = ((levels * 255 + 8) // 16).astype(np.uint8).reshape(-1, 1, 8, 8)

    def read(index: int) -> Pixels:
        return resampled(images[index], settings.resolution)

    return Examples(
        classes=tuple(str(digit) for digit in range(10)),
        labels=labels,
        splits=np.full(len(labels), UNASSIGNED, dtype=np.int8),
        identity="digits",
        read=read,
    )


def _file() -> Path:
    package = find_spec("sklearn")
    if package is None or not package.submodule_search_locations:
        raise DataError("digits needs scikit-learn, which is not installed; run pip install scikit-learn")
    return Path(package.submodule_search_locations[0]) / "datasets" / "data" / "digits.csv.gz"
