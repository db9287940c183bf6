"""A scaling rule from real trainings: a small network on `glyphs` is fitted, grown, and grown by single dimensions too.

    python examples/scale_glyphs.py

takes some hours of one core, so it may be stopped at any time and goes on when it is started again. The rows that it
writes to `scale-out/rows.json` were kept as `benchmarks/data/glyphs_scaling.json`. What today's code makes of them,
without a training:

    python examples/scale_glyphs.py --refit benchmarks/data/glyphs_scaling.json
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import platform
import sys
import time
from pathlib import Path
from typing import Any

from nas import adopt, fit, grow, make_settings
from nas.stages.arms import Watch
from nas.stages.baseline import Baseline
from nas.stages.forecast import Forecast, forecast
from scaling_rules import Member, RuleFit, ScaledPoint, fit_rule
from search_space import Architecture, Stage
from search_space.blocks import ClassifierOptions, MBConvOptions, StemOptions

FOLDER = Path("scale-out")
SETTINGS = {
    "search": {"study": "glyphs", "storage": f"sqlite:///{FOLDER / 'nas.db'}"},
    # served large enough for every network, so that the images are rendered once
    "data": {"name": "glyphs", "resolution": 48, "num_samples": 8_000},
    "recipe": {"batch_size": 64},
    "fidelity": {"epochs": 6},
    "fit": {"budget": 48, "seeds": 3, "largest": 6.0, "divisor": 4},
    # the same recipe and as many epochs for every size, so that only the size differs from what was fitted
    "grow": {
        "rule": ["compound", "width", "depth", "resolution"],
        "macs": ["1M", "2M"],
        "epochs": 6,
        "seeds": 2,
        "dropout_step": 0.0,
    },
}
BASELINE = Architecture(
    resolution=16,
    stem=Stage("stem", 1, 8, 1, StemOptions()),
    stages=(
        Stage("mbconv", 2, 12, 2, MBConvOptions(expansion=3)),
        Stage("mbconv", 2, 16, 2, MBConvOptions(expansion=3)),
        Stage("mbconv", 2, 24, 1, MBConvOptions(expansion=3)),
    ),
    head=Stage("classifier", 1, 0, 1, ClassifierOptions()),
)


def main() -> None:
    """Measures, fits, grows, and writes what was found."""
    FOLDER.mkdir(exist_ok=True)
    settings = make_settings(SETTINGS)
    begun, watch = time.time(), Watch(plan=lambda text: print(text, file=sys.stderr, flush=True))
    study = adopt(BASELINE, settings, name="six blocks")
    found = fit(study, storage=settings.search.storage, watch=watch)
    print(found.fit)
    sizes = {"grow": settings.grow}  # which may have changed since the study was made
    grown = grow(
        study,
        storage=settings.search.storage,
        watch=watch,
        changes=lambda stored: stored.model_copy(update=sizes),
    )
    rows = {
        "command": "python examples/scale_glyphs.py",
        "date": time.strftime("%Y-%m-%d", time.gmtime(begun)),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, no GPU",
        "settings": SETTINGS,
        "baseline": json.loads(BASELINE.to_json()),
        "device_seconds": {"fit": round(found.device_seconds), "grow": round(grown.device_seconds)},
        "fit": json.loads(found.fit.to_json()) if found.fit else None,
        "members": [dataclasses.asdict(one) for one in grown.members],
        "committees": [dataclasses.asdict(one) for one in grown.committees],
    }
    (FOLDER / "rows.json").write_text(json.dumps(rows, indent=1) + "\n")
    for one in grown.members:
        expected = one.forecast
        print(
            expected.rule,
            expected.size,
            expected.macs,
            expected.accuracy,
            expected.low,
            expected.high,
            one.accuracies,
        )


def refit(rows: dict[str, Any]) -> tuple[RuleFit, list[Forecast]]:
    """Returns the rule that kept points give today, and what it expects of the members that were trained."""
    found = fit_rule([ScaledPoint(**point) for point in rows["fit"]["points"]])
    network = Architecture.from_json(json.dumps(rows["baseline"]))
    of_the_data = dataclasses.replace(network, num_classes=10, input_channels=1)
    baseline = Baseline(of_the_data, "six blocks", rows["settings"]["fit"]["divisor"])
    kept = [one["forecast"] for one in rows["members"]]
    return found, [
        forecast(baseline, one["rule"], one["size"], Member(**one["member"]), found) for one in kept
    ]


def _again(path: Path) -> None:
    rows = json.loads(path.read_text(encoding="utf-8"))
    found, members = refit(rows)
    print(found, f"left: {found.region:.0%} of all rules, noise {found.noise:.4f}", sep="\n")
    for one, trained in zip(members, rows["members"], strict=True):
        inside = sum((one.low or 0.0) <= value <= (one.high or 0.0) for value in trained["accuracies"])
        print(
            f"{one.rule} {one.size}: {one.accuracy:.3f} ({one.low:.3f} to {one.high:.3f}),"
            f" {inside} of {len(trained['accuracies'])} inside"
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--refit", type=Path, metavar="ROWS", help="fit kept rows again, and train nothing")
    asked = parser.parse_args()
    main() if asked.refit is None else _again(asked.refit)
