"""`nas latency`, `nas latency table` and `nas explain`, as they are typed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nas.evaluation.latency_table import read_table
from search_space.export.onnx_file import onnx_bytes
from search_space.weights import save_weights
from tests.fakes.searches import Tiny
from tests.nas.cli.conftest import Nas
from tests.nas.cli.test_reading import parsed
from tests.nas.exporting.conftest import NETWORK
from tests.search_space.export.networks import lively

TIMES = {"median_ms", "low_ms", "high_ms", "runs", "images_per_second"}


@pytest.fixture
def files(folder: Path) -> Path:
    """A network as JSON, its weights, and itself as ONNX in two precisions."""
    module = lively(NETWORK)
    (folder / "a.json").write_text(NETWORK.to_json())
    save_weights(module, folder / "a.safetensors")
    tensors = dict(module.state_dict())
    (folder / "a.onnx").write_bytes(onnx_bytes(NETWORK, tensors))
    (folder / "a_fp16.onnx").write_bytes(onnx_bytes(NETWORK, tensors, dtype=np.float16))
    return folder


@pytest.mark.usefixtures("files")
def test_a_network_is_timed_beside_its_reference(nas: Nas) -> None:
    view = parsed(nas, "latency a.json --batch 2 --reference a.json")
    assert set(view) == {"name", "device", "batch", "resolution", "reference", "ratio"} | TIMES
    assert (view["name"], view["batch"], view["resolution"]) == ("a", 2, 8) and "CPU" in view["device"]
    assert 0.0 < view["low_ms"] <= view["median_ms"] <= view["high_ms"]
    assert view["images_per_second"] == pytest.approx(2e3 / view["median_ms"])
    assert set(view["reference"]) == {"name", "resolution"} | TIMES and view["runs"] >= 30
    assert view["ratio"] == pytest.approx(view["median_ms"] / view["reference"]["median_ms"])


@pytest.mark.usefixtures("files")
def test_an_onnx_file_is_timed_as_it_is_in_onnxruntime(nas: Nas) -> None:
    view = parsed(nas, "latency a_fp16.onnx --reference a.onnx --batch 3")
    assert (view["name"], view["device"], view["resolution"]) == ("a_fp16", "onnxruntime, one thread", 8)
    assert view["reference"]["name"] == "a.onnx" and view["median_ms"] > 0.0
    ended = nas("latency", "a.onnx", "--device", "cpu")
    assert ended.code == 2 and "runs in onnxruntime" in ended.err
    ended = nas("latency", "a.onnx", "--reference", "mobilenet_v2_1_0_22")
    assert ended.code == 3 and "mobilenet_v2_1_0_224" in ended.err, ended.err


def test_an_onnx_file_that_does_not_run_is_refused(nas: Nas, files: Path) -> None:
    (files / "broken.onnx").write_bytes((files / "a.onnx").read_bytes()[:200])
    (files / "empty.onnx").write_bytes(b"")
    for name in ("broken.onnx", "empty.onnx", "absent.onnx"):
        ended = nas("latency", name, "--reference", "a.onnx")
        assert ended.code == 3 and f"got '{name}'" in ended.err and "Traceback" not in ended.err, ended.err


def test_a_table_is_written_once_and_read_back(nas: Nas, folder: Path) -> None:
    command = "latency table --space tests.fakes.searches:Tiny --data digits --resolution 8 --out table.json"
    view = parsed(nas, command)
    table = read_table(folder / "table.json")
    assert view["operators"] == len(table.times_ms) and view["networks"] == table.error.num_networks == 12
    assert view["mean_error"] == pytest.approx(table.error.mean_share)
    assert view["mean_error"] <= view["largest_error"] == pytest.approx(table.error.max_share)
    space = Tiny(resolution=8, num_classes=10, input_channels=1)
    predicted = [table.latency_ms(space.decode(point)) for point in space.points()]
    assert min(predicted) >= 0.0 and max(predicted) > 0.0
    again = nas(*command.split())
    assert again.code == 4 and "must be new, got 'table.json'" in again.err


def test_a_network_explains_what_it_sees(nas: Nas, files: Path) -> None:
    for name in ("one.png", "two.png"):
        Image.new("L", (20, 20), 90).save(files / name)
    command = "explain a.json one.png two.png --weights a.safetensors --data digits --resolution 8 --out seen"
    rows = parsed(nas, command)
    assert [row["image"] for row in rows] == ["one.png", "two.png"]
    assert all(Path(row["file"]).suffix == ".png" and Path(row["file"]).is_file() for row in rows)
    assert {row["method"] for row in rows} == {"cam"}
    assert {row["predicted"] for row in rows} <= set("0123456789")
    assert nas(*command.split()).code == 4
    [row] = parsed(nas, f"{command.replace(' two.png', '')} --stage 0 --class 7 --force")
    assert (row["method"], row["shown"]) == ("grad-cam", "7")
    wrong = nas(*command.replace("one.png", "absent.png").split(), "--force")
    assert wrong.code in (2, 3) and "absent.png" in wrong.err
