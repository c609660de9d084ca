"""What a board's pages share: their data, and how numbers are written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from markupsafe import Markup
from pydantic import JsonValue

from als_bench.board.style import BOARD_STYLE, SCRIPT, SCRIPT_HASH
from als_bench.records import RunRecord
from als_bench.running.cells import Cell
from als_bench.standings import Standing, Standings
from als_engine.evaluation.statistics import Interval
from als_engine.reports.pages import Pages, fixed

__all__ = [
    "UP",
    "Board",
    "Filmed",
    "marks",
    "number",
    "provenance",
    "render",
    "score",
    "sort_key",
    "spread",
]

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
    """The data that all pages are made from.

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

    def place(self, value: float) -> str:
        """Where a score lies on the scale that all bars share, from 0 to 1."""
        return f"{(value - self.low) / (self.high - self.low):.4f}"


def render(name: str, board: Board, title: str, over: str, up: str = "", **values: Any) -> str:
    """A whole page.

    Args:
        name: of its template.
        board: of which it is a page.
        title: its headline.
        over: a line above it.
        up: the way to the board's folder: `UP`, or nothing for a page that lies there.
        values: what else its template calls by name.
    """
    return _PAGES.render(
        name,
        board=board,
        title=title,
        over=over,
        up=up,
        script=Markup(SCRIPT),
        script_hash=SCRIPT_HASH,
        **values,
    )


def marks(row: Standing, cell: Cell | None = None) -> list[tuple[str, str]]:
    """Further remarks about a line, or about one of its cells: (kind, text)."""
    found = []
    if row.provisional:
        seeds = f"{row.seeds} seed{'s' * (row.seeds != 1)}"
        found.append(("provisional", f"provisional: {seeds}"))
    if row.missing and cell is None:
        found.append(("incomplete", f"incomplete: {row.missing} missing"))
    if row.shown and cell is None:
        found.append(("demonstrated", row.shown))
    crashed = len(cell.failures if cell else row.failures)
    if crashed:
        found.append(("crashed", f"crashed in {crashed} unit{'s' * (crashed > 1)}"))
    return found


def score(interval: Interval) -> str:
    """A value and its interval in words."""
    ends = spread(interval)
    return f"{number(interval)} ({ends})" if ends else number(interval)


def spread(interval: Interval | None) -> str:
    """An interval's ends; nothing where there are none."""
    if interval is None or interval.low == interval.high:
        return ""
    return f"{number(interval.low)} to {number(interval.high)}"


def number(value: Interval | float | None) -> str:
    """With two decimals; a dash for none."""
    return fixed(value.value if isinstance(value, Interval) else value)


def sort_key(value: Interval | float | None) -> str:
    """The key that a cell is sorted by: all digits; nothing for what comes last either way."""
    value = value.value if isinstance(value, Interval) else value
    return "" if value is None else repr(value)


def provenance(run: RunRecord) -> dict[str, list[tuple[str, str]]]:
    """With what a run was made: machine, versions, and the hashes of the code."""
    machine = [(name.replace("_", " "), _written(value)) for name, value in run.machine.items()]
    code = [(f"code of {name}, sha256", digest) for name, digest in run.code.items()]
    return {
        "machine": machine,
        "versions": [*run.versions.items()],
        "code": [("run", run.key), *code],
    }


def _written(value: JsonValue) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


_PAGES: Final = Pages(
    __package__,
    BOARD_STYLE,
    marks=marks,
    number=number,
    score=score,
    sort_key=sort_key,
    spread=spread,
)
