"""A network as torch's exported program (`.pt2`): a zip of JSON and raw weights, without any pickle.

What `torch.export.save` would pickle, the example inputs, is left out, and so are the paths of source files.
Such a file is for the same minor version of torch; ONNX and the Python file last longer.
"""

from __future__ import annotations

import io
import json
import warnings
import zipfile

import torch
from torch import nn

from search_space.export.preprocessing import Preprocessing, preprocessing_json

EXTRA = "nas.json"  # what else the file knows: read with `extra_files`
MAX_ENTRY_BYTES = 1 << 31  # of JSON that is read to look for pickles


class ProgramError(ValueError):
    """A file is no exported program that can be opened safely."""


def program_bytes(
    module: nn.Module, shape: tuple[int, int, int], *, preprocessing: Preprocessing | None = None
) -> bytes:
    """Returns a module as an exported program for batches of any size.

    Args:
        module: in evaluation mode, on the CPU.
        shape: (channels, height, width) of an image in pixels.
        preprocessing: kept in the extra file `nas.json`.

    Example:
        Path("network.pt2").write_bytes(program_bytes(module.eval(), (3, 32, 32)))
    """
    with warnings.catch_warnings(action="ignore"):  # torch's own deprecations
        batch = torch.export.Dim("batch", min=1)
        program = torch.export.export(module, (torch.zeros(2, *shape),), dynamic_shapes=({0: batch},))
    program.example_inputs = None
    for graph in program.graph_module.modules():
        for node in graph.graph.nodes if isinstance(graph, torch.fx.GraphModule) else ():
            node.meta.pop("stack_trace", None)
    buffer = io.BytesIO()
    extra = {EXTRA: json.dumps(preprocessing_json(preprocessing))}
    torch.export.save(program, buffer, extra_files=extra)
    content = buffer.getvalue()
    require_no_pickle(content)
    return content


def require_no_pickle(content: bytes) -> None:
    """Checks that opening an exported program cannot run code: torch would unpickle what is pickled in it.

    Raises:
        ProgramError: something in it is pickled, or it is no such file.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for entry in archive.infolist():
                _require_plain(archive, entry)
    except (zipfile.BadZipFile, ValueError) as error:
        raise ProgramError(
            f"a .pt2 must be a zip of JSON and raw tensors, got {error}; take one that `nas export` wrote"
        ) from None


def _require_plain(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> None:
    """Raises ValueError for an entry that torch would unpickle, and for kinds of entries that are not ours."""
    _, _, name = entry.filename.partition("/")
    folder = name.rpartition("/")[0]
    if folder == "data/sample_inputs":
        if entry.file_size:
            raise ValueError("pickled example inputs")
    elif name in ("data/weights/model_weights_config.json", "data/constants/model_constants_config.json"):
        if entry.file_size > MAX_ENTRY_BYTES:
            raise ValueError("an endless table of weights")
        for tensor in json.loads(archive.read(entry))["config"].values():
            if tensor["use_pickle"] is not False:
                raise ValueError("a pickled tensor")
    elif not (
        folder in ("data/weights", "data/constants", "extra", ".data")
        and not name.endswith(".pt")
        or name in ("models/model.json", "archive_format", "archive_version", "byteorder")
    ):
        raise ValueError(f"the unknown entry {entry.filename[:100]!a}")
