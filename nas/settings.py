"""The settings of a run: what a `nas.toml` may say, as validated frozen values.

Every table of the file is one class here; every field has a type, a bound and a sentence, from which `nas init` writes
the commented file. An unknown key is an error that names the nearest known one.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(gt=0.0, le=1.0)]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class DataSettings(_Table):
    """Which images, how they are split, and at which size they are served."""

    name: str = Field("digits", description="digits, glyphs, imagefolder:PATH or hf:NAME")
    resolution: int = Field(16, ge=4, le=2048, description="side of the square input in pixels")
    seed: int = Field(0, ge=0, description="fixes the train, validation and test splits")
    validation_share: Share = Field(0.2, description="share of the images that the search is scored on")
    test_share: Share = Field(0.2, description="share of the images that the search never sees")
    num_samples: int | None = Field(None, ge=10, description="glyphs: images rendered in all; others: a cap")
    num_classes: int | None = Field(None, ge=2, description="glyphs: classes drawn; others: found in the data")
    max_corrupt_share: float = Field(0.01, ge=0.0, le=1.0, description="unreadable images that are skipped before it is an error")


class Fidelity(_Table):
    """How much of the full training a measurement is worth: stored with every result, part of the cache key."""

    epochs: int = Field(5, ge=1, le=10_000, description="passes over the training share")
    resolution: int | None = Field(None, ge=4, le=2048, description="train and score at this size instead of the data's")
    share: Share = Field(1.0, description="share of the training split that is used")


class Recipe(_Table):
    """How a network is trained."""

    optimizer: Literal["sgd", "rmsprop", "adamw"] = Field("adamw", description="sgd (Nesterov 0.9), rmsprop (0.9, 0.9) or adamw")
    learning_rate: float = Field(4e-3, gt=0.0, description="peak, after warm-up")
    weight_decay: float = Field(1e-4, ge=0.0, description="not applied to biases and normalisation")
    batch_size: int = Field(128, ge=1, description="images a step")
    warmup_epochs: float = Field(1.0, ge=0.0, description="linear from zero, then cosine to zero")
    label_smoothing: float = Field(0.1, ge=0.0, lt=1.0, description="share of the target spread over all classes")
    dropout: float = Field(0.0, ge=0.0, lt=1.0, description="before the classifier")
    drop_path: float = Field(0.0, ge=0.0, lt=1.0, description="stochastic depth of the last block, linear from zero at the first")
    ema_decay: float = Field(0.0, ge=0.0, lt=1.0, description="moving average of the weights that is scored; 0 turns it off")
    augmentation: Literal["none", "shift", "crop-flip", "trivial", "rand"] = Field("shift", description="applied in batches on the device")
    mixed_precision: bool = Field(True, description="bf16 autocast on a GPU; no effect on a CPU")
    seed: int = Field(0, ge=0, description="added to the study's seed in training seeds")
