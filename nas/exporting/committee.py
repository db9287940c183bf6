"""Several networks as one folder with a small program that asks them, the cheapest first.

Each member is a whole export in a folder of its own; `predict.py` and `committee.json` lie above them.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from nas.evaluation.data import Dataset
from nas.evaluation.pictures import resampled
from nas.evaluation.scores import wilson_interval
from nas.exporting.checking import Check, compared, predict_source, scores_from
from nas.exporting.errors import ExportDiffers, ExportError
from nas.exporting.folder import MANIFEST, Entry, Manifest, new_folder, write_files
from nas.exporting.formats import Runnable
from nas.exporting.images import MAX_REAL, scores_of
from nas.exporting.libraries import versions
from nas.exporting.network import EXACT, Network, network_of
from nas.exporting.noting import note
from nas.exporting.packaging import Wanted, Watch, data_of, write_export
from nas.exporting.predict import mean_of, softmax
from nas.exporting.reference import REFERENCE, Reference
from nas.exporting.subject import Subject
from search_space import cost

PROGRAM, FACTS, CARD = "predict.py", "committee.json", "README.md"
NEVER = 2.0  # a threshold that no probability reaches: all networks are asked
MIN_AGREEMENT = 0.99  # share of images with the same class; sums of another order may cross the threshold
_REFERENCES = 16

Mean = Literal["geometric", "arithmetic"]


@dataclass(frozen=True, slots=True)
class Rule:
    """How a committee decides.

    Args:
        threshold: probability at which the next network is not asked any more; above 1 all are.
        mean: of the predictions so far.
    """

    threshold: float = NEVER
    mean: Mean = "geometric"


@dataclass(frozen=True, slots=True)
class _Answer:
    """What a committee says of images, and what that cost."""

    probabilities: NDArray[np.float64]  # [images, classes]
    asked: NDArray[np.int64]  # networks, by image


def export_committee(
    subjects: Sequence[Subject],
    rule: Rule,
    wanted: Wanted,
    out: Path,
    *,
    force: bool = False,
    watch: Watch = lambda text: None,
) -> Manifest:
    """Writes a committee into a new folder; its program is run without this project, and compared.

    Args:
        subjects: at least two trained networks for the same data.
        rule: when it stops asking.
        wanted: formats of each member; `onnx`, which the program runs, must be among them.
        out: the folder.
        force: replace an earlier export there.
        watch: is told what is being done.

    Raises:
        ExportError: there are fewer than two, they have no data or not the same, or `onnx` is missing.
        ExportDiffers: the program does not say what the networks do.
    """
    if len({subject.name for subject in subjects}) < 2 or len({s.name for s in subjects}) < len(subjects):
        names = ", ".join(subject.name for subject in subjects)
        raise ExportError(
            f"a committee must have two networks or more, all different, got {names}; name others"
        )
    if "onnx" not in wanted.formats:
        raise ExportError(
            f"a committee's program needs onnx, got {', '.join(wanted.formats)}; add onnx to --to"
        )
    dataset = _common_data(subjects, watch)
    ready = [(network_of(subject, dataset), subject) for subject in subjects]
    ready.sort(key=lambda pair: cost(pair[0].architecture).macs)
    networks = [network for network, _ in ready]
    inputs = [path for subject in subjects for path in subject.files]
    with new_folder(out, "committee", force=force, inputs=inputs) as folder:
        files: list[Entry] = []
        for _, subject in ready:
            watch(f"member {subject.name}")
            written = write_export(subject, wanted, folder / subject.name, watch)
            files += [replace(entry, path=f"{subject.name}/{entry.path}") for entry in written.files]
            files.append(_entry_of(folder, f"{subject.name}/{MANIFEST}"))
        levels, labels = _images(dataset)
        expected = answer(networks, levels, rule)
        facts = _facts(networks, rule, dataset)
        files += write_files(folder, {PROGRAM: predict_source(), FACTS: _json(facts)})
        runnable = Runnable(PROGRAM, "with_predict")
        watch(f"running {PROGRAM} in a process of its own on {len(levels)} images")
        said = scores_from(runnable, folder, levels, {})
        check = _checked(runnable, said, expected, labels)
        few = slice(None, _REFERENCES)
        stored = Reference(levels[few], _columns(expected)[few], {})
        files += write_files(
            folder,
            {
                REFERENCE: stored.to_bytes(),
                CARD: _card(networks, rule, check, expected).encode(),
            },
        )
        manifest = Manifest(
            kind="committee",
            name=out.name,
            architecture="",
            created=time.time(),
            versions=versions(),
            files=tuple(files),
            runnables=(runnable,),
            checks=(check,),
            max_drop=wanted.max_drop,
            not_run={},
        )
        write_files(folder, {MANIFEST: manifest.to_json().encode()})
    note(subjects, manifest, wanted.words, str(out), watch)
    return manifest


def answer(networks: Sequence[Network], levels: NDArray[np.uint8], rule: Rule) -> _Answer:
    """Returns what the source modules say together of images: all are asked, and what is not needed is dropped."""
    votes = np.stack([_votes(network, levels) for network in networks])
    means = np.stack([mean_of(votes[:count], rule.mean) for count in range(1, len(networks) + 1)])
    sure = means.max(2) >= rule.threshold
    sure[-1] = True
    last = sure.argmax(0)
    return _Answer(means[last, np.arange(len(levels))], last + 1)


def _votes(network: Network, levels: NDArray[np.uint8]) -> NDArray[np.float64]:
    known = network.preprocessing
    assert known is not None, "members of a committee have data"
    mean, std = (np.array(values, dtype=np.float32)[:, None, None] for values in (known.mean, known.std))
    inputs = (resampled(levels, known.resolution).astype(np.float32) / 255.0 - mean) / std
    return softmax(scores_of(network, np.ascontiguousarray(inputs)))


def _common_data(subjects: Sequence[Subject], watch: Watch) -> Dataset:
    found = {subject.name: data_of(subject, watch) for subject in subjects}
    datasets = [dataset for dataset in found.values() if dataset is not None]
    if len(datasets) < len(found) or any(subject.weights is None for subject in subjects):
        raise ExportError(
            "a committee must have trained networks and their data, got one without; name others"
        )
    if len({dataset.fingerprint for dataset in datasets}) > 1:
        raise ExportError(
            "a committee's networks must be for the same data, got several fingerprints; name others"
        )
    return datasets[0]


def _images(dataset: Dataset) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    order = np.sort(np.random.default_rng(0).permutation(len(dataset.validation))[:MAX_REAL])
    return np.asarray(dataset.validation.images[order]), dataset.validation.labels[order]


def _facts(networks: Sequence[Network], rule: Rule, dataset: Dataset) -> dict[str, Any]:
    members = []
    for network in networks:
        assert network.preprocessing is not None
        known = network.preprocessing.to_dict()
        known.pop("classes")
        members.append(
            {"path": f"{network.name}/{network.name}.onnx", "macs": cost(network.architecture).macs} | known
        )
    return {
        "format": 1,
        **asdict(rule),
        "classes": list(dataset.classes),
        "channels": dataset.input_channels,
        "resolution": dataset.resolution,
        "members": members,
    }


def _checked(
    runnable: Runnable, said: NDArray[np.float32], expected: _Answer, labels: NDArray[np.int64]
) -> Check:
    """Returns how the program compares; images on which sums of another order crossed the threshold are counted out."""
    wanted = _columns(expected)
    if said.shape != wanted.shape:
        raise ExportDiffers(f"{PROGRAM} must give {wanted.shape}, got {said.shape}; report it")
    same = said[:, -1] == wanted[:, -1]
    check = compared(runnable, said[same, :-1], wanted[same, :-1], tolerance=EXACT, labels=labels[same])
    if same.mean() < MIN_AGREEMENT:
        raise ExportDiffers(
            f"{PROGRAM} must ask as many networks as its source, got {same.mean():.1%} of the images alike;"
            " nothing was kept: report it"
        )
    check.require_close(max_drop=1.0)
    return check


def _columns(found: _Answer) -> NDArray[np.float32]:
    return np.concatenate([found.probabilities, found.asked[:, None]], axis=1).astype(np.float32)


def _card(networks: Sequence[Network], rule: Rule, check: Check, expected: _Answer) -> str:
    macs = np.cumsum([cost(network.architecture).macs for network in networks])
    rows = [
        f"| `{network.name}` | {cost(network.architecture).macs:,} | {float((expected.asked > place).mean()):.1%} |"
        for place, network in enumerate(networks)
    ]
    accuracy = check.source_accuracy or 0.0
    low, high = wilson_interval(round(accuracy * check.num_real), check.num_real)
    stops = f"at a probability of {rule.threshold:g}" if rule.threshold <= 1 else "never"
    return (
        "\n".join(
            [
                "# A committee",
                "",
                f"`python predict.py IMAGE...` asks {len(networks)} networks, the cheapest first; it stops {stops}.",
                f"Predictions so far are averaged ({rule.mean} mean).",
                "",
                "| member | MACs | asked for |",
                "| --- | --- | --- |",
                *rows,
                "",
                f"- validation accuracy {accuracy:.4f} (95 %: {low:.4f} to {high:.4f}), n = {check.num_real}",
                f"- {float(macs[expected.asked - 1].mean()):,.0f} MACs an image on average; all members: {macs[-1]:,}",
                f"- run without this project; largest difference of a probability {check.max_abs_difference:.1e}",
            ]
        )
        + "\n"
    )


def _entry_of(folder: Path, path: str) -> Entry:
    [entry] = write_files(folder, {path: (folder / path).read_bytes()})
    return entry


def _json(values: dict[str, Any]) -> bytes:
    return (json.dumps(values, indent=2, allow_nan=False) + "\n").encode()
