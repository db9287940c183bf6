"""Every file that is written may be run; a file that could do more than a network may not."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search_space import Architecture, reference
from search_space.export import python_source
from search_space.export.harmless import HarmfulSource, require_harmless
from search_space.export.preprocessing import Preprocessing
from tests.search_space.export.networks import TINY, legal

NAMES = [
    "dpn68",
    "condensenet50_cifar10",
    "nasnet_a_mobile_4_1056",
    "googlenet_v1_original_aux",
    "alexnet_two_group",
]


@settings(max_examples=8)
@given(legal(), st.booleans())
def test_what_is_written_is_harmless(architecture: Architecture, fold: bool) -> None:
    require_harmless(python_source(architecture, fold=fold))


@pytest.mark.parametrize("name", NAMES)
def test_reference_networks_are_harmless(name: str) -> None:
    require_harmless(python_source(reference(name)))


@settings(max_examples=20)
@given(st.lists(st.text(min_size=1), min_size=1, max_size=4), st.text())
def test_names_of_classes_and_notes_stay_text_whatever_they_hold(names: list[str], note: str) -> None:
    known = Preprocessing(16, (0.5,), (0.25,), tuple(names))
    source = python_source(TINY, preprocessing=known, notes=(note,))
    require_harmless(source)
    found: dict[str, object] = {}
    exec(compile(source, "network", "exec"), found)
    assert found["CLASSES"] == tuple(names) and found["MEAN"] == (0.5,)


@pytest.mark.parametrize(
    "source",
    [
        "import os",
        "from torch import load",
        "torch.load('x')",
        "open('x')",
        "x = torch.nn.modules",
        "def f(x):\n    return x.numpy()",
        "def f(x):\n    return x.__class__",
        "def f(x=open('y')):\n    return x",
        "def f(open):\n    return open\ndef g():\n    return open('x')",
        "class A(str): pass",
        "class A(nn.Module, metaclass=print): pass",
        "@print\nclass A(nn.Module): pass",
        "class A(nn.Module):\n    def forward(self, x):\n        return self.forward.__globals__",
        "load_file('x')",
        "eval = 3",
        "x = lambda: 1",
        "f'{torch}'",
        "while True: pass",
        "with x: pass",
        "try:\n    pass\nexcept Exception: pass",
        "del x",
        "global x",
        "not python",
        "(" * 10_000,
    ],
)
def test_what_could_do_more_is_refused(source: str) -> None:
    with pytest.raises(HarmfulSource):
        require_harmless(source)
