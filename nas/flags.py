"""The settings that have a short name: as flags of the commands that spend, as `NAS_NAME` and in messages.

Plain values without imports, because the command line's help is made from them. A test holds names and paths
against the settings themselves.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_PASSWORD_IN_URL = re.compile(r"(?<=://)([^/@:]*):([^/]*)@")
_PASSWORD_IN_QUERY = re.compile(r"((?:^|[?&])[^=&]*password[^=&]*=)[^&]*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Flag:
    """One short name.

    Args:
        name: without dashes, in kebab case.
        path: `table.key` in `nas.toml`.
        metavar: what a value looks like.
        help: one phrase for people.
        group: `What`, `How`, `Budget` or `Where`; the last two may change while a study goes on.
    """

    name: str
    path: str
    metavar: str
    help: str
    group: str

    @property
    def variable(self) -> str:
        """Returns the environment variable of this flag."""
        return "NAS_" + self.name.upper().replace("-", "_")


FLAGS: tuple[Flag, ...] = (
    Flag("space", "search.space", "NAME", "a built-in space, or your own: package.module:Class", "What"),
    Flag("width", "search.width", "FACTOR", "Multiplies the space's channel counts.", "What"),
    Flag("data", "data.name", "NAME", "digits, glyphs, imagefolder:PATH or hf:NAME", "What"),
    Flag("resolution", "data.resolution", "PIXELS", "Side of the square input.", "What"),
    Flag("samples", "data.num_samples", "N", "glyphs: images to render; others: at most so many.", "What"),
    Flag("classes", "data.num_classes", "N", "glyphs: classes to draw.", "What"),
    Flag("reward", "search.reward", "KIND", "soft, hard, absolute or pareto", "How"),
    Flag("target", "search.target", "COST", "The cost aimed at, such as 5M.", "How"),
    Flag("cost", "search.cost", "KIND", "macs, params, peak_memory_bytes or latency_ms", "How"),
    Flag("latency-table", "search.latency_table", "FILE", "Latencies to look up, not to measure.", "How"),
    Flag("max-cost", "search.max_cost", "COST", "Dearer networks are refused untrained.", "How"),
    Flag("strategy", "search.strategy", "NAME", "random, tpe, gp, nsga2, nsga3 or evolution", "How"),
    Flag("pruning", "search.pruning", "NAME", "none, median, halving or hyperband", "How"),
    Flag("control", "search.control", "NAME", "random: also a random search with the same budget.", "How"),
    Flag("repeats", "search.repeats", "N", "Further trainings of each finalist, for the seed noise.", "How"),
    Flag("finalists", "search.finalists", "N", "Best candidates that are trained again.", "How"),
    Flag("epochs", "fidelity.epochs", "N", "Passes over the data for each candidate.", "How"),
    Flag("batch-size", "recipe.batch_size", "N", "Images a step.", "How"),
    Flag("learning-rate", "recipe.learning_rate", "RATE", "Its peak, after warm-up.", "How"),
    Flag("seed", "search.seed", "N", "Of all random choices.", "How"),
    Flag("trials", "search.trials", "N", "Candidates in all.", "Budget"),
    Flag("hours", "search.hours", "H", "Wall-clock hours of all sessions together.", "Budget"),
    Flag("device-hours", "search.device_hours", "H", "Hours summed over workers.", "Budget"),
    Flag("max-failures", "search.max_failures", "N", "Give up after so many failed trials.", "Budget"),
    Flag("workers", "search.workers", "N", "Candidates trained at once.", "Where"),
    Flag("executor", "search.executor", "NAME", "ray, or inline: in this process", "Where"),
    Flag("threads", "search.threads", "N", "Cores, and so threads, of each worker.", "Where"),
    Flag("gpu-share", "search.gpu_share", "SHARE", "Of one GPU for each worker; 0: none.", "Where"),
    Flag("packing", "search.packing", "KIND", "probe: steps of some candidates choose the three.", "Where"),
    Flag("memory", "search.memory", "BYTES", "Of main memory for each worker, such as 8G.", "Where"),
    Flag("labels", "search.labels", "PAIRS", "That a worker's node must have: zone=a,kind=spot.", "Where"),
    Flag("resources", "search.resources", "PAIRS", "Custom ones that each takes: licence=1.", "Where"),
    Flag("stall", "search.stall_s", "SECONDS", "Without an epoch, then a worker is taken for lost.", "Where"),
    Flag("address", "search.address", "ADDRESS", "Of a running Ray cluster.", "Where"),
    Flag("study", "search.study", "NAME", "The name under which all is kept.", "Where"),
    Flag(
        "storage", "search.storage", "URL", "sqlite:///FILE or postgresql+psycopg://USER@HOST/NAME", "Where"
    ),
    Flag(
        "artifacts", "search.artifacts", "URL", "Folder or fsspec URL for checkpoints and weights.", "Where"
    ),
)

# Where a study is kept: every command that opens a ledger takes them.
PLACES: tuple[Flag, ...] = tuple(flag for flag in FLAGS if flag.name in ("storage", "artifacts"))
_WHERE = tuple(flag for flag in FLAGS if flag.group == "Where")

_DIVISOR = Flag(
    "divisor", "fit.divisor", "N", "Scaled channels are multiples of it; 8, or less for few channels.", "How"
)
# Of `nas fit` and `nas grow`; their variables are the long ones, as NAS_FIT_BUDGET.
FIT_FLAGS: tuple[Flag, ...] = (
    Flag("method", "fit.method", "NAME", "surface, or grid as in the EfficientNet paper", "How"),
    Flag("epochs", "fit.epochs", "N", "Passes over the data for each network.", "How"),
    Flag("seeds", "fit.seeds", "N", "Trainings of each network: they show the noise.", "How"),
    Flag("largest", "fit.largest", "FACTOR", "Greatest multiple of the baseline's MACs.", "How"),
    _DIVISOR,
    Flag("batch", "fit.batch", "N", "Networks chosen together once a first fit is there.", "How"),
    Flag(
        "longer",
        "fit.longer",
        "LIST",
        "Epochs of some more trainings: do the short ones tell the order?",
        "How",
    ),
    Flag("longer-networks", "fit.longer_networks", "N", "Networks that are trained for longer.", "How"),
    Flag("region", "fit.region", "SHARE", "Stop when at most this share of all rules is left.", "Budget"),
    Flag("budget", "fit.budget", "N", "Trainings in all.", "Budget"),
    Flag("hours", "fit.hours", "H", "Wall-clock hours of all sessions together.", "Budget"),
    Flag("device-hours", "fit.device_hours", "H", "Hours summed over workers.", "Budget"),
    *_WHERE,
)
GROW_FLAGS: tuple[Flag, ...] = (
    Flag(
        "rule", "grow.rule", "NAMES", "compound (the fitted one), width, depth, dWr, efficientnet ...", "How"
    ),
    Flag(
        "phi",
        "grow.phi",
        "LIST",
        "Sizes in steps of the rule (doublings of the cost for the fitted one), such as 0,1,2.",
        "How",
    ),
    Flag("macs", "grow.macs", "LIST", "Sizes by multiply-adds, such as 50M,100M.", "How"),
    Flag("params", "grow.params", "LIST", "Sizes by parameters.", "How"),
    Flag("latency", "grow.latency", "LIST", "Sizes by milliseconds of an image here, such as 5,10.", "How"),
    Flag("latency-device", "grow.latency_device", "DEVICE", "Where that is timed: cpu or cuda.", "How"),
    _DIVISOR,
    Flag("epochs", "grow.epochs", "N", "Passes over the data for each member.", "How"),
    Flag("seeds", "grow.seeds", "N", "Trainings of each member.", "How"),
    Flag("processes", "grow.processes", "N", "That train each member together, as Ray Train's DDP.", "How"),
    Flag("dropout-step", "grow.dropout_step", "RATE", "Added with each doubling of the cost.", "How"),
    Flag("drop-path-step", "grow.drop_path_step", "RATE", "Added with each doubling of the cost.", "How"),
    *_WHERE,
)
# Of a network that is no study's: what a search would have said. `--study` names the study that is made of it.
NETWORK_FLAGS: tuple[Flag, ...] = tuple(
    flag
    for flag in FLAGS
    if flag.name in ("data", "resolution", "samples", "classes", "batch-size", "learning-rate", "seed")
)


def masked(value: object) -> object:
    """Returns a setting's value as it may be shown: passwords in URLs are three stars.

    >>> masked("postgresql://ada:secret@host/nas?sslpassword=x")
    'postgresql://ada:***@host/nas?sslpassword=***'
    """
    if not isinstance(value, str) or "://" not in value:
        return value
    return _PASSWORD_IN_QUERY.sub(r"\1***", _PASSWORD_IN_URL.sub(r"\1:***@", value))
