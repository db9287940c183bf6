"""The command on a card is the one that trained the network: the stage's verb, on the study that was named."""

from __future__ import annotations

from typing import Any

import pytest

from nas.exporting.reproducing import training_command
from nas.settings import make_settings

TABLES = {"search": {"trials": 5, "repeats": 2}, "fit": {"seeds": 3}, "grow": {"epochs": 3, "seeds": 2}}


def _lineage(arm: str, *, network: str | None = None, **choices: Any) -> dict[str, Any]:
    return {
        "study": f"s.{arm}",
        "settings": make_settings(TABLES).model_dump(),
        "arm": {"of": "s", "name": arm, "network": network},
        "choices": choices,
    }


@pytest.mark.parametrize(
    ("lineage", "command"),
    [
        (_lineage("finalists", candidate=1, repeat=2), "nas search --study s --repeats 2 --trials 5"),
        (_lineage("control"), "nas search --study s --repeats 2 --trials 5"),
        (_lineage("fit", depth=1.2), "nas fit s --seeds 3"),
        (_lineage("longer", depth=1.2), "nas fit s --seeds 3"),
        (_lineage("sweep", depth=1.0, width=1.4), "nas fit s --sweep width=1.4 --seeds 3"),
        (
            _lineage("grow", rule="width", size="phi 1"),
            "nas grow s --rule width --phi 1 --epochs 3 --seeds 2",
        ),
        (
            _lineage("grow", rule="compound", size="50M macs"),
            "nas grow s --rule compound --macs 50M --epochs 3 --seeds 2",
        ),
        (
            _lineage("grow", network="resnet18", rule="width", size="phi 0"),
            "nas grow resnet18 --study s --rule width --phi 0 --epochs 3 --seeds 2",
        ),
    ],
)
def test_each_part_of_a_study_has_the_verb_that_made_it(lineage: dict[str, Any], command: str) -> None:
    assert training_command(lineage) == command


def test_a_study_that_nobody_searched_has_no_command() -> None:
    assert training_command({}) is None
    assert training_command({"settings": {"fingerprint": "x"}}) is None
