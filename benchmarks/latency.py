"""How far a table of latencies is from whole networks, and what eight bits gain and lose on this machine.

The table is that of `nas latency table --space mnasnet --width 0.5 --resolution 32 --data digits`; its error on
networks that it was not fitted to stands beside what the same networks differ by when timed twice. The variants are
those of `nas export --variants fp16,int8` of a network that a search of one trial has just trained, timed in turns in
onnxruntime.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks.row import Row
from nas.evaluation.data import load
from nas.evaluation.latency import latencies, one_thread
from nas.evaluation.latency_table import latency_table
from nas.exporting.packaging import Wanted, export
from nas.exporting.running import timed_file
from nas.exporting.subject import Subject
from nas.exporting.subjects import subject_of_trial
from nas.settings import make_settings
from nas.stages.preparation import make_space
from nas.stages.search import search

NAME = "latency"

DATA = {"name": "digits", "resolution": 32}
VARIANTS = ("fp16", "int8")
EPOCHS = 10  # of the one training


def run() -> list[Row]:
    """Returns rows about the table, then about each variant."""
    with tempfile.TemporaryDirectory(prefix="nas-bench-") as folder:
        return [*table_rows(), *variant_rows(_trained(Path(folder)), Path(folder) / "out")]


def table_rows() -> list[Row]:
    """Returns the mean and the largest error of the table, and its rank correlation."""
    settings = make_settings({"search": {"space": "mnasnet", "width": 0.5}, "data": DATA})
    table = latency_table(make_space(settings, load(settings.data)))
    error, count = table.error, len(table.times_ms)
    mean, largest, again = (
        100.0 * (one or 0.0) for one in (error.mean_share, error.max_share, error.repeat_share)
    )
    what = f"mnasnet, width 0.5, 32 pixels: {count} operators, {error.num_networks} networks"
    return [
        Row(
            f"{what}: mean error (peer: the same networks timed twice)",
            mean,
            again,
            mean / again,
            None,
            None,
            "%",
        ),
        Row(f"{what}: largest error (peer: the mean)", largest, mean, largest / mean, None, None, "%"),
        Row(
            f"{what}: rank correlation with measurements (peer: the best that can be)",
            error.rank_correlation,
            1.0,
            error.rank_correlation,
            None,
            None,
        ),
    ]


def variant_rows(subject: Subject, out: Path) -> list[Row]:
    """Returns for each variant its latency and its validation accuracy beside float32's."""
    manifest = export(subject, Wanted(("onnx",), VARIANTS, max_drop=1.0), out)
    checks = {check.variant: check for check in manifest.checks}
    passes = {word: timed_file(out / check.path, 1).run for word, check in checks.items()}
    with one_thread():
        taken = latencies(passes)
    rows, full = [], taken[""].median_ms
    for word in VARIANTS:
        quick, check = taken[word].median_ms, checks[word]
        correct, source = check.accuracy or 0.0, check.source_accuracy or 0.0
        title = f"{word}, one image of 32 pixels, onnxruntime on one thread"
        rows += [
            Row(
                f"{title} (peer: float32; ratio: times quicker)",
                quick,
                full,
                full / quick,
                None,
                None,
                "ms",
            ),
            Row(
                f"{word}: accuracy on {check.num_real} validation images (peer: float32; ratio: kept)",
                100.0 * correct,
                100.0 * source,
                correct / source,
                None,
                None,
                "%",
            ),
        ]
    return rows


def _trained(folder: Path) -> Subject:
    """Returns the network of a search of one trial."""
    url = f"sqlite:///{folder}/nas.db"
    chosen = {
        "storage": url,
        "study": "one",
        "trials": 1,
        "strategy": "random",
        "pruning": "none",
        "repeats": 0,
    }
    search(
        make_settings(
            {
                "search": chosen | {"target": 5e6, "executor": "inline"},
                "data": DATA,
                "fidelity": {"epochs": EPOCHS},
            }
        )
    )
    return subject_of_trial("one", None, storage=url)
