"""One export of everything, made once: a small network for the digits, with weights of its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from nas.exporting.folder import Manifest
from nas.exporting.packaging import Wanted, export
from nas.exporting.subject import Subject
from nas.exporting.subjects import subject_of
from nas.settings import DataSettings
from search_space import Architecture, Stage
from search_space.blocks import MBConvOptions, SqueezeExcitation
from search_space.weights import save_weights
from tests.search_space.export.networks import lively

DIGITS = DataSettings(name="digits", resolution=8)
NETWORK = Architecture(
    8,
    Stage("stem", 1, 8),
    (Stage("mbconv", 2, 16, 2, MBConvOptions(3, squeeze=SqueezeExcitation())),),
    Stage("classifier", 1, 24),
    num_classes=10,
    input_channels=1,
)
FORMATS = ("json", "python", "safetensors", "onnx", "torch-export", "timm", "graphml", "dot", "hf")
VARIANTS = ("folded", "fp16", "bf16", "int8")


@dataclass(frozen=True)
class Exported:
    """An export that tests read and never change."""

    folder: Path
    manifest: Manifest
    subject: Subject
    told: tuple[str, ...]


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Lets torch compute on one core."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def subject(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    """The network with weights and data."""
    path = tmp_path_factory.mktemp("weights") / "weights.safetensors"
    save_weights(lively(NETWORK), path)
    return subject_of("digits 8", NETWORK, weights=path, data=DIGITS)


@pytest.fixture(scope="session")
def exported(subject: Subject, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """All formats and all variants."""
    folder = tmp_path_factory.mktemp("exports") / "all"
    told: list[str] = []
    wanted = Wanted(FORMATS, VARIANTS, max_drop=0.2)
    manifest = export(subject, wanted, folder, watch=told.append)
    return Exported(folder, manifest, subject, tuple(told))
