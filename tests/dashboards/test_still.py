"""A page as plain markup, before its scripts: the same words and numbers, nothing of somebody else's as markup."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import plotly.graph_objects as go
import pytest
from dash import dcc, html
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.test import Client

from dashboards import app
from dashboards.drawing.components import chart, choice
from dashboards.drawing.sketch import Axis, sketch
from dashboards.drawing.theme import TIME_SCALE, figure, nothing
from dashboards.pages import router
from dashboards.site import Site
from dashboards.still import still
from runs import FailureClass, Outcome, Store, TrialState
from runs.text import visible
from tests.dashboards.conftest import WITH_TOKEN
from tests.fakes.ledgers import architecture

SIDE = 1_000.0
HOSTILE = "</div><script>alert(1)</script>\u202e{%renderer%}{%app_entry%}\"' onload=x"


class Read(HTMLParser):
    """What a browser makes of markup: its texts, and every element with its attributes."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(document)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def document(client: Client, path: str) -> str:
    answer = client.get(path, headers=WITH_TOKEN)
    assert answer.status_code == 200
    return answer.text


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/s/1",
        "/s/1/trials",
        "/s/1/trials/1",
        "/s/1/scaling",
        "/s/1/family",
        "/s/1/workers",
        f"/a/{architecture(11).digest}",
        "/s/99",
    ],
)
def test_every_document_says_what_its_page_says(client: Client, site: Site, path: str) -> None:
    page, navigation, _ = router.content(site, path)
    text = document(client, path)
    assert still(navigation) in text and re.sub(r"\d+ m?s ago", "", still(page)) in re.sub(
        r"\d+ m?s ago", "", text
    )
    read = Read(text)
    ids = [attributes["id"] for _, attributes in read.elements if "id" in attributes]
    assert len(ids) == len(set(ids)) and {"still", "react-entry-point"} <= set(ids)


def test_the_first_page_of_a_study_has_its_numbers_and_its_front_without_a_script(client: Client) -> None:
    read = Read(document(client, "/s/1"))
    assert {"Best reward so far", "trial 1", "Validation accuracy"} <= set(read.texts)
    assert [tag for tag, _ in read.elements].count("path") >= 2


def test_an_error_that_is_markup_is_text_in_the_document(client: Client, store: Store) -> None:
    [claim] = store.begin(1)
    failed = Outcome(claim, TrialState.FAILED, failure_class=FailureClass.USER_ERROR, traceback=HOSTILE)
    store.finish([failed])
    number = next(trial.number for trial in store.trials(1) if trial.id == claim.trial_id)
    read = Read(document(client, f"/s/1/trials/{number}"))
    assert visible(HOSTILE) in read.texts and "\u202e" not in "".join(read.texts)
    assert not [attributes for _, attributes in read.elements if "onload" in attributes]
    own = [tag for tag, attributes in read.elements if tag == "script" and "src" not in attributes]
    assert len(own) == 2  # Dash's configuration and its start, once each: the policy names their hashes
    assert [attributes.get("id") for _, attributes in read.elements].count("react-entry-point") == 1


def test_a_page_that_cannot_be_made_does_not_keep_its_document_back(
    client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def failing(*given: object) -> str:
        raise RuntimeError("of a chart")

    monkeypatch.setattr(app, "still", failing)
    assert 'id="react-entry-point"' in document(client, "/s/1")
    assert "of a chart" in caplog.text


@given(st.text(), st.text())
def test_any_text_is_read_as_it_is(text: str, name: str) -> None:
    written = still(html.P([text], title=name))
    read = Read(written)
    assert "".join(read.texts) == visible(text, "\n\r\t") and "{%" not in written
    assert read.elements == [("p", {"title": visible(name, "\n\r\t")})]


def test_what_names_an_element_stays_with_the_page_and_what_leads_elsewhere_too() -> None:
    node = html.Div(
        [
            html.A("mine", href="/s/1", id="mine", download="x"),
            html.A("theirs", href="javascript:alert(1)"),
            html.A("far", href="//example.org"),
            dcc.Link("page", href="/"),
            dcc.Store(id="kept", data={"a": 1}),
            html.Img(src="/a.svg", alt="a"),
            html.Button("b", disabled=True, hidden=False, n_clicks=3),
            None,
            3,
        ],
        style={"maxWidth": 40, "opacity": 0.5},
    )
    assert still(node) == (
        '<div style="max-width:40px;opacity:0.5"><a href="/s/1">mine</a><a>theirs</a><a>far</a><a href="/">page</a>'
        '<img alt="a" src="/a.svg"><button disabled="">b</button>3</div>'
    )


def test_options_show_which_is_chosen() -> None:
    text = still(choice("c", "Cost", {"macs": "MACs", "params": "Parameters"}, "params"))
    assert re.findall(r"<input[^>]*> \w+", text) == [
        '<input type="radio" disabled> MACs',
        '<input type="radio" disabled checked> Parameters',
    ]
    assert re.findall("checked> .", still(dcc.Checklist(options=["a", "b"], value=["b"]))) == ["checked> b"]


def test_a_chart_that_is_not_sketched_keeps_its_room() -> None:
    drawn = figure(go.Bar(x=["a"], y=[1]))
    assert '<div style="height:340px"></div>' in still(chart("c", "Title", drawn, csv="/c"))
    dates = figure(go.Scatter(x=["2026-11-01", "2026-11-02"], y=[1, 2]))
    assert [sketch(one, 340) for one in (drawn, dates, nothing("none"))] == ["", "", ""]


def test_points_stand_where_the_axes_say() -> None:
    drawn = figure(
        go.Scatter(x=[10, 1_000], y=[0.0, 1.0], mode="markers", marker={"color": "red", "size": 5}),
        xaxis={"type": "log", "range": [0, 4]},
        yaxis={"range": [-1, 1]},
    )
    text = sketch(drawn, 200)
    assert re.findall(r"M([\d.]+) ([\d.]+)h0", text) == [("250.0", "500.0"), ("750.0", "0.0")]
    assert 'stroke="red" stroke-width="5"' in text
    assert re.findall(r'class="under" style="left:([\d.]+)%">(\w+)', text) == [
        ("0.00", "1"),
        ("25.00", "10"),
        ("50.00", "100"),
        ("75.00", "1k"),
        ("100.00", "10k"),
    ]


def test_a_line_has_its_steps_and_its_gaps() -> None:
    axes = {"xaxis": {"range": [0, 10]}, "yaxis": {"range": [0, 10]}}
    line = go.Scatter(x=[0, 5, None, 10], y=[0, 5, None, 10], mode="lines", line={"shape": "hv"})
    assert 'd="M0.0 1000.0H500.0V500.0M1000.0 0.0"' in sketch(figure(line, **axes), 200)


def test_what_is_coloured_by_a_scale_has_its_ends() -> None:
    points = go.Scatter(
        x=[0, 1, 2], y=[0, 1, 2], mode="markers", marker={"color": [0, 50, 100], "coloraxis": "coloraxis"}
    )
    text = sketch(figure(points, coloraxis={"colorscale": [[0, "#000000"], [1, "#ffffff"]]}), 200)
    assert re.findall(r'stroke="(#\w+)"', text) == ["#0b0b0b", "#8a8a8a", "#f4f4f4"]
    sized = go.Scatter(
        x=[0, 1],
        y=[0, 1],
        mode="markers",
        marker={"color": [0, 1], "size": [4, 9], "colorscale": TIME_SCALE},
    )
    assert re.findall(r'stroke-width="(\d+)"', sketch(figure(sized), 200)) == ["4", "9"]


def test_a_region_and_a_target_are_marked() -> None:
    drawn = figure(go.Scatter(x=[0, 10], y=[0, 1]), xaxis={"range": [0, 10]})
    drawn.add_shape(type="rect", x0=8, x1=800, y0=0, y1=1, yref="paper", fillcolor="grey")
    drawn.add_vline(x=5, line={"color": "green", "dash": "dash"})
    text = sketch(drawn, 200)
    assert '<rect x="800.0" y="0" width="200.0" height="1000" fill="grey"/>' in text
    assert 'd="M500.0 0V1000" stroke="green" stroke-width="2" stroke-dasharray="6 5"' in text


@given(
    st.floats(-1e6, 1e6),
    st.floats(1e-3, 1e6),
    st.booleans(),
)
def test_an_axis_has_a_few_round_marks_all_of_them_on_it(low: float, length: float, is_log: bool) -> None:
    if is_log:
        low, length = low / 1e5, min(max(length / 1e5, 0.5), 12.0)
    axis = Axis(low, low + length, is_log)
    ticks = axis.ticks()
    places = axis.places(ticks)
    assert len(ticks) <= (13 if is_log else 6) and ((places >= -1e-6) & (places <= 1 + 1e-6)).all()
    assert len(ticks) >= (1 if is_log else 2)
