"""The hash of a space's definition, and the difference between two definitions in words."""

from __future__ import annotations

import json
import subprocess
import sys

from search_space import Architecture, Choice
from search_space.spaces import MnasNet, MobileNetV3, SearchSpace, Values, difference
from tests.fakes.small_spaces import SmallPlain

SPACE = SmallPlain(resolution=8, num_classes=10)


class Wider(SmallPlain):
    """Like `SmallPlain`, but one option of one choice decodes to another network."""

    def architecture(self, values: Values) -> Architecture:
        return super().architecture({**values, "channels": 24 if values["channels"] == 16 else 8})


class MoreDepths(SmallPlain):
    """Like `SmallPlain` with another choice and another option."""

    choices = (Choice("depth", (1, 2, 3, 4)), *SmallPlain.choices[1:], Choice("new", (0, 1)))


class Reordered(SmallPlain):
    """Like `SmallPlain`, its choices in another order."""

    choices = SmallPlain.choices[::-1]


def changed(other: SearchSpace) -> str:
    assert other.version != SPACE.version
    return difference(SPACE.describe(), other.describe())


def test_equal_spaces_have_one_version_and_no_difference() -> None:
    again = SmallPlain(resolution=8, num_classes=10)
    assert again.version == SPACE.version and difference(again.describe(), SPACE.describe()) == ""


def test_a_description_survives_json() -> None:
    for space in (SPACE, MnasNet(resolution=32, num_classes=10), MobileNetV3(resolution=32, num_classes=10)):
        description = space.describe()
        assert json.loads(json.dumps(description)) == description
        assert description["version"] == space.version


def test_every_setting_is_part_of_the_definition() -> None:
    assert changed(SmallPlain(resolution=9, num_classes=10)) == "resolution was 8 and is now 9"
    assert changed(SmallPlain(resolution=8, num_classes=9)) == "num_classes was 10 and is now 9"
    assert (
        changed(SmallPlain(resolution=8, num_classes=10, input_channels=1))
        == "input_channels was 3 and is now 1"
    )
    assert changed(SmallPlain(resolution=8, num_classes=10, width=0.5)) == "width was 1.0 and is now 0.5"


def test_changed_choices_are_named() -> None:
    lines = changed(MoreDepths(resolution=8, num_classes=10)).splitlines()
    assert lines == ["1 choice is new: new", "the options of depth were 1, 2, 3 and are now 1, 2, 3, 4"]
    assert changed(Reordered(resolution=8, num_classes=10)) == "the same choices stand in another order"


def test_a_change_of_the_decoding_is_noticed() -> None:
    assert changed(Wider(resolution=8, num_classes=10)).startswith(
        "the same choices decode to other networks"
    )


def test_the_version_is_the_same_in_another_process() -> None:
    code = "from search_space.spaces import MnasNet; print(MnasNet(resolution=32, num_classes=10).version)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == MnasNet(resolution=32, num_classes=10).version
