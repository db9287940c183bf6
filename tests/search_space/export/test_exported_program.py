"""An exported program holds no pickle and no path, takes any batch, and a hostile one is refused unopened."""

from __future__ import annotations

import io
import json
import zipfile

import pytest
import torch

from search_space.export.preprocessing import Preprocessing
from search_space.export.program import EXTRA, ProgramError, program_bytes, require_no_pickle
from tests.search_space.export.networks import TINY, images, lively


@pytest.fixture(scope="module")
def program() -> bytes:
    return program_bytes(lively(TINY), (3, 16, 16), preprocessing=Preprocessing(16, (0.5,), (0.5,), ("a",)))


def test_the_scores_are_the_modules_for_any_batch(program: bytes) -> None:
    extra = {EXTRA: ""}
    network = torch.export.load(io.BytesIO(program), extra_files=extra).module()
    for count in (1, 5):
        torch.testing.assert_close(network(images(TINY, count)), lively(TINY)(images(TINY, count)))
    assert Preprocessing.from_dict(json.loads(json.loads(extra[EXTRA])["preprocessing"])).classes == ("a",)


def test_no_path_of_this_machine_is_in_it(program: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(program)) as archive:
        text = b"".join(archive.read(name) for name in archive.namelist() if name.endswith(".json"))
    assert b".py" not in text


def _changed(program: bytes, name: str, content: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(program)) as old, zipfile.ZipFile(buffer, "w") as new:
        for entry in old.infolist():
            if entry.filename != f"archive/{name}":
                new.writestr(entry, old.read(entry))
        new.writestr(f"archive/{name}", content)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("data/sample_inputs/model.pt", b"\x80\x04", "pickled example"),
        (
            "data/weights/model_weights_config.json",
            b'{"config": {"w": {"use_pickle": true}}}',
            "pickled tensor",
        ),
        ("data/constants/custom_obj_0", b"", None),
        ("data/weights/weight_0.pt", b"\x80\x04", "unknown entry"),
        ("data/aotinductor/model/run.so", b"\x7fELF", "unknown entry"),
    ],
)
def test_what_torch_would_unpickle_is_refused(
    program: bytes, name: str, content: bytes, says: str | None
) -> None:
    require_no_pickle(program)
    if says is None:
        require_no_pickle(_changed(program, name, content))
        return
    with pytest.raises(ProgramError, match=says):
        require_no_pickle(_changed(program, name, content))


def test_another_file_is_refused() -> None:
    with pytest.raises(ProgramError, match="zip"):
        require_no_pickle(b"no zip")
