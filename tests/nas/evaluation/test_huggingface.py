"""Local parquet files through `datasets`: columns found, splits kept, one sentence for wrong ones."""

from __future__ import annotations

import contextlib
import io
import logging
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import huggingface_hub
import numpy as np
import pytest
from PIL import Image

from nas.evaluation.data import load, load_test
from nas.evaluation.examples import DataError
from nas.settings import DataSettings


@pytest.fixture(autouse=True)
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "hf")


def picture(level: int, mode: str = "RGB") -> Image.Image:
    return Image.new(mode, (14, 10), level if mode == "L" else (level, 0, level))


def png(image: Image.Image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "png")
    return stream.getvalue()


def rows(count: int = 20, mode: str = "RGB") -> dict[str, list[Any]]:
    return {"image": [picture(9 * i, mode) for i in range(count)], "label": [i % 2 for i in range(count)]}


def typed(count: int = 20, mode: str = "RGB") -> datasets.Dataset:
    features = datasets.Features(
        {"image": datasets.Image(), "label": datasets.ClassLabel(names=["cat", "dog"])}
    )
    return datasets.Dataset.from_dict(rows(count, mode), features=features)


def settings(path: Path | str, **fields: object) -> DataSettings:
    return DataSettings.model_validate({"name": f"hf:{path}", "resolution": 8, **fields})


def test_a_parquet_file_with_types_is_read_and_split(tmp_path: Path, cache: Path) -> None:
    typed().to_parquet(tmp_path / "pets.parquet")
    data = load(settings(tmp_path / "pets.parquet"), cache=cache)
    assert data.classes == ("cat", "dog")
    assert data.train.images.shape == (12, 3, 8, 8)
    levels = sorted({int(image[0, 0, 0]) // 9 % 2 for image in data.train.images[data.train.labels == 1]})
    assert levels == [1]
    assert set(data.train.images[:, 1].ravel().tolist()) == {0}


def test_a_folder_of_parquet_files_keeps_its_splits(tmp_path: Path, cache: Path) -> None:
    folder = tmp_path / "pets"
    folder.mkdir()
    typed(20, "L").to_parquet(folder / "train-00000-of-00001.parquet")
    typed(6, "L").to_parquet(folder / "test-00000-of-00001.parquet")
    data = load(settings(folder), cache=cache)
    assert (len(data.train), len(data.validation), data.num_test) == (16, 4, 6)
    assert data.input_channels == 1
    assert len(load_test(settings(folder), cache=cache)) == 6


def test_plain_bytes_and_text_labels_are_understood(tmp_path: Path, cache: Path) -> None:
    table = {"picture": [png(picture(i)) for i in range(20)], "category": ["owl", "ant"] * 10}
    datasets.Dataset.from_dict(table).to_parquet(tmp_path / "plain.parquet")
    data = load(settings(tmp_path / "plain.parquet"), cache=cache)
    assert data.classes == ("ant", "owl")
    assert len(data.train) == 12


def test_a_hidden_test_split_is_left_aside(tmp_path: Path, cache: Path) -> None:
    folder = tmp_path / "hidden"
    folder.mkdir()
    typed().to_parquet(folder / "train.parquet")
    unlabelled = typed(6).map(lambda row: {"label": -1})
    unlabelled.to_parquet(folder / "test.parquet")
    assert load(settings(folder), cache=cache).num_test == 4


def test_damaged_rows_are_named_and_skipped(tmp_path: Path, cache: Path) -> None:
    table = {"image": [png(picture(i)) for i in range(39)] + [b"no image"], "label": [0, 1] * 20}
    datasets.Dataset.from_dict(table).to_parquet(tmp_path / "damaged.parquet")
    data = load(settings(tmp_path / "damaged.parquet", max_corrupt_share=0.1), cache=cache)
    assert data.corrupt == ("row 39: not an image that can be identified",)


def without_images(path: Path) -> None:
    datasets.Dataset.from_dict({"text": ["a", "b"], "label": [0, 1]}).to_parquet(path)


def without_labels(path: Path) -> None:
    datasets.Dataset.from_dict({"image": [png(picture(1))], "size": [0.5]}).to_parquet(path)


def with_one_class(path: Path) -> None:
    datasets.Dataset.from_dict({"image": [png(picture(1))] * 9, "label": ["a"] * 9}).to_parquet(path)


def without_any_label(path: Path) -> None:
    typed().map(lambda row: {"label": -1}).to_parquet(path)


def damaged(path: Path) -> None:
    path.write_bytes(b"PAR1 and no more")


def missing(path: Path) -> None:
    assert not path.exists()


@pytest.mark.parametrize(
    ("write", "sentence"),
    [
        (without_images, r"needs a column of images, but has text \(.*\), label \(int64\); save"),
        (without_labels, r"needs a column of class labels, but has image \(.*\), size \(float64\);"),
        (with_one_class, "must have 2 to 10000 classes, got 1; choose another label column"),
        (without_any_label, "has no labelled split"),
        (damaged, r"could not be loaded \(.*\); check the name"),
        (missing, "needs a parquet file or a folder of them"),
    ],
)
def test_a_file_that_cannot_be_used_gets_one_sentence(
    write: Callable[[Path], None], sentence: str, tmp_path: Path, cache: Path
) -> None:
    path = tmp_path / "it.parquet"
    write(path)
    with pytest.raises(DataError, match=sentence) as caught:
        load(settings(path), cache=cache)
    assert "\n" not in str(caught.value)


def test_a_name_that_is_not_cached_says_so_without_a_connection(cache: Path) -> None:
    with pytest.raises(
        DataError, match=r"hf:nobody/nothing could not be loaded \(.*\); check the name, or load it once"
    ):
        load(settings("nobody/nothing"), cache=cache)


def test_labels_follow_their_images(tmp_path: Path, cache: Path) -> None:
    typed(20, "L").to_parquet(tmp_path / "grey.parquet")
    data = load(settings(tmp_path / "grey.parquet"), cache=cache)
    levels = data.train.images.mean(axis=(1, 2, 3))
    assert np.array_equal(np.round(levels / 9).astype(int) % 2, data.train.labels)


def test_of_a_file_that_is_no_parquet_only_our_sentence_is_told(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "junk.parquet").write_bytes(b"no parquet " * 100)
    heard = Heard()
    library = logging.getLogger("datasets")
    library.addHandler(heard)
    try:
        with pytest.raises(DataError, match=r"junk\.parquet could not be loaded"):
            load(settings(tmp_path / "junk.parquet"), cache=cache)
    finally:
        library.removeHandler(heard)
    assert heard.records == []


def test_a_row_that_cannot_be_read_is_named_by_its_path(tmp_path: Path, cache: Path) -> None:
    cells = [{"bytes": png(picture(9 * i)), "path": f"pets/{i}.png"} for i in range(40)]
    cells[39]["bytes"] = b"no picture"
    table = {"image": cells, "label": [i % 2 for i in range(40)]}
    datasets.Dataset.from_dict(table).to_parquet(tmp_path / "pets.parquet")
    data = load(settings(tmp_path / "pets.parquet", max_corrupt_share=0.1), cache=cache)
    assert data.corrupt == ("row 39 (pets/39.png): not an image that can be identified",)


def test_a_hub_that_does_not_answer_is_asked_once_and_the_cache_serves(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url, calls = f"http://127.0.0.1:{server.getsockname()[1]}", list[object]()

        def hang_up() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, address = server.accept()
                    calls.append(address)
                    connection.close()

        threading.Thread(target=hang_up, daemon=True).start()
        monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(datasets.config, "HF_ENDPOINT", url)
        monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", url)
        with pytest.raises(DataError, match=r"hf:nobody/none could not be loaded .*load it once with a conn"):
            load(settings("nobody/none"), cache=cache)
        server.shutdown(socket.SHUT_RDWR)
    assert len(calls) == 1
    assert datasets.config.HF_HUB_OFFLINE is False


class Heard(logging.Handler):
    """Keeps what a library logs."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record.getMessage())
