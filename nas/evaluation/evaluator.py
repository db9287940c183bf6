"""The evaluator that trains: a task in, a measurement out, a verified checkpoint behind every stop."""

from __future__ import annotations

import dataclasses
import json
import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from nas.evaluation.data import MAX_RESIDENT_BYTES, Carried, Dataset, load
from nas.evaluation.examples import DataError
from nas.evaluation.feeding import Feed, open_feed
from nas.evaluation.latency import latency
from nas.evaluation.memory import TooLarge, is_out_of_memory, release
from nas.evaluation.optimisation import module_bytes
from nas.evaluation.scores import BATCH_SIZE, InputScale, Score, score
from nas.evaluation.splits import training_share
from nas.evaluation.team import Team, team
from nas.evaluation.training import Diverged, Training
from nas.interfaces import Measurement, Progress, StopTraining, Task
from nas.settings import DataSettings, Recipe
from runs.artifacts import ArtifactStore
from search_space.architecture import Architecture
from search_space.build import build

logger = logging.getLogger(__name__)

_CURVE = "curve.json"  # the file of a checkpoint that holds (accuracy, loss) of each epoch so far
_CHECKPOINT_LABELS = {"training": "2"}  # raised when older states would not go on the same way
_MAX_FEEDS = 4  # resolutions of one data set that are kept ready at once


@dataclass(frozen=True, slots=True)
class EvaluatorOptions:
    """How a worker trains, as far as results do not depend on it.

    Args:
        device: `auto` takes a GPU where there is one; or a torch device.
        checkpoint_interval_s: shortest time between two epoch checkpoints; 0 keeps one for every epoch.
        keeps_weights: whether final weights go to the artifact store.
        measures_latency: whether the finished network is timed on this machine.
        cache: folder of decoded images; None is the platform's cache folder.
        max_resident_bytes: larger splits are streamed from disk.
        num_loader_workers: processes that read ahead of a streamed split.
        num_threads: of torch during an evaluation; None leaves them as they are. Small networks train fastest, and
            repeat bit for bit everywhere, on one.
    """

    device: str = "auto"
    checkpoint_interval_s: float = 0.0
    keeps_weights: bool = True
    measures_latency: bool = False
    cache: str | None = None
    max_resident_bytes: int = MAX_RESIDENT_BYTES
    num_loader_workers: int = 0
    num_threads: int | None = None


class TrainingEvaluator:
    """Trains each task's architecture and scores it on the validation images (`nas.interfaces.Evaluator`).

    A task is a function of its fields: what ran before in the process, interruptions, streaming and
    checkpoints change nothing, and on one kind of CPU with one number of threads its result repeats bit for
    bit. Weights, order, augmentation and dropout all follow from `task.seed`, which the driver derives from
    the study's seed, the architecture's digest and the fidelity.

    Checkpoints stay in the store when a task is done, so that a result that is lost on its way costs little;
    the driver drops them once it has recorded it.

    Args:
        options: how.
        carried: data that travel with the evaluator, for workers that cannot read them where they are: through Ray's
            object store they come to each node once, and its workers look at the same bytes.

    Example:
        >>> evaluator = TrainingEvaluator(EvaluatorOptions(device="cpu"))
    """

    def __init__(self, options: EvaluatorOptions | None = None, carried: Carried | None = None) -> None:
        self._options, self._carried = options or EvaluatorOptions(), carried
        self._ready: _Ready | None = None

    def __reduce__(self) -> tuple[type[TrainingEvaluator], tuple[EvaluatorOptions, Carried | None]]:
        return TrainingEvaluator, (self._options, self._carried)  # what it has loaded itself does not travel

    def evaluate(self, task: Task, report: Callable[[Progress], bool]) -> Measurement:
        """Trains and returns the validation accuracy after the last epoch.

        A stop that is asked for at the last epoch comes too late: the measurement is returned.

        Raises:
            StopTraining: `report` returned False; the epoch's checkpoint is safe.
            Diverged: the loss is no longer finite, or far beyond that of guessing.
            DataError: data and architecture do not fit together, or the data cannot be read.
            MemoryError, torch.OutOfMemoryError: one image is too much for the memory (two with batch normalisation).
        """
        attempt = _Attempt(task, report, self._options.checkpoint_interval_s, team())
        architecture = without_auxiliary(Architecture.from_json(task.architecture))
        with (
            _threads(self._options.num_threads),
            torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=True),
        ):
            training, result = self._trained(task, architecture, attempt)
        weights = attempt.stored_weights(training.scored) if self._options.keeps_weights else None
        latency_ms = None
        if self._options.measures_latency:
            side, channels = architecture.resolution, architecture.input_channels
            latency_ms = latency(training.scored, resolution=side, input_channels=channels).median_ms
        return Measurement(
            key=task.key,
            accuracy=result.accuracy,
            loss=result.loss,
            epoch=training.epoch,
            seconds=attempt.seconds,
            num_examples=result.num_examples,
            resumed_from=attempt.resumed_from,
            weights=weights,
            latency_ms=latency_ms,
            micro_batch=training.micro_batch,
        )

    def _trained(self, task: Task, architecture: Architecture, attempt: _Attempt) -> tuple[Training, Score]:
        """Trains to the end, in ever smaller parts of a batch while memory does not suffice.

        A smaller part begins at the last checkpoint: what ran out of memory in its middle has changed statistics.
        A team cannot: its other processes wait in the middle of a sum. So it ends, and a new one begins with less.
        """
        micro_batch = task.micro_batch
        while True:
            checkpoint = attempt.checkpoint()
            if checkpoint is not None:
                micro_batch = min(filter(None, (micro_batch, checkpoint.micro_batch)), default=None)
            training, validation, scale = self._prepared(task, architecture, attempt.team, micro_batch)
            try:
                attempt.resume(training, checkpoint)
                checkpoint = None  # so that its bytes are not kept
                return training, attempt.run(training, validation, scale)
            except (MemoryError, RuntimeError) as error:
                micro_batch = training.smaller_micro_batch
                if micro_batch is None or not is_out_of_memory(error):
                    raise
                if attempt.team.size > 1:
                    raise TooLarge(micro_batch, error) from error
            logger.warning("memory does not suffice: trained with %d images at once", micro_batch)
            del training
            release()

    def _prepared(
        self, task: Task, architecture: Architecture, together: Team, micro_batch: int | None
    ) -> tuple[Training, Feed, InputScale]:
        """Returns the training before its first epoch, the images it is scored on, and the input scale."""
        ready = self._data(task.data)
        dataset = ready.dataset
        resolution = served_resolution(dataset, architecture, task.fidelity.resolution)
        train, validation = self._feeds(ready, resolution)
        scale = InputScale(dataset.mean, dataset.std)
        training = Training(
            untrained(architecture, dataset, resolution, task.recipe, task.seed).to(ready.device),
            task.recipe,
            feed=train,
            indices=training_share(dataset.train.labels, task.fidelity.share, task.data.seed),
            scale=scale,
            num_classes=dataset.num_classes,
            num_epochs=task.fidelity.epochs,
            seed=task.seed,
            team=together,
            micro_batch=micro_batch,
        )
        return training, validation, scale

    def _data(self, settings: DataSettings) -> _Ready:
        """Returns the data set, loaded when it is not the last one used."""
        if self._ready is None or self._ready.settings != settings:
            self._ready = None  # frees the last one first
            options = self._options
            cache = None if options.cache is None else Path(options.cache)
            if self._carried is not None and self._carried.settings == settings:
                dataset = self._carried.dataset
            else:
                dataset = load(settings, cache=cache, max_resident_bytes=options.max_resident_bytes)
            self._ready = _Ready(settings, dataset, chosen_device(options.device), {})
        return self._ready

    def _feeds(self, ready: _Ready, resolution: int) -> tuple[Feed, Feed]:
        """Returns the feeds of training and validation images at a resolution, made on first use."""
        if resolution not in ready.feeds:
            if len(ready.feeds) == _MAX_FEEDS:
                del ready.feeds[next(iter(ready.feeds))]
            train, validation = (
                open_feed(
                    split,
                    resolution=resolution,
                    device=ready.device,
                    num_workers=self._options.num_loader_workers,
                )
                for split in (ready.dataset.train, ready.dataset.validation)
            )
            ready.feeds[resolution] = train, validation
        return ready.feeds[resolution]


@contextmanager
def _threads(number: int | None) -> Iterator[None]:
    """Lets torch use this many threads inside the block; None changes nothing."""
    before = torch.get_num_threads()
    torch.set_num_threads(number or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def num_gpus() -> int:
    """Returns how many GPUs torch can use on this machine."""
    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def chosen_device(name: str) -> torch.device:
    """Returns the device of this name; `auto` is the first GPU, or the CPU where there is none."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(name)


def without_auxiliary(architecture: Architecture) -> Architecture:
    """Returns the architecture with its main classifier only: auxiliary ones are not trained here."""
    return dataclasses.replace(architecture, auxiliary=())


def served_resolution(dataset: Dataset, architecture: Architecture, resolution: int | None) -> int:
    """Returns the side of the images that a network is trained on: the fidelity's, or the architecture's own.

    Raises:
        DataError: the images would have to be enlarged, or the architecture is for other images.
    """
    side = resolution or architecture.resolution
    if side > dataset.resolution:
        raise DataError(
            f"images are only made smaller for a network, but it asks for {side} pixels"
            f" and {dataset.name} is served at {dataset.resolution}; set data.resolution to {side} or more"
        )
    if (
        architecture.num_classes != dataset.num_classes
        or architecture.input_channels != dataset.input_channels
    ):
        raise DataError(
            f"an architecture must have its data's classes and channels, but {dataset.name}"
            f" has {dataset.num_classes} and {dataset.input_channels}, and the architecture is for"
            f" {architecture.num_classes} and {architecture.input_channels}; make it with the data's numbers"
        )
    return side


def untrained(
    architecture: Architecture, dataset: Dataset, resolution: int, recipe: Recipe, seed: int
) -> nn.Module:
    """Returns the network with fresh weights drawn from `seed`, in channels_last."""
    module = build(
        architecture,
        input_shape=(dataset.input_channels, resolution, resolution),
        dropout=recipe.dropout,
        drop_path=recipe.drop_path,
        seed=seed % 2**63,
    )
    for parameter in module.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    return module


@dataclass(frozen=True, slots=True, eq=False)
class _Ready:
    """A data set with those of its feeds that are open, by resolution: (training, validation)."""

    settings: DataSettings
    dataset: Dataset
    device: torch.device
    feeds: dict[int, tuple[Feed, Feed]]


@dataclass(frozen=True, slots=True, eq=False)
class _State:
    """A checkpoint: its files, and (accuracy, loss) of each epoch behind it."""

    files: Mapping[str, bytes]
    curve: list[list[float]]

    @property
    def micro_batch(self) -> int | None:
        """In which parts of a batch it was trained, so that it goes on in the same; None for whole ones."""
        found: int | None = json.loads(self.files["training.json"]).get("micro_batch")
        return found


class _Attempt:
    """One go at a task: its clock, its checkpoints, its reports."""

    def __init__(
        self, task: Task, report: Callable[[Progress], bool], checkpoint_interval_s: float, together: Team
    ) -> None:
        self._task = task
        self.team = together
        self._report = report
        self._interval_s = checkpoint_interval_s
        self._store = None if task.checkpoints is None else ArtifactStore(task.checkpoints)
        self._curve: list[tuple[float, float]] = []  # (accuracy, loss) of each epoch so far
        self._num_told = 0  # epochs that `report` knows of
        self.resumed_from = 0
        self._started = self._saved_at = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Seconds of this attempt so far, without those that `report` took."""
        return time.perf_counter() - self._started

    def checkpoint(self) -> _State | None:
        """Returns the newest sound checkpoint of this version; None without one."""
        found = None if self._store is None else self._store.load_checkpoint(self._task.key)
        if found is None or found.labels != _CHECKPOINT_LABELS:
            return None
        return _State(found.files, json.loads(found.files[_CURVE]))

    def resume(self, training: Training, checkpoint: _State | None) -> None:
        """Goes on from a checkpoint, and reports the epochs behind it once more: the driver may have died before it
        noted them."""
        self._curve = []
        if checkpoint is not None:
            training.restore({name: data for name, data in checkpoint.files.items() if name != _CURVE})
        self.team.check_agreed(training.epoch, training.device)
        if not self._num_told:
            self.resumed_from = training.epoch
        for epoch, (accuracy, loss) in enumerate(checkpoint.curve if checkpoint else (), start=1):
            self._curve.append((accuracy, loss))
            if not self._tell(Progress(self._task.key, epoch, accuracy, loss, seconds=0.0)):
                raise StopTraining

    def run(self, training: Training, validation: Feed, scale: InputScale) -> Score:
        """Trains the epochs that are left and returns the score after the last."""
        result = None
        while training.epoch < self._task.fidelity.epochs:
            training.run_epoch()
            result = self._score(training, validation, scale)
            if not math.isfinite(result.loss):
                raise Diverged(
                    f"validation loss must be finite, but is {result.loss} after epoch {training.epoch};"
                    " lower recipe.learning_rate"
                )
            self._report_epoch(training, result)
        return result or self._score(training, validation, scale)

    def _score(self, training: Training, validation: Feed, scale: InputScale) -> Score:
        return score(
            training.scored,
            validation,
            scale,
            mixed_precision=training.mixed_precision,
            team=self.team,
            batch_size=min(BATCH_SIZE, 4 * (training.micro_batch or BATCH_SIZE)),
        )

    def stored_weights(self, module: nn.Module) -> str | None:
        """Returns the sha256 of the module's weights in the artifact store; None without a store,
        and where another process of the team has stored them."""
        if self._store is None or not self.team.writes:
            return None
        return self._store.put_bytes(module_bytes(module), kind="weights")

    def _tell(self, progress: Progress) -> bool:
        """Reports an epoch, once; returns whether to go on."""
        if progress.epoch <= self._num_told:
            return True
        self._num_told = progress.epoch
        before = time.perf_counter()
        goes_on = self._report(progress)
        self._started += time.perf_counter() - before
        return goes_on

    def _report_epoch(self, training: Training, result: Score) -> None:
        self._curve.append((result.accuracy, result.loss))
        goes_on = self._tell(
            Progress(self._task.key, training.epoch, result.accuracy, result.loss, self.seconds)
        )
        if training.epoch == self._task.fidelity.epochs:
            return
        is_due = time.perf_counter() - self._saved_at >= self._interval_s
        if self._store is not None and self.team.writes and (is_due or not goes_on):
            files = {**training.files(), _CURVE: json.dumps(self._curve).encode()}
            self._store.save_checkpoint(self._task.key, training.epoch, files, labels=_CHECKPOINT_LABELS)
            self._saved_at = time.perf_counter()
        if not goes_on:
            raise StopTraining
