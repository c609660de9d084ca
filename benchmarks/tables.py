"""Makes the tables and the learning curves of `evidence.py`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from arms import ADAPTATION, ARMS, EVALUATED, PROBES, SETTINGS
from numpy.typing import NDArray

from als_engine.evaluation.statistics import (
    Interval,
    curve_band,
    interquartile_interval,
)
from als_engine.reports.series_chart import Series, band_chart, standalone

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "evidence.md"
IMAGES = ROOT / "docs" / "images"
README = ROOT / "README.md"

NAMES = {
    **{name: arm.says for name, arm in ARMS.items()},
    "adapt-off": "adaptation off",
    "adapt-task": "adapted, task reward alone",
    "adapt-on": "adapted, with feedback",
    "probe-random": "random weights",
    "probe-own": "pretrained",
    "probe-alone": "pretrained without an expert",
}
SAME = [name for name, arm in ARMS.items() if not arm.long]
"""Arms with the setting's own number of steps."""
COUNTED = ["long-mlp", "long-attention", "frozen", "lora", "full", "alone"]
"""Arms that have seen as many steps, as experience or in play."""

Row = dict[str, Any]
Floats = NDArray[np.float64]
Table = list[list[str]]


def print_tables(rows: Sequence[Row]) -> None:
    """Prints every table."""
    from rich.console import Console
    from rich.table import Table as RichTable

    for title, table in tables(rows):
        shown = RichTable(*table[0], title=title)
        for cells in table[1:]:
            shown.add_row(*cells)
        Console().print(shown)


def write_docs(rows: Sequence[Row]) -> None:
    """Puts tables and curves into the docs, and the scores in short into the README."""
    parts: list[str] = []
    for title, table in tables(rows):
        parts += [f"### {title}", "", markdown(table), ""]
    for setting in present(rows):
        path = IMAGES / f"evidence-{setting}.svg"
        path.write_text(curves_chart(of(rows, setting=setting)), encoding="utf-8")
        name = SETTINGS[setting].title
        parts += [f"### Learning curves: {name}", "", f"![Learning curves](images/{path.name})", ""]
    between_marks(PAGE, "evidence", "\n".join(parts))
    between_marks(README, "evidence-summary", markdown(summary(rows)) + "\n")


def between_marks(path: Path, name: str, body: str) -> None:
    """Replaces what stands between a file's two marks."""
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    before, rest = path.read_text(encoding="utf-8").split(begin)
    path.write_text(f"{before}{begin}\n{body}{end}{rest.split(end)[1]}", encoding="utf-8")


def tables(rows: Sequence[Row]) -> Iterable[tuple[str, Table]]:
    """Title and cells of every table, the head first."""
    yield "Final score on held-out levels (random 0, expert 1)", scores(rows, SAME)
    yield "The same, where steps of experience count as well", scores(rows, COUNTED)
    yield "What a linear map finds of the expert's actions (R²)", probes(rows)
    yield "Environment steps to where attention from scratch ends", speeds(rows)
    if of(rows, arm="adapt-on"):
        yield "Score after the world has drifted", scores(rows, list(ADAPTATION))
        yield "The same, less the score of another arm with the same seed", gains(rows)


def scores(rows: Sequence[Row], arms: Sequence[str]) -> Table:
    """Interquartile means over seeds, for each scenario and over all."""
    settings = [s for s in present(rows) if any(of(rows, setting=s, arm=arm) for arm in arms)]
    several = len(settings) > 1
    table = [["arm", *(SETTINGS[name].title for name in settings), *(["all"] if several else [])]]
    for arm in arms:
        groups = [[row["score"] for row in of(rows, setting=s, arm=arm)] for s in settings]
        if not any(groups):
            continue
        cells = [spread(interquartile_interval([group])) if group else "-" for group in groups]
        if several:
            cells.append(spread(interquartile_interval(groups)) if all(groups) else "-")
        table.append([NAMES[arm], *cells])
    seeds = max((len(of(rows, setting=s, arm=a)) for s in settings for a in arms), default=0)
    table[0][0] = f"{seeds} seeds, {EVALUATED} episodes each"
    return table


def summary(rows: Sequence[Row]) -> Table:
    """Scores for as many steps of play, and for as many steps in all, those of experience too."""
    longer = {"mlp": "long-mlp", "attention": "long-attention"}
    table = [["score on held-out levels"]]
    for setting in present(rows):
        table[0] += [f"{SETTINGS[setting].title}, {SETTINGS[setting].steps:,} steps of play"]
        table[0] += ["as many steps in all, experience included"]
    for arm in SAME:
        cells = [NAMES[arm]]
        for setting in present(rows):
            for name, shown in ((arm, SAME), (longer.get(arm, arm), COUNTED)):
                runs = of(rows, setting=setting, arm=name) if name in shown else []
                found = [row["score"] for row in runs]
                cells.append(spread(interquartile_interval([found])) if found else "-")
        table.append(cells)
    return table


def probes(rows: Sequence[Row]) -> Table:
    """Interquartile means over seeds of the share of variance that a linear map explains."""
    settings = [s for s in present(rows) if of(rows, setting=s, arm="probe-own")]
    table = [["features of", *(SETTINGS[name].title for name in settings)]]
    for name in PROBES:
        groups = [[row["r2"] for row in of(rows, setting=s, arm=name)] for s in settings]
        cells = [spread(interquartile_interval([each])) if each else "-" for each in groups]
        table.append([NAMES[name], *cells])
    return table


def gains(rows: Sequence[Row]) -> Table:
    """Interquartile means over seeds of what adaptation adds to the same agent's score."""
    settings = [s for s in present(rows) if of(rows, setting=s, arm="adapt-on")]
    table = [["arm", *(SETTINGS[name].title for name in settings)]]
    pairs = (("adapt-task", "adapt-off"), ("adapt-on", "adapt-off"), ("adapt-on", "adapt-task"))
    for arm, other in pairs:
        cells = []
        for setting in settings:
            base = {row["seed"]: row["score"] for row in of(rows, setting=setting, arm=other)}
            found = of(rows, setting=setting, arm=arm)
            more = [row["score"] - base[row["seed"]] for row in found if row["seed"] in base]
            cells.append(spread(interquartile_interval([more])) if more else "-")
        table.append([f"{NAMES[arm]}, less: {NAMES[other]}", *cells])
    return table


def speeds(rows: Sequence[Row]) -> Table:
    """Steps until an arm's mean learning curve first reaches where attention from scratch ends."""
    settings = present(rows)
    table = [["arm", *(SETTINGS[name].title for name in settings)]]
    for arm in SAME:
        cells = []
        for setting in settings:
            runs, others = (of(rows, setting=setting, arm=each) for each in (arm, "attention"))
            if not (runs and others):
                cells.append("-")
                continue
            steps, values = mean_curve(runs)
            reached = steps[values >= mean_curve(others)[1][-1]]
            cells.append(f"{reached[0]:,.0f}" if reached.size else "not reached")
        table.append([NAMES[arm], *cells])
    return table


def mean_curve(runs: Sequence[Row]) -> tuple[Floats, Floats]:
    """Steps, and the interquartile mean over seeds of the training return."""
    steps, band = curve_band([run["curve"] for run in runs])
    return steps, band.value


def present(rows: Sequence[Row]) -> list[str]:
    """The settings that have runs, in their order."""
    return [name for name in SETTINGS if any(row["setting"] == name for row in rows)]


def of(rows: Sequence[Row], **wanted: str) -> list[Row]:
    """The rows with these values."""
    return [row for row in rows if all(row[key] == value for key, value in wanted.items())]


def spread(interval: Interval) -> str:
    """A value with its interval."""
    return f"{interval.value:.2f} ({interval.low:.2f} to {interval.high:.2f})"


def markdown(table: Table) -> str:
    """A table as Markdown."""
    head, *body = table
    lines = [head, ["---"] * len(head), *body]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def curves_chart(rows: Sequence[Row]) -> str:
    """Interquartile mean of the training return over steps, with its interval, for each arm."""
    series = []
    for arm in SAME:
        if runs := of(rows, arm=arm):
            steps, band = curve_band([run["curve"] for run in runs])
            columns = (each.tolist() for each in (steps, band.value, band.low, band.high))
            series.append(Series(NAMES[arm], arm, *columns))
    series.sort(key=lambda each: -each.y[-1])
    drawing = band_chart(series, [], "environment steps", "training return", width=720, height=380)
    own = "".join(f".{arm} {{ --own: {ARMS[arm].color}; }}" for arm in SAME)
    return standalone(drawing, own)
