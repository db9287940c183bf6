"""The settings of a run: what a `nas.toml` may say, as validated frozen values.

Every table of the file is one class here; every field has a type, a bound and a sentence, from which
`nas init` writes the commented file. An unknown key is an error that names the nearest known one.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from nas.reward import Reward, RewardError
from nas.setting_kinds import Amounts, Epochs, Labels, Milliseconds, Names, Phis, Quantities, Quantity, Share

# What a search may spend where the user names no limit: enough for several generations after the random start.
DEFAULT_TRIALS = 60

# Sizes of the family where the user names none: the baseline, and twice and four times its cost.
DEFAULT_PHIS = (0.0, 1.0, 2.0)
# The family is trained longer than what was measured to find its rule, where the user does not say how long.
LONGER = 4


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class DataSettings(_Table):
    """Which images, how they are split, and at which size they are served."""

    name: str = Field("digits", description="digits, glyphs, imagefolder:PATH or hf:NAME")
    resolution: int = Field(16, ge=4, le=2048, description="side of the square input in pixels")
    seed: int = Field(0, ge=0, description="fixes the train, validation and test splits")
    validation_share: Share = Field(0.2, description="share of the images that the search is scored on")
    test_share: Share = Field(0.2, description="share of the images that the search never sees")
    num_samples: int | None = Field(None, ge=10, description="glyphs: images rendered in all; others: a cap")
    num_classes: int | None = Field(
        None, ge=2, description="glyphs: classes drawn; others: found in the data"
    )
    clutter: float = Field(
        1.0, ge=0.0, le=2.0, description="glyphs: 0 is clean and upright, 1 usual, 2 hardest"
    )
    max_corrupt_share: float = Field(
        0.01, ge=0.0, le=1.0, description="unreadable images that are skipped before it is an error"
    )


class Fidelity(_Table):
    """How much of a full training a measurement is worth; stored with each result, part of its cache key."""

    epochs: int = Field(5, ge=1, le=10_000, description="passes over the training share")
    resolution: int | None = Field(
        None, ge=4, le=2048, description="train and score at this size instead of the data's"
    )
    share: Share = Field(1.0, description="share of the training split that is used")


class Recipe(_Table):
    """How a network is trained."""

    optimizer: Literal["sgd", "rmsprop", "adamw"] = Field(
        "adamw", description="sgd (Nesterov 0.9), rmsprop (0.9, 0.9) or adamw"
    )
    learning_rate: float = Field(1e-2, gt=0.0, description="peak, after warm-up")
    weight_decay: float = Field(1e-4, ge=0.0, description="not applied to biases and normalisation")
    batch_size: int = Field(32, ge=1, description="images a step")
    warmup_epochs: float = Field(1.0, ge=0.0, description="linear from zero, then cosine to zero")
    label_smoothing: float = Field(
        0.1, ge=0.0, lt=1.0, description="share of the target spread over all classes"
    )
    dropout: float = Field(0.0, ge=0.0, lt=1.0, description="before the classifier")
    drop_path: float = Field(
        0.0,
        ge=0.0,
        lt=1.0,
        description="chance of dropping the last block (stochastic depth), linear in its place",
    )
    group_lasso: float = Field(
        0.0, ge=0.0, description="weight of CondenseNet's regulariser; no effect on other networks"
    )
    ema_decay: float = Field(
        0.0, ge=0.0, lt=1.0, description="moving average of the weights that is scored; 0 turns it off"
    )
    augmentation: Literal["none", "shift", "crop-flip", "trivial", "rand"] = Field(
        "shift", description="applied in batches on the device"
    )
    magnitude: int = Field(9, ge=1, le=29, description="of the operations of `rand`; no effect on the others")
    mixed_precision: bool = Field(True, description="bf16 autocast on a GPU; no effect on a CPU")
    seed: int = Field(0, ge=0, description="added to the study's seed in training seeds")


class SearchSettings(_Table):
    """What is searched for, how, where it is kept and what it may cost."""

    space: str = Field("mnasnet", description="a built-in space, or your own as package.module:Class")
    width: float | None = Field(
        None,
        gt=0.0,
        le=16.0,
        description="multiplies every channel count of the space; left out: fitted to the target",
    )
    reward: Literal["soft", "hard", "absolute", "pareto"] = Field(
        "soft", description="soft, hard, absolute or pareto"
    )
    target: Quantity = Field(5e6, description="the cost aimed at; K, M and G may follow the number")
    cost: Literal["macs", "params", "peak_memory_bytes", "latency_ms"] = Field(
        "macs", description="macs (the papers' FLOPs), params, peak_memory_bytes or latency_ms"
    )
    latency_table: str | None = Field(
        None, description="file of `nas latency table`: latency_ms is looked up; left out: it is measured"
    )
    weight: float | None = Field(
        None, le=0.0, description="exponent of the cost; left out: the reward's own (soft: -0.07)"
    )
    max_cost: Quantity | None = Field(
        None, description="dearer networks are refused untrained; left out: the reward's own"
    )
    strategy: Literal["random", "tpe", "gp", "nsga2", "nsga3", "evolution"] = Field(
        "nsga2", description="random, tpe, gp, nsga2, nsga3 or evolution"
    )
    pruning: Literal["none", "median", "halving", "hyperband"] = Field(
        "hyperband", description="none, median, halving or hyperband: weak candidates are stopped early"
    )
    control: Literal["none", "random"] = Field(
        "none", description="random: also a random search with the same budget"
    )
    finalists: int = Field(3, ge=1, le=100, description="best candidates that are trained again at the end")
    repeats: int = Field(
        3, ge=0, le=100, description="further trainings of each finalist: they give the seed noise; 0: none"
    )
    trials: int | None = Field(
        None, ge=1, description=f"candidates in all; {DEFAULT_TRIALS} where no limit is given"
    )
    hours: float | None = Field(None, gt=0.0, description="wall-clock hours of all sessions together")
    device_hours: float | None = Field(None, gt=0.0, description="hours summed over workers")
    max_failures: int | None = Field(
        None, ge=0, description="failed trials after which the search gives up; left out: never"
    )
    seed: int = Field(
        0, ge=0, lt=2**32, description="of the search's own random choices and of the training seeds"
    )
    executor: Literal["inline", "ray"] = Field(
        "ray", description="ray, or inline: in this process, for debugging"
    )
    workers: int | None = Field(
        None, ge=1, le=100_000, description="candidates trained at once; left out: one a core or GPU"
    )
    threads: int | None = Field(
        None, ge=1, le=1_024, description="cores, and so threads, of each worker; left out: 1"
    )
    gpu_share: float | None = Field(
        None,
        ge=0.0,
        le=1.0,
        description="of one GPU for each worker; left out: 1 where there is one; 0: none",
    )
    packing: Literal["none", "probe"] = Field(
        "none", description="probe: a few steps of some candidates choose what is left out here"
    )
    memory: Quantity | None = Field(
        None, description="bytes for each worker, such as 8G; left out: not looked at"
    )
    labels: Labels | None = Field(
        None, description='that a worker\'s node must have, such as { market-type = "spot" }'
    )
    resources: Amounts | None = Field(
        None, description="custom ones of its node that each worker takes, such as { licence = 1 }"
    )
    address: str | None = Field(
        None, description="of a running Ray cluster; left out: one is started on this machine"
    )
    time_limit_s: float | None = Field(
        None, gt=0.0, description="seconds after which one training is given up"
    )
    stall_s: float | None = Field(
        None,
        gt=0.0,
        description="seconds without a finished epoch after which a worker is taken for lost; left out: an hour, or"
        " thrice the longest epoch so far",
    )
    study: str | None = Field(
        None, description="name under which all is kept; left out: made from space, data and seed"
    )
    storage: str | None = Field(
        None, description="sqlite:///FILE or postgresql+psycopg://...; left out: in your data folder"
    )
    artifacts: str | None = Field(
        None, description="folder or fsspec URL for checkpoints; left out: beside the storage"
    )

    def make_reward(self) -> Reward:
        """Returns the reward that these settings describe.

        Raises:
            RewardError: where they contradict each other, as a `max_cost` below the `target` does.
        """
        return Reward(self.reward, self.target, self.cost, self.weight, self.max_cost)

    @property
    def trial_limit(self) -> int | None:
        """Returns how many trials may be made in all; None where only time is limited."""
        if self.trials is None and self.hours is None and self.device_hours is None:
            return DEFAULT_TRIALS
        return self.trials


class FitSettings(_Table):
    """How the scaling rule is found: what is measured, and when it is known well enough."""

    method: Literal["surface", "grid"] = Field(
        "surface", description="surface: any sizes, measured costs; grid: the EfficientNet paper's"
    )
    budget: int = Field(36, ge=1, description="trainings in all")
    seeds: int = Field(
        2, ge=2, le=100, description="trainings of each network: their differences are the noise"
    )
    hours: float | None = Field(None, gt=0.0, description="wall-clock hours of all sessions together")
    device_hours: float | None = Field(None, gt=0.0, description="hours summed over workers")
    epochs: int | None = Field(None, ge=1, le=10_000, description="of each training; left out: the search's")
    largest: float = Field(8.0, gt=1.0, le=1_000.0, description="greatest multiple of the baseline's MACs")
    divisor: int | None = Field(
        None,
        ge=1,
        le=256,
        description="scaled channels are multiples of it; left out: 8, less for few channels",
    )
    batch: int = Field(4, ge=1, description="networks chosen together once a first fit is there")
    region: float = Field(
        0.05, ge=0.0, lt=1.0, description="stop when at most this share of all rules is left possible"
    )
    longer: Epochs = Field(
        (),
        description="epochs, such as [16, 32], of further trainings that tell how far the fit may be trusted",
    )
    longer_networks: int = Field(8, ge=6, description="of the fit, that are trained for longer, once each")


class GrowSettings(_Table):
    """The family: which sizes, by which rule, and how they are trained."""

    rule: Names = Field(
        ("compound",), description="compound is the fitted one; or efficientnet, width, dWr, ..."
    )
    phi: Phis = Field(
        (),
        description="steps of the rule, doublings of the cost for the fitted one; without any size 0, 1 and 2",
    )
    macs: Quantities = Field((), description="sizes by their multiply-adds, such as 50M")
    params: Quantities = Field((), description="sizes by their parameters")
    latency: Milliseconds = Field((), description="sizes by milliseconds of an image where the stage runs")
    latency_device: Literal["cpu", "cuda"] = Field("cpu", description="on one thread, or on the GPU")
    epochs: int | None = Field(
        None, ge=1, le=10_000, description=f"of each training; left out: {LONGER} times the fit's"
    )
    seeds: int = Field(1, ge=1, le=100, description="trainings of each member")
    processes: int = Field(
        1, ge=1, le=1_024, description="that train each member together, each as large as a worker"
    )
    dropout_step: float = Field(
        0.045, ge=0.0, le=0.5, description="added with each doubling of the cost, up to 0.5"
    )
    drop_path_step: float = Field(
        0.0, ge=0.0, le=0.5, description="added with each doubling of the cost, up to 0.5"
    )
    magnitude_step: float = Field(
        4.0, ge=0.0, le=29.0, description="added to the magnitude of `rand` with each doubling, up to 29"
    )

    @property
    def phis(self) -> tuple[float, ...]:
        """Returns the sizes that are named by phi; the default ones where no size is named at all."""
        return self.phi or (() if self.macs or self.params or self.latency else DEFAULT_PHIS)


class Settings(_Table):
    """A whole `nas.toml`: one table a field."""

    search: SearchSettings = SearchSettings()
    data: DataSettings = DataSettings()
    recipe: Recipe = Recipe()
    fidelity: Fidelity = Fidelity()
    fit: FitSettings = FitSettings()
    grow: GrowSettings = GrowSettings()


class SettingsError(ValueError):
    """Settings that mean nothing: each fault in one sentence, with rule, value and remedy."""


def load_settings(path: str | Path) -> Settings:
    """Returns the settings in a TOML file; what it leaves out takes its default.

    Raises:
        SettingsError: when the file cannot be read, is no TOML, or has an unknown key or a wrong value.
    """
    return make_settings(read_tables(path), source=str(path))


def read_tables(path: str | Path) -> dict[str, Any]:
    """Returns a TOML file's tables, not yet checked.

    Raises:
        SettingsError: when the file cannot be read or is no TOML.
    """
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SettingsError(
            f"the settings file must exist, got {str(path)!r}; `nas init` writes one"
        ) from None
    except OSError as error:
        raise SettingsError(
            f"the settings file {str(path)!r} cannot be read: {error.strerror}; give another path"
        ) from None
    except UnicodeDecodeError:
        raise SettingsError(f"the settings file {str(path)!r} must be UTF-8 text; save it as such") from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(
            f"the settings file {str(path)!r} must be TOML: {error}; `nas init` writes an example"
        ) from None


def make_settings(
    tables: Mapping[str, Any], *, source: str = "", origins: Mapping[str, str] | None = None
) -> Settings:
    """Returns checked settings from `{table: {key: value}}`.

    Args:
        tables: plain values, as TOML gives them.
        source: where they come from, for the message.
        origins: where single keys, as `table.key`, come from instead.

    Raises:
        SettingsError: with one sentence for every unknown key and every wrong value.

    Example:
        >>> make_settings({"search": {"target": "5M"}}).search.target
        5000000.0
    """
    try:
        settings = Settings.model_validate(tables)
        settings.search.make_reward()  # whose fields must fit each other
    except ValidationError as error:
        findings = error.errors(include_url=False)
        raise SettingsError("\n".join(_sentence(one, source, origins or {}) for one in findings)) from None
    except RewardError as error:
        raise SettingsError(str(error)) from None
    return settings


def known_keys() -> dict[str, type[_Table]]:
    """Returns the tables of a settings file by name, in the file's order."""
    fields = {name: field.annotation for name, field in Settings.model_fields.items()}
    return {
        name: table for name, table in fields.items() if isinstance(table, type) and issubclass(table, _Table)
    }


def _sentence(details: ErrorDetails, source: str, origins: Mapping[str, str]) -> str:
    """Returns one of pydantic's findings as our sentence: origin, rule, value, remedy."""
    path = [str(part) for part in details["loc"]][:2]
    name, value = ".".join(path), details["input"]
    origin = origins.get(name, source)
    return (
        f"{origin}: {_finding(details, path, name, value)}"
        if origin
        else _finding(details, path, name, value)
    )


def _finding(details: ErrorDetails, path: list[str], name: str, value: object) -> str:
    tables = known_keys()
    if details["type"] == "extra_forbidden":
        known = tuple(tables[path[0]].model_fields) if len(path) > 1 else tuple(tables)
        return f"unknown {'key' if len(path) > 1 else 'table'} `{name}`; {_suggestion(path[-1], known)}"
    if details["type"] in ("model_type", "model_attributes_type"):
        return f"`{name}` must be a table, got {value!r}; write `[{name}]` and its keys on the lines below"
    if details["type"] == "literal_error":
        known = get_args(tables[path[0]].model_fields[path[1]].annotation)
        return f"`{name}` must be one of {', '.join(known)}, got {value!r}; {_suggestion(str(value), known)}"
    if details["type"] == "value_error":
        return f"`{name}`: {details['ctx']['error']}"
    rule = details["msg"].removeprefix("Input ").replace("should", "must", 1)
    return f"`{name}` {rule}, got {value!r}; it is: {tables[path[0]].model_fields[path[1]].description}"


def _suggestion(text: str, known: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(text, known, n=1)
    return f"did you mean `{near[0]}`?" if near else f"known are {', '.join(known)}"
