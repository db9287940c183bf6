"""Images in folders: one folder a class, or train, validation and test folders of such."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

from nas.evaluation.examples import SPLITS, TEST, TRAIN, UNASSIGNED, VALIDATION, DataError, Examples, Pixels
from nas.evaluation.pictures import decoded, is_grey
from nas.settings import DataSettings

_SPLIT_FOLDERS = {
    "train": TRAIN,
    "training": TRAIN,
    "val": VALIDATION,
    "valid": VALIDATION,
    "validation": VALIDATION,
    "test": TEST,
}
# Folders and files that operating systems and archives leave behind.
_IGNORED = ("__MACOSX", "Thumbs.db", "desktop.ini")


def examples(settings: DataSettings, folder: str) -> Examples:
    """Returns the images below a folder, without decoding them yet.

    It holds one folder a class, or the folders train, val (or validation) and test, of which each holds
    one folder a
    class; a missing split is then cut from the training images. Images lie anywhere below their class's
    folder. Colours are kept unless every image is grey.

    Args:
        settings: `resolution`, the side in pixels to which images are cropped and resized.
        folder: path, `~` allowed.

    Raises:
        DataError: no such folder, it cannot be listed, it has no class folders, a class has no images, or
            there are
            fewer than two classes.
    """
    path = Path(folder).expanduser()
    roots = _split_folders(path)
    files: list[tuple[int, str, Path]] = []  # (split, class, file)
    for split, root in roots:
        for class_folder in _folders(root):
            files += [(split, class_folder.name, file) for file in _images(class_folder)]
    classes = tuple(sorted({name for _, name, _ in files}))
    _check_classes(path, classes)
    numbers = {name: number for number, name in enumerate(classes)}
    names = [str(file.relative_to(path)) for _, _, file in files]

    @lru_cache(maxsize=1)  # every header is looked at once, and not at all when the pixels are cached
    def channels() -> int:
        return 1 if all(is_grey(file) is not False for _, _, file in files) else 3

    def read(index: int) -> Pixels:
        return decoded(files[index][2], names[index], resolution=settings.resolution, channels=channels())

    return Examples(
        classes=classes,
        labels=np.array([numbers[name] for _, name, _ in files], dtype=np.int64),
        splits=np.array([split for split, _, _ in files], dtype=np.int8),
        identity=f"imagefolder {path.resolve()} {_state(files, names)}",
        read=read,
    )


def _split_folders(path: Path) -> list[tuple[int, Path]]:
    """Returns the folders that hold class folders, each with its split: `path` itself, or those in it."""
    if not path.is_dir():
        what = "is a file" if path.exists() else "does not exist"
        raise DataError(
            f"imagefolder needs a folder with one folder a class, but {path} {what}; correct --data"
        )
    named = [(_SPLIT_FOLDERS[folder.name.lower()], folder) for folder in _folders(path) if _is_split(folder)]
    splits = [split for split, _ in named]
    if TRAIN not in splits:
        return [(UNASSIGNED, path)]
    if len(set(splits)) < len(splits):
        twice = ", ".join(folder.name for _, folder in named)
        raise DataError(
            f"a split has one folder, but {path} holds {twice}; keep one for each of {', '.join(SPLITS)}"
        )
    return named


def _is_split(folder: Path) -> bool:
    return folder.name.lower() in _SPLIT_FOLDERS


def _folders(path: Path) -> list[Path]:
    try:
        entries = sorted(path.iterdir())
    except OSError as error:
        raise DataError(f"{path} cannot be listed ({error.strerror}); give it read permission") from error
    return [entry for entry in entries if entry.is_dir() and not _is_hidden(entry)]


def _images(folder: Path) -> list[Path]:
    """Returns all files below a class's folder that are named like images, sorted."""
    endings = Image.registered_extensions()
    try:
        files = sorted(
            file for file in folder.rglob("*") if file.suffix.lower() in endings and not _is_hidden(file)
        )
        images = [file for file in files if file.is_file()]
    except OSError as error:
        raise DataError(f"{folder} cannot be listed ({error.strerror}); give it read permission") from error
    if not images:
        raise DataError(f"every class needs images, but {folder} holds none; add some or remove the folder")
    return images


def _is_hidden(path: Path) -> bool:
    return path.name.startswith(".") or path.name in _IGNORED


def _check_classes(path: Path, classes: tuple[str, ...]) -> None:
    if not classes:
        raise DataError(
            f"imagefolder needs one folder a class, but {path} has no folders; sort the images into folders"
        )
    if len(classes) == 1:
        raise DataError(
            f"a classifier needs two classes or more, but {path} has only {classes[0]!r}; add a second folder"
        )


def _state(files: list[tuple[int, str, Path]], names: list[str]) -> str:
    """Returns a hash of all names, sizes and times of change: what differs when a file was touched."""
    digest = hashlib.sha256()
    for (split, _, file), name in zip(files, names, strict=True):
        stat = file.stat()
        digest.update(f"{split}\0{name}\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode())
    return digest.hexdigest()
