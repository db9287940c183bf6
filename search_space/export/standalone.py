"""One Python file with all that a consumer needs: the network, how to load its weights, what it wants of images."""

from __future__ import annotations

from collections.abc import Sequence

from search_space.architecture import Architecture
from search_space.build import training_rates
from search_space.export.folding import folded
from search_space.export.layout import Call, lines
from search_space.export.preprocessing import Preprocessing
from search_space.export.python import described, imports, network_code
from search_space.lowering import parts

NORM_MOMENTUM = 0.1  # torch's own, so that it need not be written

LOAD = '''def load(path: str) -> Network:
    """Returns the network with the weights of a safetensors file, in evaluation mode."""
    network = Network()
    network.load_state_dict(load_file(path), strict=True)
    return network.eval()'''

NORMALISED = '''def normalised(levels: torch.Tensor) -> torch.Tensor:
    """Returns what the network takes, of images with levels from 0 to 255: [n, channels, height, width]."""
    mean, std = (torch.tensor(values, device=levels.device)[:, None, None] for values in (MEAN, STD))
    return (levels.float() / 255.0 - mean) / std'''


def python_source(
    architecture: Architecture,
    *,
    preprocessing: Preprocessing | None = None,
    notes: Sequence[str] = (),
    fold: bool = False,
    dropout: float = 0.0,
    drop_path: float | Sequence[float] = 0.0,
) -> str:
    """Returns Python source with `Network`, `load(path)` and, where it is known, `normalised(levels)`.

    It imports torch and safetensors only.

    Args:
        architecture: what to write.
        preprocessing: what the network was trained on; None where that is not known.
        notes: lines for the docstring: where the network comes from.
        fold: write it without the normalisations that convolutions can take over (`folding`).
        dropout: chance in [0, 1) that a value before a linear layer is zeroed, should it be trained further.
        drop_path: chance in [0, 1) that the last residual branch is dropped in training, the others in
            proportion to their place; or one chance per block of the stages.

    Raises:
        ArchitectureError: a block cannot take what enters it.
        ValueError: a chance is outside its interval.

    Example:
        >>> from search_space.zoo import reference
        >>> "def load(path: str)" in python_source(reference("mobilenet_v2_1_0_224"))
        True
    """
    chain = list(parts(architecture))
    rates = training_rates(chain, dropout, drop_path, NORM_MOMENTUM)
    code = network_code(architecture, folded(chain) if fold else chain, rates)
    *torch_imports, nn = imports(code)
    docstring = described(architecture, [_harmless(note) for note in notes])
    header = "\n".join([*torch_imports, "from safetensors.torch import load_file", nn])
    top = [f'"""{docstring}"""', "from __future__ import annotations", header, *_constants(preprocessing)]
    functions = [LOAD, *([NORMALISED] if preprocessing else [])]
    return "\n\n".join(top) + "\n\n\n" + "\n\n\n".join([code, *functions]) + "\n"


def _constants(preprocessing: Preprocessing | None) -> list[str]:
    if preprocessing is None:
        return []
    rows: dict[str, Sequence[float | str]] = {
        "MEAN": preprocessing.mean,
        "STD": preprocessing.std,
        "CLASSES": preprocessing.classes,
    }
    text = [f"RESOLUTION = {preprocessing.resolution}  # side of the square input in pixels"]
    for name, values in rows.items():
        items = [_literal(value) for value in values]
        text += [f"{name} = ({items[0]},)"] if len(items) == 1 else lines(Call(f"{name} = (", items), 0)
    return ["\n".join(text)]


def _literal(value: float | str) -> str:
    """Returns a value as Python source; a text in the quotes that formatters choose, whatever it holds."""
    if not isinstance(value, str):
        return repr(value)
    quote = '"' if value.count('"') <= value.count("'") else "'"
    return quote + "".join(_escaped(character, quote) for character in value) + quote


def _escaped(character: str, quote: str) -> str:
    if character in (quote, "\\"):
        return f"\\{character}"
    return character if character.isprintable() else character.encode("unicode_escape").decode("ascii")


def _harmless(note: str) -> str:
    """Returns a line for a docstring that cannot end it."""
    return note.encode("unicode_escape").decode("ascii").replace('"', "'").replace("\\", "/")
