"""The parts that a board's pages share. Whatever comes from a store is escaped here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from string import Template
from typing import Final

from pydantic import JsonValue

from als_bench.board.style import BOARD_STYLE, SCRIPT, SCRIPT_HASH
from als_bench.records import RunRecord
from als_bench.running.cells import Cell, decimals
from als_bench.standings import Standing, Standings
from als_engine.evaluation.statistics import Interval
from als_engine.reports.chart import with_minus
from als_engine.texts import escape

__all__ = [
    "UP",
    "Board",
    "Filmed",
    "agent_name",
    "axis",
    "bar",
    "chips",
    "facts",
    "failures",
    "head",
    "marks",
    "number",
    "page",
    "percent",
    "provenance",
    "score",
    "score_cell",
    "sort_key",
    "table",
    "tier",
]

DASH: Final = "\N{EN DASH}"

UP: Final = "../"
"""The way from an agent's or an entry's page to the board's folder."""


@dataclass(frozen=True)
class Filmed:
    """A film of an agent.

    Attributes:
        file: within the board's folder. caption: what it shows.
    """

    file: str
    caption: str


@dataclass(frozen=True)
class Board:
    """What all pages are made from.

    Attributes:
        standings: the table.
        kinds: a line's key to its style class.
        agents: a line's key to its page, within the board's folder.
        entries: an entry's name to its page.
        films: a line's key to its film, or to the reason why there is none.
        low, high: what the bars of scores cover.
        command: what to type to get these pages again.
    """

    standings: Standings
    kinds: Mapping[tuple[str, str], str]
    agents: Mapping[tuple[str, str], str]
    entries: Mapping[str, str]
    films: Mapping[tuple[str, str], Filmed | str] = field(default_factory=dict)
    low: float = 0.0
    high: float = 1.0
    command: str = ""

    @property
    def competing(self) -> list[Standing]:
        """The lines of those who are no yardsticks and have a score."""
        return [row for row in self.standings.rows if row.score and not row.is_yardstick]


def page(title: str, over: str, body: str, up: str = "") -> str:
    """A whole page.

    Args:
        title: its headline, as HTML that begins with text.
        over: a line above it.
        body: what follows the headline, as HTML.
        up: the way to the board's folder: `UP`, or nothing for a page that lies there.
    """
    name = escape(title)
    nav = f'<nav><a href="{up}index.html">\N{LEFTWARDS ARROW} all agents</a></nav>' if up else ""
    return _PAGE.substitute(
        hash=SCRIPT_HASH,
        style=BOARD_STYLE,
        script=SCRIPT,
        title=name,
        over=escape(over),
        nav=nav,
        body=body,
    )


def head(
    name: str, *, sort: str = "", first: str = "descending", style: str = "", hint: str = ""
) -> str:
    """A column's head; with `sort` it is a button that sorts by it.

    Args:
        name: what stands there.
        sort: "none" for a column to sort by, or how it is sorted already.
        first: how the first press sorts it.
        style: classes.
        hint: what it means.
    """
    classes = f' class="{style}"' if style else ""
    hinted = f' title="{escape(hint)}"' if hint else ""
    if not sort:
        return f'<th scope="col"{classes}{hinted}>{escape(name)}</th>'
    return (
        f'<th scope="col"{classes}{hinted} aria-sort="{sort}" data-first="{first}">'
        f'<button type="button">{escape(name)}</button></th>'
    )


def table(style: str, heads: Iterable[str], lines: Iterable[str]) -> str:
    """A table of columns' heads and of lines, in HTML both."""
    return (
        f'<table class="{style}"><thead><tr>{"".join(heads)}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table>"
    )


def agent_name(board: Board, row: Standing, up: str = "", linked: bool = True) -> str:
    """A dot of the agent's colour and its name, which leads to its page."""
    name = escape(row.label)
    if linked:
        name = f'<a href="{up}{escape(board.agents[row.key])}">{name}</a>'
    dot = f'<i class="dotted {board.kinds[row.key]}"></i>'
    return f'<span class="agent">{dot}<span>{name}</span></span>'


def tier(row: Standing) -> str:
    """How far it was checked, as a badge."""
    kind = "yardstick" if row.is_yardstick else row.tier
    return f'<span class="badge {kind}">{kind}</span>'


def marks(row: Standing, cell: Cell | None = None, before: str = "") -> str:
    """What else there is to know about a line, or about one of its cells, as badges."""
    found = []
    if row.provisional:
        seeds = f"{row.seeds} seed{'s' * (row.seeds != 1)}"
        found.append(("provisional", f"provisional: {seeds}"))
    if row.missing and cell is None:
        found.append(("incomplete", f"incomplete: {row.missing} missing"))
    crashed = len(cell.failures if cell else row.failures)
    if crashed:
        found.append(("crashed", f"crashed in {crashed} unit{'s' * (crashed > 1)}"))
    badges = (f'<span class="badge {kind}">{escape(text)}</span>' for kind, text in found)
    return f'<div class="marks">{before}{"".join(badges)}</div>'


def bar(board: Board, interval: Interval | None, kind: str) -> str:
    """An interval and its middle on the scale that all bars of the board share."""
    if interval is None:
        return ""

    def place(value: float) -> str:
        return f"{(value - board.low) / (board.high - board.low):.4f}"

    low, high = place(interval.low), place(interval.high)
    return (
        f'<span class="bar {kind}" role="img" aria-label="{score(interval)}">'
        f'<u class="random" style="--at:{place(0)}"></u>'
        f'<u class="expert" style="--at:{place(1)}"></u>'
        f'<i style="--at:{low};--to:{high}"></i><b style="--at:{place(interval.value)}"></b></span>'
    )


def axis(style: str = "", crashed: bool = False) -> str:
    """What the dashed lines of the bars are, and the dagger, if there is one."""
    dagger = "<span>\N{DAGGER} crashed in some unit</span>" if crashed else ""
    return (
        f'<p class="axis {style}"><span class="random"><i></i>random, 0</span>'
        f'<span class="expert"><i></i>expert, 1</span>{dagger}</p>'
    )


def score(interval: Interval) -> str:
    """A value and its interval in words."""
    if interval.low == interval.high:
        return number(interval.value)
    value, low, high = map(decimals, (interval.value, interval.low, interval.high))
    return with_minus(f"{value} ({low} to {high})")


def number(value: Interval | float | None) -> str:
    """With two decimals; a dash for none."""
    value = value.value if isinstance(value, Interval) else value
    return DASH if value is None else with_minus(decimals(value))


def sort_key(value: Interval | float | None) -> str:
    """What a cell is sorted by: all digits; nothing for what comes last either way."""
    value = value.value if isinstance(value, Interval) else value
    return "" if value is None else repr(value)


def score_cell(interval: Interval | None) -> str:
    """A column's cell: the value, below it the interval."""
    words = score(interval).partition(" ")[2].strip("()") if interval else ""
    return (
        f'<td data-key="{sort_key(interval)}"><span class="value">{number(interval)}</span>'
        f"<small>{words}</small></td>"
    )


def percent(value: float | None) -> str:
    """A part of the whole; a dash for none."""
    return DASH if value is None else f"{value:.0%}"


def failures(found: Iterable[tuple[str, int, str]]) -> str:
    """What crashed: (agent or entry, training seed, reason)."""
    lines = "".join(
        '<li><span class="badge crashed">crashed</span> '
        f"{escape(name)}, training seed {seed}: {escape(reason)}</li>"
        for name, seed, reason in found
    )
    return f'<ul class="failures">{lines}</ul>' if lines else ""


def chips(values: Iterable[tuple[str, str]]) -> str:
    """Facts in a row: (number, of what)."""
    items = (f"<li><b>{escape(value)}</b> {escape(what)}</li>" for value, what in values)
    return f'<ul class="chips">{"".join(items)}</ul>'


def facts(values: Sequence[tuple[str, str]], code: bool = False) -> str:
    """Names and values, one below the other."""
    begin, end = ("<code>", "</code>") if code else ("", "")
    lines = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{begin}{escape(value)}{end}</dd></div>"
        for name, value in values
    )
    return f'<dl class="card facts">{lines}</dl>'


def provenance(run: RunRecord) -> str:
    """With what a run was made: machine, versions, and the hashes of the code."""
    machine = [(name.replace("_", " "), _written(value)) for name, value in run.machine.items()]
    code = [(f"code of {name}, sha256", digest) for name, digest in run.code.items()]
    return (
        f'<div class="pair">{facts(machine)}{facts([*run.versions.items()])}</div>'
        f"{facts([('run', run.key), *code], code=True)}"
    )


def _written(value: JsonValue) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


# Whatever a name holds, the policy lets the page load nothing but its own pictures, and run
# nothing but the script whose hash it has.
_PAGE: Final = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src 'self' data:;
  style-src 'unsafe-inline'; script-src 'sha256-$hash'; base-uri 'none'; form-action 'none'">
<link rel="icon" href="data:,">
<title>$title</title>
<style>$style</style>
</head>
<body>
$nav<header>
<p class="over">$over</p>
<h1>$title</h1>
</header>
<main>
$body
</main>
<script>$script</script>
</body>
</html>
""")
