"""Charts of many curves and heat maps say what the numbers say, and escape what they are told."""

from __future__ import annotations

import math
from xml.etree import ElementTree

import pytest

from als_engine.evaluation.statistics import Interval
from als_engine.reports.chart import Estimate
from als_engine.reports.series_chart import (
    Dot,
    Heat,
    Series,
    band_chart,
    heat_map,
    series_kind,
    standalone,
)

NASTY = "<script>alert('x')</script> & \"quotes\""
SVG = "{http://www.w3.org/2000/svg}"


def points(line: ElementTree.Element) -> list[tuple[float, float]]:
    pairs = (pair.split(",") for pair in line.attrib["points"].split())
    return [(float(x), float(y)) for x, y in pairs]


def test_curves_and_bands_are_drawn_where_the_numbers_are() -> None:
    series = Series("a", "s0", [0.0, 5.0, 10.0], [0.0, 1.0, 4.0], [0.0, 0.0, 2.0], [0.0, 2.0, 8.0])
    root = ElementTree.fromstring(band_chart([series], [], "x", "y"))
    (line,), (band,) = root.iter(f"{SVG}polyline"), root.iter(f"{SVG}polygon")
    (xa, ya), (xb, yb), (xc, yc) = points(line)
    assert xc - xb == pytest.approx(xb - xa, abs=0.11)
    assert ya - yc == pytest.approx(4 * (ya - yb), abs=0.4)  # An SVG's y points down.
    there_and_back = points(band)
    assert there_and_back[:3] == [
        (xa, ya),
        (xb, pytest.approx(2 * yb - ya, abs=0.2)),
        (xc, pytest.approx(2 * yc - ya, abs=0.2)),
    ]
    assert there_and_back[3:][::-1][1] == (xb, ya)


def test_what_is_not_finite_is_left_out_and_little_is_drawn_all_the_same() -> None:
    series = [
        Series("gap", "s0", [0.0, 1.0, 2.0], [1.0, math.nan, 3.0], [0.0] * 3, [4.0, 4.0, math.inf]),
        Series("none", "s1", [], []),
        Series("one", "s2", [1.0], [1.0]),
    ]
    root = ElementTree.fromstring(band_chart(series, [], "x", "y"))
    assert [len(points(line)) for line in root.iter(f"{SVG}polyline")] == [1, 0, 1]
    ElementTree.fromstring(band_chart([], [Estimate("a", "random", Interval(1, 1, 1))], "x", "y"))


def test_the_legend_names_everyone_within_the_drawing() -> None:
    names = [f"agent {i}" * (1 + i % 3) for i in range(12)]
    root = ElementTree.fromstring(
        band_chart(
            [Series(n, series_kind(i), [0, 1], [0, i]) for i, n in enumerate(names)], [], "", ""
        )
    )
    width, height = map(float, root.attrib["viewBox"].split()[2:])
    shown = {text.text: text.attrib for text in root.iter(f"{SVG}text")}
    for name in names:
        assert float(shown[name]["x"]) + 7.4 * len(name) <= width
        assert float(shown[name]["y"]) < height
    places = {(shown[n]["x"], shown[n]["y"]) for n in names}
    assert len(places) == len(set(names))


def test_a_heat_map_is_the_stronger_the_farther_from_neutral() -> None:
    cells = [
        [Heat(None, "", "self"), Heat(0.5, "0.75", "b")],
        [Heat(-1.0, "0.00", "c"), Heat(0.0, "0.50", "d")],
    ]
    root = ElementTree.fromstring(heat_map(["one", "two"], ["one", "two"], cells, "wins"))
    groups = [g for g in root.iter(f"{SVG}g") if g.get("class") in ("for", "against", "empty")]
    sides = [group.attrib["class"] for group in groups]
    assert sides == ["empty", "for", "against", "for"]
    strengths = [group.find(f"{SVG}rect").attrib["style"] for group in groups]  # type: ignore[union-attr]
    assert strengths == ["--v:0.000", "--v:0.500", "--v:1.000", "--v:0.000"]
    words = [text.text for text in root.iter(f"{SVG}text")]
    assert {"1", "2", "1  one", "2  two", "0.75"} <= set(words)


def test_other_columns_than_rows_have_a_key() -> None:
    cells = [[Heat(0.1, "0.10", "hint")] * 2]
    root = ElementTree.fromstring(heat_map(["focal"], ["partner", "other"], cells, ""))
    words = {text.text for text in root.iter(f"{SVG}text")}
    assert {"focal", "1  partner", "2  other"} <= words


def test_a_heat_map_of_many_keeps_its_numbers_in_its_hints() -> None:
    names = [f"agent {i}" for i in range(20)]
    cells = [[Heat(0.1, "0.10", f"{a} {b}") for b in names] for a in names]
    root = ElementTree.fromstring(heat_map(names, names, cells, ""))
    assert "0.10" not in {text.text for text in root.iter(f"{SVG}text")}
    assert "agent 3 agent 7" in {hint.text for hint in root.iter(f"{SVG}title")}


def test_marked_points_and_events_are_drawn_where_they_are() -> None:
    series = Series("a", "s0", [0.0, 5.0, 10.0], [0.0, 1.0, 4.0])
    dots = [Dot(5.0, 1.0, "s0", "fine"), Dot(10.0, 4.0, "s0", "undone", crossed=True)]
    events = [(2.5, "early"), (10.0, "late")]
    root = ElementTree.fromstring(band_chart([series], [], "x", "y", dots=dots, events=events))
    (line,), (circle,) = root.iter(f"{SVG}polyline"), root.iter(f"{SVG}circle")
    (xa, _), (xb, yb), (xc, yc) = points(line)
    assert (float(circle.attrib["cx"]), float(circle.attrib["cy"])) == (xb, yb)
    (cross,) = root.iter(f"{SVG}path")
    assert cross.attrib["d"].startswith(f"M{xc - 5:.1f} {yc - 5:.1f}l")
    places = [float(each.attrib["x1"]) for each in root.iter() if each.get("class") == "event"]
    assert places == [pytest.approx((xa + xb) / 2, abs=0.11), xc]
    texts = {text.text: text.attrib["text-anchor"] for text in root.iter(f"{SVG}text")}
    assert (texts["early"], texts["late"]) == ("start", "end")
    assert {"fine", "undone"} <= {title.text for title in root.iter(f"{SVG}title")}


def test_names_are_escaped() -> None:
    series = Series(NASTY, "s0", [0.0, 1.0], [0.0, 1.0])
    dots, events = [Dot(0.0, 0.0, NASTY, NASTY)], [(0.5, NASTY)]
    drawings = (
        band_chart([series], [], "x", "y", dots=dots, events=events),
        band_chart([series], [Estimate(NASTY, "random", Interval(0, 0, 0))], NASTY, NASTY),
        heat_map([NASTY], [NASTY], [[Heat(0.0, NASTY, NASTY)]], NASTY),
        heat_map(["a"], [NASTY], [[Heat(0.0, NASTY, NASTY)]], NASTY),
    )
    for drawing in drawings:
        assert "<script" not in drawing
        ElementTree.fromstring(drawing)


def test_many_series_stay_apart() -> None:
    assert len({series_kind(i) for i in range(24)}) == 24


def test_a_drawing_as_a_file_brings_its_style() -> None:
    drawing = standalone(heat_map(["a"], ["a"], [[Heat(0.0, "", "")]], ""), ".own {}")
    root = ElementTree.fromstring(drawing)
    style = root.findtext(f"{SVG}style") or ""
    assert "--rim: #e4e1d8" in style
    assert style.endswith(".own {}")
    assert root[1].attrib["fill"] == "#ffffff"
