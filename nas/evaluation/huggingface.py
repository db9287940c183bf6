"""Any image classification data set of the Hugging Face hub, or local parquet files, through `datasets`.

Which column holds the images and which the labels is found from the columns' types; images are decoded by our
own reader, so damaged ones are reported like those of a folder. The hub is asked once whether it answers; where it does
not, or `HF_HUB_OFFLINE=1` is set, the local cache is all there is.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import datasets
import numpy as np
from huggingface_hub import get_session

from nas.evaluation.examples import (
    TEST,
    TRAIN,
    UNASSIGNED,
    VALIDATION,
    DataError,
    Examples,
    Labels,
    Pixels,
    UnreadableImage,
)
from nas.evaluation.pictures import decoded, is_grey
from nas.settings import DataSettings

_SPLITS = {
    "train": TRAIN,
    "validation": VALIDATION,
    "valid": VALIDATION,
    "val": VALIDATION,
    "dev": VALIDATION,
    "test": TEST,
}
_LABEL_NAMES = ("label", "labels", "fine_label", "class", "class_id", "target", "category", "digit", "y")
_MAX_TEXT_CLASSES = 10_000
_ANSWER_S = 5.0  # for the hub to answer; its own client tries each file six times, which takes minutes


def examples(settings: DataSettings, name: str) -> Examples:
    """Returns the images of a data set, without decoding them yet.

    Args:
        settings: `resolution`, the side in pixels to which images are cropped and resized.
        name: `owner/name` or `owner/name@configuration` on the hub, a parquet file, or a folder of parquet
            files
            (train-*.parquet, validation-*.parquet, test-*.parquet, or any names for one unsplit set).

    Raises:
        DataError: the data set is unknown or out of reach, has no image column, no label column, or one class
            only.
    """
    parts = [(_SPLITS[split], part) for split, part in _loaded(name).items() if split in _SPLITS]
    if not parts:
        raise DataError(
            f"hf:{name} has no split called train, validation or test; give another configuration or file"
        )
    first = parts[0][1]
    image, label = _image_column(name, first), _label_column(name, first)
    parts = [(split, part) for split, part in parts if _has_labels(part, label)]
    if not parts:
        raise DataError(f"hf:{name} has no labelled split (all labels are -1); give another configuration")
    rows = [part.cast_column(image, datasets.Image(decode=False)) for _, part in parts]
    labels, classes = _labels(
        name, [part.with_format("numpy")[label][:] for _, part in parts], first.features[label]
    )
    starts = np.cumsum([0, *(len(part) for part in rows)])
    lone = len(parts) == 1
    splits = np.concatenate([np.full(len(part), UNASSIGNED if lone else split) for split, part in parts])

    def read(index: int) -> Pixels:
        part = int(np.searchsorted(starts, index, side="right")) - 1
        cell = rows[part][int(index - starts[part])][image]
        named = cell.get("path") if isinstance(cell, dict) else None
        where = f"row {index} ({named})" if named else f"row {index}"
        return decoded(_content(cell, where), where, resolution=settings.resolution, channels=channels)

    # Colour or grey is decided from an even sample: a look at every header would read the whole data set.
    channels = 1 if all(_looks_grey(rows, starts, image, int(i)) for i in _sample(starts[-1])) else 3
    fingerprints = " ".join(str(part._fingerprint) for part in rows)
    return Examples(
        classes, labels, splits.astype(np.int8), f"hf {name} {image} {label} {fingerprints}", read
    )


def _loaded(name: str) -> Mapping[str, Any]:
    """Returns split name -> data set; one unsplit set is called train."""
    path = Path(name).expanduser()
    try:
        with _silenced("datasets", "huggingface_hub"):
            if path.suffix == ".parquet" or path.is_dir():
                return dict(datasets.load_dataset("parquet", data_files=_parquet_files(name, path)))
            repository, _, configuration = name.partition("@")
            with _offline_where_nobody_answers():
                return dict(datasets.load_dataset(repository, configuration or None))
    except DataError:
        raise
    except Exception as error:  # the library and its transports have no common class of error
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise DataError(
            f"hf:{name} could not be loaded ({reason});"
            " check the name, or load it once with a connection so that it is cached"
        ) from error


@contextmanager
def _offline_where_nobody_answers() -> Iterator[None]:
    """Lets `datasets` look only into its cache where the hub, or a proxy on the way there, does not answer."""
    before = datasets.config.HF_HUB_OFFLINE
    datasets.config.HF_HUB_OFFLINE = before or not _answers(datasets.config.HF_ENDPOINT)
    try:
        yield
    finally:
        datasets.config.HF_HUB_OFFLINE = before


def _answers(url: str) -> bool:
    """Returns whether anything answers there, be it with an error."""
    try:
        get_session().head(url, timeout=_ANSWER_S)
    except Exception:  # the transport's, which the hub's library may change
        return False
    return True


@contextmanager
def _silenced(*libraries: str) -> Iterator[None]:
    """Lets libraries log nothing for as long as it lasts: what went wrong is told once, in our sentence."""
    loggers = [logging.getLogger(name) for name in libraries]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _parquet_files(name: str, path: Path) -> dict[str, list[str]]:
    files = sorted(path.rglob("*.parquet")) if path.is_dir() else [path]
    missing = [file for file in files if not file.is_file()]
    if missing or not files:
        raise DataError(
            f"hf:{name} needs a parquet file or a folder of them, but {path} has none; correct --data"
        )
    by_split: dict[str, list[str]] = {}
    for file in files:
        prefix = file.stem.split("-")[0].lower()
        by_split.setdefault(prefix if prefix in _SPLITS and path.is_dir() else "train", []).append(str(file))
    return by_split


def _image_column(name: str, data: Any) -> str:
    for column, feature in data.features.items():
        holds_bytes = isinstance(feature, dict) and "bytes" in feature
        is_binary = isinstance(feature, datasets.Value) and feature.dtype in ("binary", "large_binary")
        if isinstance(feature, datasets.Image) or holds_bytes or is_binary:
            return str(column)
    raise DataError(
        f"hf:{name} needs a column of images, but has {_columns(data)}; save the images with type Image"
    )


def _label_column(name: str, data: Any) -> str:
    for column, feature in data.features.items():
        if isinstance(feature, datasets.ClassLabel):
            return str(column)
    for column in _LABEL_NAMES:
        feature = data.features.get(column)
        if isinstance(feature, datasets.Value) and ("int" in feature.dtype or "string" in feature.dtype):
            return column
    raise DataError(
        f"hf:{name} needs a column of class labels, but has {_columns(data)};"
        " name it label and make it whole numbers or text"
    )


def _has_labels(data: Any, label: str) -> bool:
    """Returns whether this split is labelled; the hub marks hidden test labels with -1."""
    if not isinstance(data.features[label], datasets.ClassLabel):
        return True
    return bool(np.min(data.with_format("numpy")[label][:], initial=0) >= 0)


def _columns(data: Any) -> str:
    types = (
        (column, getattr(feature, "dtype", type(feature).__name__))
        for column, feature in data.features.items()
    )
    return ", ".join(f"{column} ({dtype})" for column, dtype in types)


def _labels(name: str, columns: list[Any], feature: Any) -> tuple[Labels, tuple[str, ...]]:
    """Returns labels as numbers from 0 and the classes' names."""
    values = np.concatenate([np.asarray(column) for column in columns])
    if isinstance(feature, datasets.ClassLabel):
        return values.astype(np.int64), tuple(str(text) for text in feature.names)
    names, labels = np.unique(values, return_inverse=True)
    if not 2 <= len(names) <= _MAX_TEXT_CLASSES:
        raise DataError(
            f"hf:{name} must have 2 to {_MAX_TEXT_CLASSES} classes, got {len(names)};"
            " choose another label column"
        )
    return labels.astype(np.int64), tuple(str(text) for text in names)


def _content(cell: Any, name: str) -> bytes | Path:
    if isinstance(cell, dict) and cell.get("bytes") is not None:
        return bytes(cell["bytes"])
    if isinstance(cell, dict) and cell.get("path") is not None:
        return Path(cell["path"])
    raise UnreadableImage(f"{name}: no image in this row")


def _sample(total: int) -> Labels:
    return np.unique(np.linspace(0, total - 1, 64).astype(np.int64)) if total else np.empty(0, dtype=np.int64)


def _looks_grey(rows: list[Any], starts: Labels, image: str, index: int) -> bool:
    part = int(np.searchsorted(starts, index, side="right")) - 1
    try:
        return is_grey(_content(rows[part][int(index - starts[part])][image], f"row {index}")) is not False
    except UnreadableImage:
        return True
