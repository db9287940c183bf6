"""What a network looks at: class activation maps, as pictures over the images.

CAM (Zhou et al. 2016, section 2) weights the last maps by the classifier's own weights, where it sees their global
mean; Grad-CAM (Selvaraju et al. 2017, section 3) weights any stage's maps by the mean gradient of the class's score.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import fx

from nas.evaluation.pictures import decoded
from nas.exporting.errors import ExportError
from nas.exporting.folder import Entry, new_folder, write_files, write_listing
from nas.exporting.network import Network
from search_space import Architecture
from search_space.blocks import ClassifierOptions
from search_space.export.preprocessing import Preprocessing
from search_space.graph import Part
from search_space.lowering import parts
from search_space.modules import construction

COLOURS = "turbo"
OPACITY = 0.6  # of the colours where there is most evidence
SMALLEST_SIDE = 224  # of a picture, so that maps of small images can be seen
_MARGIN, _TEXT, _CAPTION, _BAR, _SCALE = 10, 13, 36, 12, 56  # pixels of the sheet around pictures


@dataclass(frozen=True, slots=True)
class Explanation:
    """One picture: what it shows and how sure the network is."""

    file: str
    image: str
    method: str  # cam or grad-cam
    predicted: str
    probability: float  # of the class that is shown
    shown: str  # name of the class whose evidence is shown


@dataclass(frozen=True, slots=True)
class View:
    """Where to look.

    Args:
        stage: whose output Grad-CAM shows, counted from 0; None: CAM at the classifier where it can be, else
            Grad-CAM of the last stage.
        shown: name of the class; None: the predicted one.
    """

    stage: int | None = None
    shown: str | None = None


def explain(
    network: Network,
    images: Sequence[Path],
    out: Path,
    view: View,
    *,
    force: bool = False,
    files: Sequence[Path] = (),
) -> tuple[Explanation, ...]:
    """Writes one picture an image into a new folder.

    Args:
        network: with the normalisation of its data.
        images: files of pictures.
        out: the folder.
        view: where to look.
        force: replace an earlier folder of explanations there; never one that holds an image or the network.
        files: that the network was read from.

    Raises:
        ExportError: the normalisation is not known, a class or stage is unknown, or the folder exists.
        UnreadableImage: an image cannot be read.
    """
    preprocessing = network.preprocessing
    if preprocessing is None:
        raise ExportError(
            f"pictures need the data's normalisation, got none for {network.name!r}; give --data,"
            " or a safetensors file of `nas export`"
        )
    classes = preprocessing.classes
    if view.shown is not None and view.shown not in classes:
        raise ExportError(f"a class must be one of {', '.join(classes[:20])}, got {view.shown!r}; choose one")
    found = []
    entries: list[Entry] = []
    with new_folder(out, "explanation", force=force, inputs=[*images, *files]) as folder:
        for number, path in enumerate(images):
            explanation, content = _explained(network, preprocessing, path, view)
            name = f"{number:03d}_{_part(path.stem)}_{_part(explanation.shown)}.png"
            entries += write_files(folder, {name: content})
            found.append(replace(explanation, file=str(out / name)))
        write_listing(folder, "explanation", entries)
    return tuple(found)


def _explained(
    network: Network, preprocessing: Preprocessing, path: Path, view: View
) -> tuple[Explanation, bytes]:
    """Returns what is to be said of an image, without its file's name, and the picture."""
    classes = preprocessing.classes
    mean, std = (torch.tensor(values)[:, None, None] for values in (preprocessing.mean, preprocessing.std))
    side, channels = network.architecture.resolution, network.architecture.input_channels
    levels = decoded(path, path.name, resolution=side, channels=channels)
    inputs = ((torch.from_numpy(levels.copy()).float() / 255.0 - mean) / std)[None]
    wanted = None if view.shown is None else classes.index(view.shown)
    heat, scores, index = activation_map(network, inputs, stage=view.stage, index=wanted)
    explanation = Explanation(
        file="",
        image=str(path),
        method="cam" if _uses_classifier(network.architecture, view.stage) else "grad-cam",
        predicted=classes[int(scores.argmax())],
        probability=float(torch.softmax(scores, 0)[index]),
        shown=classes[index],
    )
    buffer = io.BytesIO()
    captioned(levels, heat, explanation).save(buffer, "PNG")
    return explanation, buffer.getvalue()


def _part(text: str) -> str:
    """Returns a text as a part of a file's name.

    >>> _part("../0"), _part("")
    ('0', 'image')
    """
    return re.sub(r"\W+", "_", text, flags=re.ASCII).strip("_")[:60] or "image"


def activation_map(
    network: Network, inputs: torch.Tensor, *, stage: int | None = None, index: int | None = None
) -> tuple[NDArray[np.float32], torch.Tensor, int]:
    """Returns the evidence for a class at each place of a map, at least 0, the scores, and the class.

    Args:
        network: in evaluation mode.
        inputs: one normalised image, [1, channels, height, width].
        stage: for Grad-CAM; None as in `View`.
        index: of the class; None: the predicted one.

    Raises:
        ExportError: there is no such stage.
    """
    cam = _uses_classifier(network.architecture, stage)
    reader = "head.pool" if cam else _after(network.architecture, stage)
    watched = next(node.args[0] for node in network.module.graph.nodes if node.target == reader)
    watcher = _Watcher(network.module, watched)
    scores = watcher.run(inputs)[0]
    chosen = int(scores.argmax()) if index is None else index
    [maps] = watcher.seen
    if cam:
        weights = network.module.get_parameter("head.linear.weight")[chosen].detach()
    else:
        [gradient] = torch.autograd.grad(scores[chosen], maps)
        weights = gradient[0].mean((1, 2))
    heat = torch.relu((weights[:, None, None] * maps[0].detach()).sum(0))
    return np.asarray(heat.numpy(), dtype=np.float32), scores.detach(), chosen


class _Watcher(fx.Interpreter):
    """Runs a network and keeps one of its values, from which on gradients are known."""

    def __init__(self, module: fx.GraphModule, watched: object) -> None:
        super().__init__(module)
        self._watched = watched
        self.seen: list[torch.Tensor] = []

    def run_node(self, n: fx.Node) -> Any:
        result = super().run_node(n)
        if n is self._watched:
            result = result.detach().requires_grad_()
            self.seen.append(result)
        return result


def captioned(levels: NDArray[np.uint8], heat: NDArray[np.float32], told: Explanation) -> Image.Image:
    """Returns an image beside itself with its evidence over it, a scale of the colours, and what it shows in words.

    Args:
        levels: [channels, side, side], grey or colour.
        heat: [height, width], at least 0.
        told: what the caption says.
    """
    over = overlaid(levels, heat)
    side = over.width
    sheet = Image.new("RGB", (2 * side + 3 * _MARGIN + _SCALE, side + _CAPTION + 2 * _MARGIN), "white")
    sheet.paste(_picture(levels, side), (_MARGIN, _MARGIN))
    sheet.paste(over, (side + 2 * _MARGIN, _MARGIN))
    left = 2 * side + 2 * _MARGIN + _MARGIN // 2
    colours = matplotlib.colormaps[COLOURS](np.linspace(1.0, 0.0, side))[:, None, :3]
    bar = Image.fromarray((np.repeat(colours, _BAR, 1) * 255).astype(np.uint8))
    sheet.paste(bar, (left, _MARGIN))
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(_TEXT)
    draw.text((left + _BAR + 4, _MARGIN), "most", "black", font)
    draw.text((left + _BAR + 4, _MARGIN + side - _TEXT), "none", "black", font)
    lines = (
        f"evidence for {told.shown[:24]!r} ({told.probability:.1%}), {told.method}",
        f"predicted: {told.predicted[:24]!r}; left: what the network sees",
    )
    for number, line in enumerate(lines):
        draw.text((_MARGIN, side + 2 * _MARGIN + number * (_TEXT + 5)), line, "black", font)
    return sheet


def overlaid(levels: NDArray[np.uint8], heat: NDArray[np.float32]) -> Image.Image:
    """Returns an image with its evidence in colours over it, at least 224 pixels a side.

    The colours are the more opaque the more evidence there is, so that the image stays to be seen where there is none.

    Args:
        levels: [channels, side, side], grey or colour.
        heat: [height, width], at least 0.
    """
    side = max(levels.shape[-1], SMALLEST_SIDE)
    shares = heat / heat.max() if heat.max() > 0 else heat
    large = np.asarray(Image.fromarray(shares).resize((side, side), Image.Resampling.BILINEAR))
    colours = matplotlib.colormaps[COLOURS](large)[..., :3] * 255.0
    opacity = OPACITY * large[..., None]
    mixed = np.asarray(_picture(levels, side)) * (1.0 - opacity) + colours * opacity
    return Image.fromarray(mixed.round().astype(np.uint8))


def _picture(levels: NDArray[np.uint8], side: int) -> Image.Image:
    """Returns an image as it is, large enough to be seen: its own pixels, not smoothed."""
    pixels = levels.transpose(1, 2, 0)
    grey = pixels.shape[-1] == 1
    plain = Image.fromarray(pixels[..., 0] if grey else pixels).convert("RGB")
    return plain.resize((side, side), Image.Resampling.NEAREST)


def _uses_classifier(architecture: Architecture, stage: int | None) -> bool:
    """Returns whether the classifier sees nothing but the maps' global mean."""
    options = architecture.head.options
    return (
        stage is None
        and isinstance(options, ClassifierOptions)
        and not options.hidden
        and not options.condensed
        and options.pooled_size == 1
    )


def _after(architecture: Architecture, stage: int | None) -> str:
    """Returns the module that takes a stage's whole output first."""
    last = len(architecture.stages) - 1
    wanted = last if stage is None else stage
    if not 0 <= wanted <= last:
        raise ExportError(f"a stage must be in [0, {last}], got {wanted}; `nas zoo show` lists them")
    chain = list(parts(architecture))
    prefix = f"stages.{wanted}."
    place = max(index for index, part in enumerate(chain) if part.name.startswith(prefix))
    name = _reader(chain[place + 1])
    if name is None:
        raise ExportError(
            f"the maps after stage {wanted} must enter one module, got a block that divides them;"
            " choose another stage"
        )
    return name


def _reader(part: Part) -> str | None:
    for node in part.graph.nodes:
        if node.inputs[0] == 0 and construction(node.operator, part.graph.input_shapes(node)) is not None:
            return f"{part.name}.{node.name}"
    return None
