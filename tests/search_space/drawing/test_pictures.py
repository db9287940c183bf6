"""Pictures of networks: well-formed, the same every time, nothing on top of anything, and no text that acts."""

from __future__ import annotations

import subprocess
import sys
from itertools import combinations, pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from search_space import (
    Architecture,
    ArchitectureError,
    DrawingError,
    Stage,
    draw,
    layers,
    reference,
    reference_names,
)
from search_space.drawing import DEPTHS, sketch
from search_space.drawing.sketch import MAX_BOXES, listed, span, wrapped
from search_space.drawing.svg import COLOURS, INK, PANEL, QUIET, Picture, picture
from tests.search_space.architectures import architectures

SVG = "{http://www.w3.org/2000/svg}"
ALLOWED = {"svg", "title", "g", "rect", "path", "polygon", "text"}
TYPICAL = (
    "alexnet_two_group",
    "googlenet_v1_original_aux",
    "resnet50",
    "dpn68",
    "condensenet74_c4g4",
    "nasnet_a_mobile_4_1056",
    "mobilenet_v3_large_1_0",
)
Rectangle = tuple[float, float, float, float]


def _picture(architecture: Architecture, depth: int) -> Picture:
    return picture(sketch(architecture, depth), "a network")


def _apart(one: Rectangle, two: Rectangle) -> bool:
    return one[2] <= two[0] or two[2] <= one[0] or one[3] <= two[1] or two[3] <= one[1]


def _check_geometry(shown: Picture) -> None:
    boxes = shown.sketch.boxes
    rectangles = [shown.rectangle(number) for number in range(len(boxes))]
    rows: dict[int, list[Rectangle]] = {}
    for box, rectangle in zip(boxes, rectangles, strict=True):
        rows.setdefault(box.row, []).append(rectangle)
        assert 0 <= rectangle[0] and rectangle[2] <= shown.width
        assert 0 <= rectangle[1] and rectangle[3] <= shown.height
    for members in rows.values():
        assert all(_apart(one, two) for one, two in combinations(members, 2))
    for (_, above), (_, below) in pairwise(sorted(rows.items())):
        assert max(rectangle[3] for rectangle in above) < min(rectangle[1] for rectangle in below)
    _check_links(shown, rectangles, rows)
    bands = [shown.band(frame) for frame in shown.sketch.frames]
    assert all(above[3] <= below[1] for above, below in pairwise(bands))
    for box, rectangle in zip(boxes, rectangles, strict=True):
        for frame, (left, top, right, bottom) in zip(shown.sketch.frames, bands, strict=True):
            inside = left <= rectangle[0] and rectangle[2] <= right and top <= rectangle[1] <= bottom
            assert (
                inside
                if frame.first <= box.row <= frame.last
                else _apart(rectangle, (left, top, right, bottom))
            )


def _check_links(shown: Picture, rectangles: list[Rectangle], rows: dict[int, list[Rectangle]]) -> None:
    """Every link begins on its source's lower side, ends on its target's upper side, and runs through no box."""
    for number, link in enumerate(shown.sketch.links):
        way, source, target = shown.route(number), rectangles[link.source], rectangles[link.target]
        assert source[0] <= way[0][0] <= source[2] and way[0][1] == pytest.approx(source[3])
        assert target[0] <= way[-1][0] <= target[2] and way[-1][1] == pytest.approx(target[1])
        assert all(above[1] <= below[1] + 1e-6 for above, below in pairwise(way))
        for (x, top), (other, bottom) in pairwise(way):
            for rectangle in (one for members in rows.values() for one in members):
                if rectangle[1] < bottom - 1e-6 and rectangle[3] > top + 1e-6:
                    assert x == other and not rectangle[0] < x < rectangle[2]


@pytest.mark.parametrize("depth", [0, 1, 2, 3])
def test_nothing_lies_on_anything_in_the_whole_zoo(depth: int) -> None:
    drawn = set()
    for name in reference_names():
        network = reference(name)
        if network.digest in drawn or (depth == 3 and "1001" in name):
            continue
        drawn.add(network.digest)
        try:
            _check_geometry(_picture(network, depth))
        except AssertionError as error:
            raise AssertionError(f"{name} at depth {depth}") from error


@pytest.mark.parametrize("name", TYPICAL)
def test_nothing_lies_on_anything_operator_by_operator(name: str) -> None:
    _check_geometry(_picture(reference(name), 4))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(network=architectures(), depth=st.sampled_from(DEPTHS))
def test_random_networks_are_drawn_as_well(network: Architecture, depth: int) -> None:
    try:
        shown = _picture(network, depth)
    except ArchitectureError:
        reject()  # a block cannot take what enters it
    _check_geometry(shown)
    ElementTree.fromstring(draw(network, depth=depth))


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("name", TYPICAL)
def test_a_picture_is_plain_well_formed_svg_with_a_name(name: str, depth: int) -> None:
    root = ElementTree.fromstring(draw(reference(name), depth=depth, title=name))
    assert {element.tag.removeprefix(SVG) for element in root.iter()} <= ALLOWED
    assert root.get("role") == "img" and root.get("aria-label", "").startswith(name)
    assert root[0].tag == f"{SVG}title" and (root[0].text or "").startswith(name)
    assert not any(
        attribute == "id" or attribute.startswith("on") or "href" in attribute
        for element in root.iter()
        for attribute in element.attrib
    )


@pytest.mark.parametrize("depth", DEPTHS)
def test_every_box_tells_what_it_is(depth: int) -> None:
    root = ElementTree.fromstring(draw(reference("googlenet_v1_original"), depth=depth))
    groups = list(root.iter(f"{SVG}g"))
    assert groups and all(group[0].tag == f"{SVG}title" and group[0].text for group in groups)


@pytest.mark.parametrize("name", ["vgg11", "nasnet_a_cifar_6_768", "mobilenet_v3_small_1_0"])
def test_depth_four_has_a_box_for_every_operator_of_every_different_block(name: str) -> None:
    names = {layer.name for layer in layers(reference(name))}
    keys = {box.key for box in sketch(reference(name), 4).boxes} - {"image"}
    assert keys <= names
    runs = {frame.lines[0] for frame in sketch(reference(name), 4).frames}
    assert len(runs) == len(sketch(reference(name), 4).frames)


def test_more_depth_shows_more() -> None:
    counts = [len(sketch(reference("googlenet_v1_original"), depth).boxes) for depth in DEPTHS]
    assert counts[0] < counts[1] <= counts[2] < counts[3] < counts[4]


def test_googlenets_branches_stand_side_by_side() -> None:
    drawn = sketch(reference("googlenet_v1_original"), 3)
    inside = [box for box in drawn.boxes if box.key.startswith("stages.4.")]
    assert sorted(sum(box.row == row for box in inside) for row in {box.row for box in inside}) == [1, 3, 4]


def test_nasnets_cells_have_two_inputs() -> None:
    drawn = sketch(reference("nasnet_a_mobile_4_1056"), 2)
    sources = [
        len({link.source for link in drawn.links if link.target == number})
        for number, box in enumerate(drawn.boxes)
        if box.key.startswith("stages.4.")
    ]
    assert sources == [2, 2, 2, 2]


def test_equal_text_in_another_process() -> None:
    code = (
        "from search_space import draw, reference\n"
        "print(draw(reference('nasnet_a_mobile_4_1056'), depth=3, title='x'), end='')"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == draw(reference("nasnet_a_mobile_4_1056"), depth=3, title="x")


HOSTILE = (
    "</title><script>alert(1)</script>",
    '" onload="alert(1)',
    "]]>&amp;<!--",
    "a\x00b\x1b[31m\x07",
    "\u202eright to left\u2066",
    "\ud800 lone",
    "x" * 10_000,
    "\n\r\t",
)


@pytest.mark.parametrize("title", HOSTILE)
def test_a_hostile_title_is_only_text(title: str) -> None:
    text = draw(reference("alexnet_two_group"), title=title)
    root = ElementTree.fromstring(text.encode())
    assert {element.tag.removeprefix(SVG) for element in root.iter()} <= ALLOWED
    assert len(text) < 20_000
    assert all(character.isprintable() or character == "\n" for character in text)


@given(title=st.text())
@settings(max_examples=60, deadline=None)
def test_any_title_gives_a_document(title: str) -> None:
    ElementTree.fromstring(draw(reference("alexnet_two_group"), depth=0, title=title).encode())


@pytest.mark.parametrize("depth", [-1, 5])
def test_another_depth_is_refused(depth: int) -> None:
    with pytest.raises(DrawingError, match=r"depth must be 0 .* to 4 .*, got"):
        draw(reference("vgg11"), depth=depth)


def test_a_picture_that_nobody_could_look_at_is_refused() -> None:
    network = reference("resnet18")
    stages = tuple(Stage("conv", 1, 8 + index % 2) for index in range(250))
    many = Architecture(32, network.stem, stages, network.head)
    assert len(sketch(many, 4).boxes) < MAX_BOXES
    wide = Architecture(32, network.stem, (Stage("condense", 400, 8),), network.head)
    with pytest.raises(DrawingError, match="at most 3000 boxes"):
        draw(wide, depth=4)


@pytest.mark.parametrize("colour", [INK, QUIET])
@pytest.mark.parametrize("ground", sorted({fill for fill, _ in COLOURS.values()} | {PANEL}))
def test_every_word_can_be_read_on_its_ground(colour: str, ground: str) -> None:
    """WCAG 2.2, 1.4.3: a contrast of 4.5."""
    light, dark = sorted((_luminance(colour), _luminance(ground)), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 4.5


def _luminance(colour: str) -> float:
    parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_words_are_wrapped_counted_and_joined() -> None:
    assert wrapped("3×3, expansion 6, squeeze-excitation, stride 2", 20) == (
        "3×3, expansion 6,",
        "squeeze-excitation,",
        "stride 2",
    )
    assert wrapped("", 20) == ()
    assert listed(["pool", "conv", "conv"]) == "pool, conv ×2"
    assert span("stages.1", "stages.3") == "stages.1–3" and span("stem", "stem") == "stem"


def test_drop_path_is_drawn_only_among_every_operator() -> None:
    network = reference("resnet50")
    written = {
        depth: " ".join(
            text.text or "" for text in ElementTree.fromstring(draw(network, depth=depth)).iter(f"{SVG}text")
        )
        for depth in (3, 4)
    }
    assert "add" in written[3] and "drop path" not in written[3] and "drop path" in written[4]


def test_many_equal_blocks_drawn_as_one_have_the_cost_of_each() -> None:
    boxes = sketch(reference("preresnet1001_cifar100"), 2).boxes
    [alike] = [box for box in boxes if "107 alike, each" in box.caption[0] and box.key.startswith("stages.0")]
    single = boxes[alike.row - 1]
    assert (alike.caption[3:], alike.share) == (single.caption[3:], single.share)
