"""Writes the page of a training's results: one folder, no scripts, no outside requests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from als_engine.reports.chart import Estimate, curve_chart, interval_chart
from als_engine.reports.pages import Pages
from als_engine.reports.style import STYLE
from als_engine.system.files import write_text

__all__ = ["Report", "Row", "write_report"]

_PAGES: Final = Pages("als_engine.reports", STYLE)


@dataclass(frozen=True)
class Row:
    """One agent's line in the table of results.

    Attributes:
        returns: mean return with its 95 percent interval, and the name and kind it goes by.
        normalized: the mean where random is 0 and the expert is 1; None without an expert.
        success: part of the episodes that succeeded, 0 to 1.
        length: mean number of steps.
    """

    returns: Estimate
    normalized: float | None
    success: float
    length: float


@dataclass(frozen=True)
class Report:
    """The content of the page.

    Attributes:
        title: one line. verdict: one or two sentences. won: whether the verdict is a good one.
        scenario, summary: what was played.
        curve: (environment steps, mean return of the last episodes).
        rows: the results, in the order of the table.
        episodes: how many each agent has played.
        videos: (file name in the folder, caption).
        command: what to type to get the same.
        seconds: what took how long.
        settings: "seed" and the like. versions: of the packages.
        scenarios: (id, summary) of all that are installed.
        next_steps: (command, what it does).
    """

    title: str
    verdict: str
    won: bool
    scenario: str
    summary: str
    curve: Sequence[tuple[float, float]]
    rows: Sequence[Row]
    episodes: int
    command: str
    videos: Sequence[tuple[str, str]] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    scenarios: Sequence[tuple[str, str]] = ()
    next_steps: Sequence[tuple[str, str]] = ()


def write_report(folder: Path, report: Report) -> Path:
    """Writes `index.html`; videos are expected to lie in the folder already.

    Returns:
        The page.

    Raises:
        SavedFileError: it cannot be written.
    """
    page = folder / "index.html"
    write_text(page, render(report))
    return page


def render(report: Report) -> str:
    """The page as text; everything that comes from the report is escaped."""
    others = [row.returns for row in report.rows if row.returns.kind != "trained"]
    took = {what: _duration(seconds) for what, seconds in report.seconds.items()}
    return _PAGES.render(
        "training.html",
        title=report.title,
        report=report,
        curve=curve_chart(report.curve, others, "environment steps", "mean return"),
        means=interval_chart([row.returns for row in report.rows], "mean return, 95 % interval"),
        settings={**took, **report.settings}.items(),
    )


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
