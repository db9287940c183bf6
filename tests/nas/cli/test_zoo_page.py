"""The page about the zoo prints what its commands print, and shows the pictures that they draw."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from tests.nas.cli.conftest import Nas

DOCS = Path(__file__).parents[3] / "docs"
BLOCKS = re.findall(r"```console\n\$ nas (.+?)\n(.*?)\n```", (DOCS / "zoo.md").read_text("utf-8"), re.DOTALL)


def test_the_page_has_examples_of_every_command() -> None:
    commands = " ".join(command for command, _ in BLOCKS)
    assert all(words in commands for words in ("zoo list", "zoo show", "zoo compare", "cost", "draw"))


@pytest.mark.parametrize(("command", "printed"), BLOCKS, ids=[command[:40] for command, _ in BLOCKS])
def test_a_command_prints_what_the_page_says(nas: Nas, folder: Path, command: str, printed: str) -> None:
    ended = nas(*shlex.split(command))
    assert (ended.out + ended.err).strip("\n") == printed
    for drawn in folder.glob("*.svg"):
        if command.startswith("draw"):
            assert drawn.read_text("utf-8") == (DOCS / "images" / drawn.name).read_text("utf-8")


def test_every_picture_of_the_page_is_there() -> None:
    page = (DOCS / "zoo.md").read_text("utf-8")
    shown = set(re.findall(r"\]\(images/([^)]+)\)", page))
    assert shown == {path.name for path in (DOCS / "images").iterdir()} & shown
    assert len(shown) == 4
