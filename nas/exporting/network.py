"""A subject made ready for writing: its tensors, its torch module, and what it expects of images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import safetensors.torch
import torch
from torch import fx

from nas.evaluation.data import Dataset
from nas.exporting.errors import ExportDiffers, ExportError
from nas.exporting.reproducing import training_command
from nas.exporting.subject import Subject
from search_space import Architecture
from search_space.build import build
from search_space.condensing import CondensingError, converted, is_learned
from search_space.export.preprocessing import SMALLEST_STD, Preprocessing
from search_space.weights import WeightsError, load_weights

UNTRAINED_SEED = 0
NUM_COMPARED = 8  # random images on which a test-time form is compared
EXACT = 1e-4  # share of the largest score that two orders of the same float32 sums may differ by
SMALLEST_SCORE = 1e-2  # below it, differences are compared with this instead of the largest score


@dataclass(frozen=True)  # no slots: the module is built once
class Network:
    """What is written into files.

    Args:
        name: of the files.
        architecture: without auxiliary classifiers.
        tensors: all parameters and buffers by our names.
        trained: whether they were learnt; otherwise they are drawn from seed 0.
        preprocessing: None where the data are not known.
        notes: lines about where it comes from.
    """

    name: str
    architecture: Architecture
    tensors: Mapping[str, torch.Tensor]
    trained: bool
    preprocessing: Preprocessing | None = None
    notes: tuple[str, ...] = ()

    @cached_property
    def module(self) -> fx.GraphModule:
        """The network in evaluation mode, on the CPU."""
        module = load_weights(self.architecture, self.tensors)
        module.eval()
        return module


def network_of(subject: Subject, dataset: Dataset | None = None) -> Network:
    """Returns a subject ready for writing: without what only its training needed.

    A CondenseNet whose groups are learned becomes its test-time form, of index layers and ordinary group convolutions.

    Args:
        subject: what is exported; without weights it gets fresh ones from seed 0.
        dataset: its data, where they can be had.

    Raises:
        ExportError: the weights are another network's, or the data do not fit.
        ExportDiffers: the test-time form does not give the trained network's scores.
    """
    trained = Network(
        name=subject.name,
        architecture=subject.architecture,
        tensors=_tensors(subject),
        trained=subject.weights is not None,
        preprocessing=preprocessing_of(subject.architecture, dataset) if dataset else subject.preprocessing,
        notes=notes_of(subject),
    )
    return _for_use(trained) if is_learned(subject.architecture) else trained


def preprocessing_of(architecture: Architecture, dataset: Dataset) -> Preprocessing:
    """Returns what a network that was trained on a data set expects of images."""
    std = tuple(max(value, SMALLEST_STD) for value in dataset.std)
    return Preprocessing(architecture.resolution, tuple(dataset.mean), std, dataset.classes)


def notes_of(subject: Subject) -> tuple[str, ...]:
    """Returns the lines of a file's docstring about where its network comes from; the card tells the rest."""
    lineage = subject.lineage
    notes = [f"Found by study {lineage['study']}, trial {lineage['trial']}."] if lineage else []
    if not subject.weights:
        return (*notes, "Untrained: its weights are drawn from seed 0.")
    if lineage:
        notes += [
            *_trained(lineage),
            *(f"Trained by: {command}" for command in [training_command(lineage)] if command),
        ]
    return tuple(notes)


def _trained(lineage: Mapping[str, Any]) -> list[str]:
    """Returns a line about data and outcome of a training, as far as they are known."""
    fidelity, data = lineage.get("fidelity") or {}, (lineage.get("settings") or {}).get("data") or {}
    accuracy = (lineage.get("metrics") or {}).get("accuracy")
    known = {
        "data": data.get("name"),
        "fingerprint": lineage.get("fingerprint"),
        "epochs": fidelity.get("epochs"),
        "seed": lineage.get("seed"),
        "validation accuracy": None if accuracy is None else f"{accuracy:.4f}",
    }
    told = ", ".join(f"{name} {value}" for name, value in known.items() if value is not None)
    return [f"Training: {told}."] if told else []


def _for_use(trained: Network) -> Network:
    """Returns a CondenseNet's test-time form, compared; one that was not condensed to the end stays as it is."""
    try:
        architecture, module = converted(trained.architecture, trained.tensors)
    except CondensingError:
        return replace(
            trained, notes=(*trained.notes, "Not condensed: its groups were not learned to the end.")
        )
    used = replace(
        trained,
        architecture=architecture,
        tensors=dict(module.state_dict()),
        notes=(*trained.notes, f"Condensed from the architecture {trained.architecture.digest}."),
    )
    side, channels = architecture.resolution, architecture.input_channels
    images = torch.randn((NUM_COMPARED, channels, side, side), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        expected, got = trained.module(images), used.module(images)
    difference, largest = float((got - expected).abs().max()), float(expected.abs().max())
    if not difference <= EXACT * max(largest, SMALLEST_SCORE):
        raise ExportDiffers(
            f"the condensed network must give the scores of the trained one, got a difference of {difference:.3g};"
            " nothing was kept: report it"
        )
    return used


def _tensors(subject: Subject) -> dict[str, torch.Tensor]:
    if subject.weights is None:
        fresh = build(subject.architecture, seed=UNTRAINED_SEED, zero_init_residual=False)
        return dict(fresh.state_dict())
    tensors = safetensors.torch.load(subject.weights)
    tensors = {name: _single(tensor) for name, tensor in tensors.items()}
    try:
        load_weights(subject.architecture, tensors)
    except WeightsError as error:
        raise ExportError(str(error)) from None
    return tensors


def _single(tensor: torch.Tensor) -> torch.Tensor:
    """Returns reals in float32: files of half precision are read too."""
    return tensor.float() if tensor.is_floating_point() else tensor
