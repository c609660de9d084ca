"""No page and no drawing lets a text of other people act, whatever it holds."""

from __future__ import annotations

from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from places import ROOT

from als_engine.reports.chart import Interval, curve_chart, interval_chart
from als_engine.reports.training import Report, Row, render

ODD = "</title></style><script>x()</script><img src=x onerror=x()>\"'&\x1b[2J\0\u202e"


class Tags(HTMLParser):
    """Every tag with its attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, tuple[str, ...]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, tuple(name for name, _ in attrs)))


def harmless(page: str) -> None:
    assert not {"\x1b", "\0", "\u202e"} & set(page)
    for tag, attributes in Tags(page).found:
        assert tag != "script"
        assert not [name for name in attributes if name.startswith("on")]


def test_the_report_of_a_training() -> None:
    row = Row(Interval(ODD, "trained", 1.0, 0.5, 1.5), 0.5, success=0.5, length=3.0)
    report = Report(
        title=ODD, verdict=ODD, won=True, scenario=ODD, summary=ODD, curve=[(1.0, 2.0), (2.0, 3.0)],
        rows=[row], episodes=2, command=ODD, videos=[(ODD, ODD)], settings={ODD: ODD},
        versions={ODD: ODD}, scenarios=[(ODD, ODD)], next_steps=[(ODD, ODD)],
    )  # fmt: skip
    harmless(render(report))


@pytest.mark.parametrize("kind", ["random", "trained"])
def test_drawings_are_xml_whatever_names_hold(kind: str) -> None:
    interval = Interval(ODD, kind, 1.0, 0.5, 1.5)
    for drawing in (
        interval_chart([interval], ODD),
        curve_chart([(0.0, 1.0), (1.0, 2.0)], [interval], ODD, ODD),
    ):
        harmless(drawing)
        ElementTree.fromstring(drawing)


def test_every_writer_of_pages_escapes_by_the_one_function() -> None:
    """Who builds markup imports `als_engine.texts.escape`, or has nothing from outside in it."""
    root = ROOT
    fixed = {"report_style.py", "style.py", "replay.py", "charts.py"}
    for folder in ("als_engine", "plugins"):
        for path in (root / folder).rglob("*.py"):
            text = path.read_text(encoding="utf-8")
            builds = any(
                f"<{tag}" in text for tag in ("td>", "p>", "div", "text ", "figure", "li>")
            )
            if builds and path.name not in fixed:
                assert "escape" in text, path
