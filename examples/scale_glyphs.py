"""A scaling rule from real trainings: a small network on `glyphs` is fitted, grown, and grown by single dimensions too.

    python examples/scale_glyphs.py

takes some hours of one core, so it may be stopped at any time and goes on when it is started again. The rows that it
writes to `scale-out/rows.json` were kept as `benchmarks/data/glyphs_scaling.json`.
"""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import sys
import time
from pathlib import Path

from nas import adopt, fit, grow, make_settings
from nas.stages.arms import Watch
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


if __name__ == "__main__":
    main()
