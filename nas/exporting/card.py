"""The model card: where a network comes from, how good it is and on what, what it costs, how to make it again.

Once as JSON and once as Markdown; a folder for a model hub gets the Markdown with its header.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from nas.evaluation.data import Dataset
from nas.evaluation.scores import wilson_interval
from nas.exporting.checking import Check
from nas.exporting.folder import CARD_JSON
from nas.exporting.formats import Files
from nas.exporting.libraries import versions
from nas.exporting.lineage import LINEAGE
from nas.exporting.network import Network
from nas.exporting.reproducing import training_command
from nas.exporting.subject import Subject
from nas.settings import DataSettings
from runs.owner import code_version
from search_space import cost

HUB = "hf/"
CARD, HUB_CARD = "README.md", f"{HUB}README.md"
MACS = "multiply-adds of convolutions and linear layers for one image, the papers' FLOPs; nothing else counts"
# What is told of the training that gave the weights (their sha256).
ORIGIN = (
    "study",
    "trial",
    "runs",
    "space",
    "study_seed",
    "seed",
    "trainings",
    "started",
    "ended",
    "host",
    "weights",
)


def card_files(
    subject: Subject,
    network: Network,
    dataset: Dataset | None,
    checks: Sequence[Check],
    formats: Sequence[str],
    not_run: Mapping[str, str],
) -> Files:
    """Returns the card's files.

    Args:
        subject: what was exported.
        network: as it was written.
        dataset: its data, where they could be had.
        checks: how each export compares with it.
        formats: that were written.
        not_run: why, by path of what could not be compared.
    """
    card = model_card(subject, network, dataset, checks)
    card |= {"formats": list(formats), "not_run": dict(not_run)}
    text = markdown(card)
    files = {CARD_JSON: (json.dumps(card, indent=2) + "\n").encode(), CARD: text.encode()}
    return files | (
        {HUB_CARD: (hub_header(card) + markdown(_hub_part(card))).encode()} if "hf" in formats else {}
    )


def _hub_part(card: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a card of what lies in the hub's folder alone, by its paths there."""
    inside = [one for one in card["exports"] if one["path"].startswith(HUB)]
    return {
        **card,
        "exports": [one | {"path": one["path"].removeprefix(HUB)} for one in inside],
        "not_run": {
            path.removeprefix(HUB): why for path, why in card["not_run"].items() if path.startswith(HUB)
        },
    }


def model_card(
    subject: Subject, network: Network, dataset: Dataset | None, checks: Sequence[Check]
) -> dict[str, Any]:
    """Returns the card as plain values; what is not known is None."""
    total, splits = cost(network.architecture), _splits(subject, dataset)
    lineage = dict(subject.lineage) | ({"splits": splits} if subject.lineage else {})
    side, channels = network.architecture.resolution, network.architecture.input_channels
    return {
        "name": network.name,
        "digest": network.architecture.digest,
        "trained": network.trained,
        "input": {
            "shape": [channels, side, side],
            "preprocessing": network.preprocessing.to_dict() if network.preprocessing else None,
        },
        "num_classes": network.architecture.num_classes,
        "origin": {key: lineage.get(key) for key in ORIGIN},
        "data": _data(subject, dataset) | {"splits": splits},
        "training": {key: lineage.get(key) for key in ("recipe", "fidelity", "seconds")},
        "accuracy": _accuracies(lineage, checks),
        "costs": {
            "macs": total.macs,
            "macs_convention": MACS,
            "params": total.params,
            "activations": total.activations,
            "peak_memory_bytes": total.peak_memory_bytes,
            "latency_ms": (lineage.get("metrics") or {}).get("latency_ms"),
        },
        "scaling": _scaling(lineage),
        "exports": [
            {
                "path": check.path,
                "variant": check.variant or None,
                "max_abs_difference": check.max_abs_difference,
                "top1_agreement": check.top1_agreement,
                "num_images": check.num_random + check.num_real,
                "accuracy": check.accuracy,
                "accuracy_change": check.accuracy_change,
            }
            for check in checks
        ],
        "code": {"trained_with": lineage.get("code_version"), "exported_with": code_version()},
        "libraries": {
            "trained_with": (lineage.get("settings") or {}).get("versions"),
            "exported_with": versions(),
        },
        "command": training_command(lineage),
        LINEAGE: lineage,
    }


def markdown(card: Mapping[str, Any]) -> str:
    """Returns the card for people."""
    origin, costs, data = card["origin"], card["costs"], card["data"]
    about = (
        f"Found by study `{origin['study']}`, trial {origin['trial']}."
        if origin["study"]
        else "A network that no study of this ledger found."
    )
    rows = [
        ("input", " × ".join(map(str, card["input"]["shape"]))),
        ("classes", str(card["num_classes"])),
        ("parameters", f"{costs['params']:,}"),
        ("MACs", f"{costs['macs']:,} ({costs['macs_convention']})"),
        (
            "peak memory",
            f"{costs['peak_memory_bytes']:,} bytes of maps in float32, one image, without weights",
        ),
        ("latency", _shown(costs["latency_ms"], " ms, where it was trained")),
        ("architecture (sha256)", f"`{card['digest']}`"),
    ]
    text = [f"# {card['name']}", "", about if card["trained"] else f"{about} **Untrained.**", ""]
    text += _table(("", ""), rows)
    text += ["", "## Accuracy", ""] + (_accuracy_lines(card["accuracy"]) or ["Not measured."])
    text += ["", "## Data", "", *_data_lines(data)]
    training = _nested(
        {
            "seed": origin["seed"],
            "study seed": origin["study_seed"],
            "trainings of this network": _trainings(origin["trainings"] or ()),
            "runs": ", ".join(origin["runs"] or ()) or None,
            **card["training"],
        }
    )
    text += ["", "## Training", "", *training] if training else []
    if card["scaling"]:
        text += ["", "## Scaling", "", *_scaling_lines(card["scaling"])]
    text += [
        "",
        "## Exports",
        "",
        "Each was run in a process without this project and compared with the source.",
    ]
    text += ["", *_export_rows(card["exports"])] if card["exports"] else ["", "None that runs."]
    left_out = [f"- `{path}`: {_cell(why)}" for path, why in card.get("not_run", {}).items()]
    text += ["", *left_out] if left_out else []
    text += ["", "## Made with", "", *_nested(card["code"])]
    text += _nested({f"libraries {key}": value for key, value in card["libraries"].items()})
    text += ["", "```", card["command"], "```"] if card["command"] else []
    return "\n".join(text) + "\n"


def hub_header(card: Mapping[str, Any]) -> str:
    """Returns the YAML header of a hub's model card; every value is written as JSON, which YAML contains."""
    metrics = [
        {
            "type": "accuracy",
            "value": one["value"],
            "name": f"{one['split']} accuracy, n = {one['num_images']}",
        }
        for one in card["accuracy"]
    ]
    name = card["data"]["name"] or "unknown"
    header: dict[str, Any] = {
        "library_name": "pytorch",
        "pipeline_tag": "image-classification",
        "tags": ["image-classification", "neural-architecture-search", "safetensors"],
    }
    if metrics:
        task = {"type": "image-classification"}
        result = {"task": task, "dataset": {"name": name, "type": name}, "metrics": metrics}
        header["model-index"] = [{"name": card["name"], "results": [result]}]
    return "---\n" + "".join(f"{key}: {json.dumps(value)}\n" for key, value in header.items()) + "---\n\n"


def _data(subject: Subject, dataset: Dataset | None) -> dict[str, Any]:
    settings = subject.data or _stored_data(subject.lineage)
    return {
        "name": None if settings is None else settings.name.partition(":")[0],
        "settings": None if settings is None else settings.model_dump(exclude={"name"}),
        "fingerprint": dataset.fingerprint if dataset else subject.lineage.get("fingerprint"),
    }


def _stored_data(lineage: Mapping[str, Any]) -> DataSettings | None:
    """Returns the data that a lineage names; None where it names none, or in words that this version does not know."""
    try:
        return DataSettings.model_validate(lineage["settings"]["data"])
    except (KeyError, TypeError, ValidationError):
        return None


def _splits(subject: Subject, dataset: Dataset | None) -> dict[str, int] | None:
    """Returns how many images are in each split: of the data at hand, or as an earlier export tells."""
    if dataset is None:
        return subject.lineage.get("splits")
    return {"train": len(dataset.train), "validation": len(dataset.validation), "test": dataset.num_test}


def _accuracies(lineage: Mapping[str, Any], checks: Sequence[Check]) -> list[dict[str, Any]]:
    """Returns every accuracy that was measured, with its 95 % interval where the number of images is known."""
    found = []
    reported = (lineage.get("metrics") or {}).get("accuracy")
    if reported is not None:
        count = (lineage.get("splits") or {}).get("validation")
        found.append(_accuracy("validation, by the search", reported, count))
    again = next((check for check in checks if check.source_accuracy is not None), None)
    if again is not None and again.source_accuracy is not None:
        found.append(_accuracy("validation, when exported", again.source_accuracy, again.num_real))
    return found


def _accuracy(split: str, value: float, count: int | None) -> dict[str, Any]:
    low, high = wilson_interval(round(value * count), count) if count else (None, None)
    return {"split": split, "value": value, "low": low, "high": high, "num_images": count}


def _scaling(lineage: Mapping[str, Any]) -> dict[str, Any] | None:
    """Returns how a member of a family was grown, and its accuracy as forecast and as observed."""
    if not lineage.get("scaling"):
        return None
    told = dict(lineage["scaling"])
    expected, observed = told["expected"], (lineage.get("metrics") or {}).get("accuracy")
    is_known = expected is not None and observed is not None
    inside = expected["low"] <= observed <= expected["high"] if is_known else None
    return told | {"observed": observed, "inside": inside}


def _trainings(trainings: Sequence[Mapping[str, Any]]) -> str | None:
    """Returns each training's seed and accuracy; None where there was but one."""
    if len(trainings) < 2:
        return None
    return ", ".join(f"seed {one['seed']}: accuracy {one['accuracy']:.4f}" for one in trainings)


def _shown(value: float | None, unit: str) -> str:
    return "not measured" if value is None else f"{value:.3g}{unit}"


def _table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    lines = [header, tuple("---" for _ in header), *rows]
    return [f"| {' | '.join(_cell(cell) for cell in row)} |" for row in lines]


def _cell(text: str) -> str:
    """Returns a text that cannot end its cell, nor be read as HTML."""
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


def _accuracy_lines(accuracies: Sequence[Mapping[str, Any]]) -> list[str]:
    lines = []
    for one in accuracies:
        interval = f" (95 %: {one['low']:.4f} to {one['high']:.4f})" if one["low"] is not None else ""
        lines.append(f"- {one['split']}: {one['value']:.4f}{interval}, n = {one['num_images'] or 'unknown'}")
    return lines


def _data_lines(data: Mapping[str, Any]) -> list[str]:
    if data["name"] is None:
        return ["Not known."]
    splits = data["splits"] or {}
    counts = ", ".join(f"{count:,} {name}" for name, count in splits.items()) or "not at hand"
    settings = ", ".join(
        f"{key} {value}" for key, value in (data["settings"] or {}).items() if value is not None
    )
    return [
        f"- {_cell(data['name'])}: {counts}",
        f"- fingerprint `{data['fingerprint']}`",
        f"- {_cell(settings)}",
    ]


def _scaling_lines(scaling: Mapping[str, Any]) -> list[str]:
    factors = ", ".join(
        f"{name} {scaling[name]:.4g}" for name in ("depth", "width", "resolution") if scaling.get(name)
    )
    lines = [
        f"- rule {_cell(str(scaling['rule']))}, {_cell(str(scaling['size']))}: {factors} times the baseline",
        f"- {_cell(scaling['equation'])}",
    ]
    lines += [
        f"- {_cell(one['name'])} {one['value']:.3f} (95 %: {_bound(one['low'])} to {_bound(one['high'])})"
        for one in scaling["parameters"]
    ]
    lines += [f"- {_cell(scaling['verdict'])}"] if scaling.get("verdict") else []
    expected, observed = scaling["expected"], scaling["observed"]
    if expected is None:
        return [*lines, "- no accuracy was forecast"]
    interval = f"{expected['low']:.4f} to {expected['high']:.4f}"
    lines.append(f"- accuracy forecast before the training: {expected['accuracy']:.4f} (95 %: {interval})")
    if observed is not None:
        place = "inside" if scaling["inside"] else "outside"
        lines.append(f"- accuracy observed: {observed:.4f}, {place} the interval")
    return lines


def _bound(value: float | None) -> str:
    return "no bound" if value is None else f"{value:.3f}"


def _export_rows(exports: Sequence[Mapping[str, Any]]) -> list[str]:
    rows = [
        (
            f"`{one['path']}`",
            f"{one['max_abs_difference']:.2g}",
            f"{one['top1_agreement']:.2%}",
            "" if one["accuracy"] is None else f"{one['accuracy']:.4f} ({one['accuracy_change']:+.4f})",
        )
        for one in exports
    ]
    return _table(("file", "largest difference", "same class", "validation accuracy"), rows)


def _nested(values: Mapping[str, Any]) -> list[str]:
    """Returns a line for each value that is known."""
    lines = []
    for key, value in values.items():
        if value is None:
            continue
        if isinstance(value, Mapping):
            value = ", ".join(f"{name} {item}" for name, item in value.items() if item is not None)
        lines.append(f"- {key.replace('_', ' ')}: {_cell(str(value))}")
    return lines
