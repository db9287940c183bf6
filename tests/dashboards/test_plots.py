"""Single figures and the report of a sweep, a fit and a family, drawn from a ledger that the stages wrote."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from dash import dcc, html
from matplotlib.figure import Figure
from plotly.io.json import to_json_plotly

from dashboards.info import scaling as info
from dashboards.pages import router, scaling
from dashboards.plots import PLOTS, NothingToPlot, write_plot
from dashboards.reader import Reader
from dashboards.report import report
from dashboards.site import Site
from nas import adopt
from nas.settings import Settings
from nas.stages.fit import fit
from nas.stages.grow import grow
from nas.stages.sweep import sweep
from runs import open_store
from search_space import open_space
from tests.dashboards.modelled import Modelled, settings, vote
from tests.dashboards.test_dashboards_app import components

STUDY = "scaled"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A swept, fitted and grown network, whose trainings are a formula."""
    chosen = settings(tmp_path_factory.mktemp("plots"), STUDY)
    space = open_space("mnasnet", resolution=12, num_classes=10, input_channels=1, width=0.25)
    adopt(space.decode(space.sample(np.random.default_rng(0))), chosen)
    at = {"storage": chosen.search.storage, "evaluator": Modelled(may_fail=False)}
    sweep(STUDY, {"width": [1.5, 2.0, 3.0, 4.0], "resolution": [1.5, 2.0, 2.5]}, **at)
    fit(STUDY, changes=_longer, **at)
    grow(STUDY, **at)
    with open_store(chosen.search.storage) as store:
        vote(store, store.study(f"{STUDY}.grow").id)
        yield Site(Reader(store))


def _longer(stored: Settings) -> Settings:
    """Returns a fit's settings with trainings that tell how far it may be trusted."""
    return stored.model_copy(update={"fit": stored.fit.model_copy(update={"longer": (8, 16)})})


@pytest.mark.parametrize("name", ["sweep", "region", "parameters", "predictions", "family"])
def test_each_figure_of_a_rule_is_drawn_for_the_study_and_for_each_of_its_arms(site: Site, name: str) -> None:
    drawn = []
    for head in site.reader.browse.heads():
        draw = PLOTS[name][1](site, head)
        assert draw is not None
        axes = Figure().add_subplot()
        draw(axes)
        drawn.append([[np.asarray(point).tolist() for point in line.get_data()] for line in axes.lines])
    assert len(drawn) == 5 and all(one == drawn[0] for one in drawn)


def test_a_sweeps_figure_shows_its_points_and_the_law_inside_its_interval(site: Site) -> None:
    family = scaling.family_of(site, _study(site))
    [resolution] = [one for one in scaling.alone(site, family) if one.dimension == "resolution"]
    assert {1.0, 1.5, 2.0, 2.5} <= set(resolution.factors) and resolution.sizes[0] == 1.0
    law = scaling.laws(site, family)["resolution"]
    curve = info.law_curve(law)
    assert (curve.lows <= curve.values).all() and (curve.values <= curve.highs).all()
    assert curve.sizes[[0, -1]] == pytest.approx([resolution.sizes[0], resolution.sizes[-1]])
    axes = Figure().add_subplot()
    draw = PLOTS["sweep"][1](site, site.reader.head(_study(site)))
    assert draw is not None
    draw(axes)
    lines = [[np.asarray(point).tolist() for point in line.get_data()] for line in axes.lines]
    assert [list(resolution.sizes), list(resolution.means)] in lines
    assert [curve.sizes.tolist(), curve.values.tolist()] in lines


def test_a_family_does_not_count_as_a_sweep_because_it_is_trained_longer(site: Site) -> None:
    family = scaling.family_of(site, _study(site))
    grown = info.saturations(scaling.trials_of(site, family.arms["grow"]))
    assert "width" in [one.dimension for one in grown]  # by which alone it grew, too
    swept = {factor for one in scaling.alone(site, family) for factor in one.factors}
    assert not swept & {factor for one in grown for factor in one.factors if factor != 1.0}


def test_a_figure_is_a_file_and_one_without_numbers_says_what_is_missing(site: Site, tmp_path: Path) -> None:
    write_plot(site, _study(site), "region", tmp_path / "region.svg")
    assert "possibly the best" in (tmp_path / "region.svg").read_text(encoding="utf-8")
    with pytest.raises(NothingToPlot, match="what the figure 'front' shows, got none yet"):
        write_plot(site, _study(site), "front", tmp_path / "front.png")


def test_the_report_has_every_figure_of_the_page_of_scaling_and_the_family(site: Site) -> None:
    page, text = router.content(site, f"/s/{_study(site)}/scaling")[0], report(site, _study(site))
    sections = dict(part.split("</h2>", 1) for part in text.split("<h2>")[1:])
    seen = []
    for card in (one for one in components(page) if isinstance(one, html.Section)):
        [title, *_] = [one.children for one in components(card) if isinstance(one, html.H2)]
        for chart in (one for one in components(card) if isinstance(one, dcc.Graph)):
            assert to_json_plotly(chart.figure.to_dict()["data"]) in sections[title]
            seen.append(chart.id)
    rule = ["region", "measured", "parameters", "comparisons", "predictions"]
    assert seen == [*rule, "committees", "saturation"]
    tables = {"The rule", "Law of width", "Law of resolution", "Members of the family", "Committees"}
    assert tables | {"The family"} <= set(sections)
    stored = scaling.newest_rule(site, scaling.family_of(site, _study(site)))
    assert stored is not None
    for one in stored.fit.parameters:
        assert f"<td>{one.value:.3f}</td>" in sections["The rule"]


def _study(site: Site) -> int:
    [head] = [one for one in site.reader.browse.heads() if one.name == STUDY]
    return head.id


def test_the_page_and_the_report_say_how_far_short_trainings_may_be_trusted(site: Site) -> None:
    found = scaling.trust_of(site, scaling.family_of(site, _study(site)))
    assert found is not None and [check.epochs for check in found.checks] == [8, 16]
    shown = components(router.content(site, f"/s/{_study(site)}/scaling")[0])
    told = [str(one.children) for one in shown if isinstance(one, html.P) and one.children is not None]
    assert found.verdict[:1].upper() + found.verdict[1:] + "." in told
    cells = [str(one.children) for one in shown if isinstance(one, html.Td)]
    text = report(site, _study(site))
    for check in found.checks:
        kendall = f"{check.kendall.value:.2f} ({check.kendall.low:.2f} to {check.kendall.high:.2f})"
        assert kendall in cells and f"<td>{kendall}</td>" in text
    assert found.verdict in text
