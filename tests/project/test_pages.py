"""No page and no drawing lets a text of other people act, and no code holds HTML."""

from __future__ import annotations

import ast
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from places import ROOT

from als_engine.evaluation.statistics import Interval
from als_engine.reports.chart import Estimate, curve_chart, interval_chart
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
    row = Row(Estimate(ODD, "trained", Interval(1.0, 0.5, 1.5)), 0.5, success=0.5, length=3.0)
    report = Report(
        title=ODD, verdict=ODD, won=True, scenario=ODD, summary=ODD, curve=[(1.0, 2.0), (2.0, 3.0)],
        rows=[row], episodes=2, command=ODD, videos=[(ODD, ODD)], settings={ODD: ODD},
        versions={ODD: ODD}, scenarios=[(ODD, ODD)], next_steps=[(ODD, ODD)],
    )  # fmt: skip
    harmless(render(report))


@pytest.mark.parametrize("kind", ["random", "trained"])
def test_drawings_are_xml_whatever_names_hold(kind: str) -> None:
    interval = Estimate(ODD, kind, Interval(1.0, 0.5, 1.5))
    for drawing in (
        interval_chart([interval], ODD),
        curve_chart([(0.0, 1.0), (1.0, 2.0)], [interval], ODD, ODD),
    ):
        harmless(drawing)
        ElementTree.fromstring(drawing)


DRAWINGS = {
    "als_engine/reports/chart.py",
    "als_engine/reports/series_chart.py",
}
"""What draws SVG. Pages are made of templates."""

HTML = (
    "a|abbr|article|aside|audio|b|base|blockquote|body|br|button|canvas|caption|code|col|"
    "colgroup|data|dd|details|dialog|div|dl|dt|em|embed|fieldset|figcaption|figure|footer|"
    "form|h1|h2|h3|h4|h5|h6|head|header|hr|html|i|iframe|img|input|ins|kbd|label|legend|li|"
    "link|main|map|mark|meta|meter|nav|object|ol|option|output|p|picture|pre|progress|q|s|"
    "samp|script|section|select|small|span|strong|sub|summary|sup|table|tbody|td|template|"
    "textarea|tfoot|th|thead|time|tr|u|ul|var|video"
)
SVG = "svg|g|circle|ellipse|line|path|polygon|polyline|rect|style|text|title|tspan"


def tags(texts: list[str], names: str) -> list[str]:
    """The tags of these names in the strings of a source."""
    pattern = re.compile(rf"</?(?:{names})(?=[\s/>{{])|<!doctype", re.IGNORECASE)
    return [tag for text in texts for tag in pattern.findall(text)]


def strings(source: str) -> list[str]:
    """What a Python source has in strings that could hold a tag, docstrings aside."""
    if "<" not in source and "\\" not in source:
        return []
    nodes = [*ast.walk(ast.parse(source))]
    spoken = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    kinds = (ast.Constant, ast.JoinedStr)
    texts = (written(node) for node in nodes if isinstance(node, kinds) and id(node) not in spoken)
    return [text for text in texts if "<" in text]


def written(node: ast.AST) -> str:
    """A string's text, with "{" for what an f-string fills in."""
    if isinstance(node, ast.JoinedStr):
        return "".join(written(part) or "{" for part in node.values)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def test_no_code_holds_html_and_only_drawings_hold_svg() -> None:
    seen = set()
    for folder in ("als_engine", "plugins", "scenarios"):
        for path in (ROOT / folder).rglob("*.py"):
            text, name = path.read_text(encoding="utf-8"), path.relative_to(ROOT).as_posix()
            texts = strings(text)
            assert not tags(texts, HTML), name
            if tags(texts, SVG):
                seen.add(name)
    assert seen == DRAWINGS


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('x = f"<p>{y}"', True),
        ("x = \"<td class='a'>\"", True),
        ('x = "a" + "</div>"', True),
        ('x = f"<i{y}"', True),
        ('x = "<told> <bar> a < b"', False),
        ('def f():\n    """Writes `<p>`."""', False),
    ],
)
def test_html_is_found_wherever_a_string_has_it(source: str, found: bool) -> None:
    assert bool(tags(strings(source), HTML)) == found


@pytest.mark.parametrize("name", sorted(DRAWINGS))
def test_drawings_escape_by_the_one_function(name: str) -> None:
    """Who draws a name imports `als_engine.texts.escape`, or leaves it to who does."""
    text = (ROOT / name).read_text(encoding="utf-8")
    assert "import escape" in text or "reports.chart import" in text
