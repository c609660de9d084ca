"""The report's page escapes what it is told, asks nobody for anything and fits every screen."""

from __future__ import annotations

import dataclasses
import html
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from browser import chromium, contrast

from als_engine.evaluation.statistics import Interval
from als_engine.render.video import write_video
from als_engine.reports.chart import Estimate, curve_chart, interval_chart, ticks
from als_engine.reports.training import Report, Row, render, write_report

NASTY = "<script>alert('x')</script> & \"quotes\" $title ${style}"


def a_row(name: str, kind: str, mean: float) -> Row:
    return Row(
        Estimate(name, kind, Interval(mean, mean - 1, mean + 1)), 0.5, success=0.25, length=80.4
    )


def a_report(**changes: Any) -> Report:
    report = Report(
        title="An avatar learned to play tag",
        verdict="It has learned.",
        won=True,
        scenario="ALS/Tag-v0",
        summary="Pursuit and evasion.",
        curve=[(i * 1_000.0, 0.1 * i) for i in range(1, 101)],
        rows=[
            a_row("random", "random", -1),
            a_row("PPO", "trained", 9),
            a_row("expert", "expert", 14),
        ],
        episodes=100,
        command="als quickstart --out report --seed 0",
        videos=[("trained.gif", "The first test episodes.")],
        seconds={"training": 201.0, "video": 4.2},
        settings={"seed": "0"},
        versions={"torch": "2.13.0"},
        scenarios=[("ALS/Tag-v0", "Pursuit and evasion.")],
        next_steps=[("als play ALS/Tag-v0 --agent report/agent", "watch it")],
    )
    return dataclasses.replace(report, **changes)


def test_numbers_and_durations_are_written_for_people() -> None:
    page = html.unescape(render(a_report()))
    for words in ("−1.00", "8.00 to 10.00", "25%", "80", "3 min 21 s", "4 s", "100 episodes"):
        assert words in page


@pytest.mark.parametrize("field", ["title", "verdict", "scenario", "summary", "command"])
def test_every_text_is_escaped(field: str) -> None:
    page = render(a_report(**{field: NASTY}))
    assert "<script" not in page
    assert NASTY in html.unescape(page)


def test_names_and_facts_are_escaped() -> None:
    pairs = [(NASTY, NASTY)]
    page = render(
        a_report(
            rows=[a_row(NASTY, '"><script>', 1.0)],
            videos=pairs,
            scenarios=pairs,
            next_steps=pairs,
            settings=dict(pairs),
            versions=dict(pairs),
            seconds={NASTY: 1.0},
        )
    )
    assert "<script" not in page


def test_nothing_is_loaded_from_elsewhere() -> None:
    page = render(a_report())
    # The namespace of SVG is a name, not an address that is asked.
    assert set(re.findall(r"https?://[^\s\"'<]+", page)) == {"http://www.w3.org/2000/svg"}
    assert re.findall(r'(?:src|href)="([^"]+)"', page) == ["data:,", "trained.gif"]
    assert "default-src 'none'" in page


@pytest.mark.parametrize(
    ("low", "high", "wanted"),
    [
        (0.0, 10.0, [0, 2, 4, 6, 8, 10]),
        (-1.9, 14.6, [-5, 0, 5, 10, 15]),
        (0.0, 200_000.0, [0, 50_000, 100_000, 150_000, 200_000]),
        (3.0, 3.0, [2.4, 2.6, 2.8, 3.0, 3.2, 3.4, 3.6]),
        (-0.013, 0.004, [-0.015, -0.01, -0.005, 0.0, 0.005]),
    ],
)
def test_ticks_are_round_and_cover_the_range(low: float, high: float, wanted: list[float]) -> None:
    found = ticks(low, high)
    assert found[0] <= low
    assert found[-1] >= high
    if low != high:
        np.testing.assert_allclose(found, wanted, atol=1e-9)


def points_of(chart: str, kind: str) -> list[tuple[float, float]]:
    root = ElementTree.fromstring(chart)
    line = next(each for each in root.iter() if each.get("class") == kind)
    return [tuple(map(float, pair.split(","))) for pair in line.attrib["points"].split()]  # type: ignore[misc]


def test_a_curve_goes_up_on_paper_when_the_numbers_do_and_skips_what_is_not_finite() -> None:
    points = [(0.0, float("nan")), (10.0, 1.0), (20.0, 3.0), (30.0, 2.0)]
    (xa, ya), (xb, yb), (xc, yc) = points_of(curve_chart(points, [], "x", "y"), "curve trained")
    assert xa < xb < xc
    assert ya > yc > yb  # An SVG's y points down.


@pytest.mark.parametrize("points", [[], [(1.0, float("nan"))], [(5.0, 2.0)], [(0.0, 1.0)]])
def test_a_curve_of_hardly_any_points_is_drawn_all_the_same(
    points: list[tuple[float, float]],
) -> None:
    ElementTree.fromstring(
        curve_chart(points, [Estimate("a", "random", Interval(1, 0, 2))], "x", "y")
    )


def test_an_interval_is_drawn_in_proportion() -> None:
    chart = interval_chart(
        [Estimate("a", "random", Interval(0, -5, 10)), Estimate("b", "trained", Interval(5, 5, 5))],
        "",
    )
    lines = [e for e in ElementTree.fromstring(chart).iter() if e.get("class") == "whisker"]
    first, second = ((float(e.attrib["x1"]), float(e.attrib["x2"])) for e in lines)
    assert (
        second[0] == second[1] == pytest.approx(first[0] + (first[1] - first[0]) * 10 / 15, abs=0.2)
    )


# -- in a browser ---------------------------------------------------------------------------------


browser = pytest.fixture(chromium, scope="module")


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report with a film."""
    folder = tmp_path_factory.mktemp("report")
    frame = np.zeros((360, 480, 3), np.uint8)
    write_video(folder / "trained.gif", [frame, frame + 100])
    return write_report(folder, a_report())


@pytest.mark.parametrize("width", [360, 390, 800, 1400])
def test_it_fits_the_screen_shows_its_pictures_and_asks_nobody(
    browser: Any, page_file: Path, width: int
) -> None:
    view = browser.new_page(viewport={"width": width, "height": 800})
    asked, said = [], []
    view.on("request", lambda request: asked.append(request.url))
    view.on("console", lambda message: said.append(message.text))
    view.goto(page_file.as_uri())
    assert view.evaluate("document.documentElement.scrollWidth") <= width
    overflowing = (
        "[...document.querySelectorAll('.card')].filter(c => c.scrollWidth > c.clientWidth)"
    )
    assert view.evaluate(f"{overflowing}.length") == 0
    assert view.evaluate("document.images[0].naturalWidth") == 480
    assert {url.rpartition("/")[2] for url in asked if not url.startswith("data:")} == {
        "index.html",
        "trained.gif",
    }
    assert all(url.startswith(("file:", "data:")) for url in asked)
    assert said == []
    view.close()


def test_text_stands_out_in_light_and_in_dark(browser: Any, page_file: Path) -> None:
    for scheme in ("light", "dark"):
        view = browser.new_page(color_scheme=scheme)
        view.goto(page_file.as_uri())
        for selector in ("h1", ".verdict", "figcaption", "thead th", "tr.trained td", "dt"):
            style = f"getComputedStyle(document.querySelector('{selector}')).color"
            ground = "getComputedStyle(document.body).backgroundColor"
            # 4.5 is what WCAG 2.1 asks for.
            assert contrast(view.evaluate(style), view.evaluate(ground)) >= 4.5, (scheme, selector)
        view.close()
