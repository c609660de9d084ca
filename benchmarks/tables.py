"""What can be said from the runs of `evidence.py`: tables, and learning curves as SVG."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from arms import ADAPTATION, ARMS, EVALUATED, SETTINGS

from als_engine.chart import ticks, with_minus
from als_engine.evaluation.statistics import (
    Interval,
    interquartile_interval,
    interquartile_mean,
)

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "evidence.md"
IMAGES = ROOT / "docs" / "images"
README = ROOT / "README.md"

NAMES = {
    "mlp": "mlp from scratch",
    "attention": "attention from scratch",
    "frozen": "pretrained, frozen",
    "lora": "pretrained, LoRA",
    "full": "pretrained, fine-tuned",
    "adapt-off": "adaptation off",
    "adapt-task": "adapted, task reward alone",
    "adapt-on": "adapted, with feedback",
}

# Okabe and Ito's palette, which people tell apart whatever colours they see.
COLORS = {
    "mlp": "#888888",
    "attention": "#000000",
    "frozen": "#56b4e9",
    "lora": "#e69f00",
    "full": "#009e73",
}

Row = dict[str, Any]
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
    """Puts tables and curves into the docs, and the steps that each arm needs into the README."""
    parts: list[str] = []
    for title, table in tables(rows):
        parts += [f"### {title}", "", markdown(table), ""]
    for setting in present(rows):
        path = IMAGES / f"evidence-{setting}.svg"
        path.write_text(curves_chart(of(rows, setting=setting)), encoding="utf-8")
        name = SETTINGS[setting].scenario
        parts += [f"### Learning curves: {name}", "", f"![Learning curves](images/{path.name})", ""]
    between_marks(PAGE, "evidence", "\n".join(parts))
    summary = "Environment steps to the final training return of attention from scratch:\n\n"
    between_marks(README, "evidence-summary", summary + markdown(speeds(rows)) + "\n")


def between_marks(path: Path, name: str, body: str) -> None:
    """Replaces what stands between a file's two marks."""
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    before, rest = path.read_text(encoding="utf-8").split(begin)
    path.write_text(f"{before}{begin}\n{body}{end}{rest.split(end)[1]}", encoding="utf-8")


def tables(rows: Sequence[Row]) -> Iterable[tuple[str, Table]]:
    """Title and cells of every table, the head first."""
    yield "Final score on held-out levels (random 0, expert 1)", scores(rows, list(ARMS))
    yield "Environment steps to the final training return of attention from scratch", speeds(rows)
    if of(rows, arm="adapt-on"):
        yield "Score after the world has drifted", scores(rows, list(ADAPTATION))
        yield "The same, less the score of another arm with the same seed", gains(rows)


def scores(rows: Sequence[Row], arms: Sequence[str]) -> Table:
    """Interquartile means over seeds, for each scenario and over all."""
    settings = [s for s in present(rows) if any(of(rows, setting=s, arm=arm) for arm in arms)]
    table = [["arm", *(SETTINGS[name].scenario for name in settings), "all"]]
    for arm in arms:
        groups = [[row["score"] for row in of(rows, setting=s, arm=arm)] for s in settings]
        if not any(groups):
            continue
        cells = [spread(interquartile_interval([group])) if group else "-" for group in groups]
        whole = spread(interquartile_interval(groups)) if all(groups) else "-"
        table.append([NAMES[arm], *cells, whole])
    seeds = max((len(of(rows, setting=s, arm=a)) for s in settings for a in arms), default=0)
    table[0][0] = f"{seeds} seeds, {EVALUATED} episodes each"
    return table


def gains(rows: Sequence[Row]) -> Table:
    """Interquartile means over seeds of what adaptation adds to the same agent's score."""
    settings = [s for s in present(rows) if of(rows, setting=s, arm="adapt-on")]
    table = [["arm", *(SETTINGS[name].scenario for name in settings)]]
    pairs = (("adapt-task", "adapt-off"), ("adapt-on", "adapt-off"), ("adapt-on", "adapt-task"))
    for arm, other in pairs:
        cells = []
        for setting in settings:
            base = {row["seed"]: row["score"] for row in of(rows, setting=setting, arm=other)}
            found = of(rows, setting=setting, arm=arm)
            more = [row["score"] - base[row["seed"]] for row in found if row["seed"] in base]
            cells.append(with_minus(spread(interquartile_interval([more]))) if more else "-")
        table.append([f"{NAMES[arm]}, less: {NAMES[other]}", *cells])
    return table


def speeds(rows: Sequence[Row]) -> Table:
    """Steps until the running training return first reaches that of attention from scratch."""
    settings = present(rows)
    table = [["arm", *(SETTINGS[name].scenario for name in settings)]]
    bars = {s: final_return(of(rows, setting=s, arm="attention")) for s in settings}
    for arm in ARMS:
        cells = []
        for setting in settings:
            runs = of(rows, setting=setting, arm=arm)
            reached = [steps_to(run["curve"], bars[setting]) for run in runs]
            steps = interquartile_mean(reached) if reached else math.nan
            budget = SETTINGS[setting].steps
            if math.isnan(steps):
                cells.append("-")
            elif math.isinf(steps):
                cells.append(f"more than {budget:,}")
            else:
                cells.append(f"{steps:,.0f} ({steps / budget:.0%})")
        table.append([NAMES[arm], *cells])
    return table


def final_return(runs: Sequence[Row]) -> float:
    """The interquartile mean of the last points of learning curves."""
    return interquartile_mean([run["curve"][-1][1] for run in runs])


def steps_to(curve: Sequence[Sequence[float]], bar: float) -> float:
    """The first point of a curve that is at or above a bar; infinite when there is none."""
    return next((steps for steps, value in curve if value >= bar), math.inf)


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


def curves_chart(rows: Sequence[Row], width: int = 720, height: int = 380) -> str:
    """Interquartile mean of the training return over steps, with its interval, for each arm."""
    left, right, top, bottom = 56, 206, 20, 48
    arms = [arm for arm in ARMS if of(rows, arm=arm)]
    bands = {arm: band([run["curve"] for run in of(rows, arm=arm)]) for arm in arms}
    end = max(grid[-1] for grid, *_ in bands.values())
    low = min(float(np.min(lows)) for _, _, lows, _ in bands.values())
    high = max(float(np.max(highs)) for *_, highs in bands.values())
    up = ticks(low, high)

    def x(value: float) -> float:
        return left + value / end * (width - left - right)

    def y(value: float) -> float:
        part = (value - up[0]) / (up[-1] - up[0])
        return height - bottom - part * (height - top - bottom)

    def points(xs: Sequence[float], ys: Sequence[float]) -> str:
        return " ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in zip(xs, ys, strict=True))

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        'aria-label="training return over environment steps" '
        'font-family="system-ui, sans-serif" font-size="13">',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
    ]
    for tick in up:
        parts.append(
            f'<line x1="{left}" x2="{width - right}" y1="{y(tick):.1f}" y2="{y(tick):.1f}" '
            f'stroke="#dddddd"/><text x="{left - 8}" y="{y(tick) + 4:.1f}" fill="#444444" '
            f'text-anchor="end">{with_minus(f"{tick:g}")}</text>'
        )
    parts += [
        f'<text x="{x(tick):.1f}" y="{height - bottom + 20}" fill="#444444" '
        f'text-anchor="middle">{tick / 1_000:g}k</text>'
        for tick in ticks(0, end)
        if tick <= end * 1.001
    ]
    parts.append(
        f'<text x="{(left + width - right) / 2}" y="{height - 8}" fill="#444444" '
        'text-anchor="middle">environment steps</text>'
    )
    for arm, (grid, _, lows, highs) in bands.items():
        area = points([*grid, *grid[::-1]], [*lows, *highs[::-1]])
        parts.append(f'<polygon points="{area}" fill="{COLORS[arm]}" opacity="0.15"/>')
    for arm, (grid, middle, *_) in bands.items():
        parts.append(
            f'<polyline points="{points(grid, middle)}" fill="none" stroke="{COLORS[arm]}" '
            'stroke-width="2"/>'
        )
    for row, arm in enumerate(sorted(arms, key=lambda arm: -bands[arm][1][-1])):
        place = top + 16 + 24 * row
        parts.append(
            f'<line x1="{width - right + 14}" x2="{width - right + 38}" y1="{place}" y2="{place}" '
            f'stroke="{COLORS[arm]}" stroke-width="3"/><text x="{width - right + 46}" '
            f'y="{place + 4}" fill="#222222">{NAMES[arm]}</text>'
        )
    return "".join(parts) + "</svg>\n"


def band(
    curves: Sequence[Sequence[Sequence[float]]],
) -> tuple[list[float], list[float], list[float], list[float]]:
    """Steps, middle, low and high of several learning curves, where all of them have points."""
    start = max(curve[0][0] for curve in curves)
    end = min(curve[-1][0] for curve in curves)
    grid = np.linspace(start, end, 50)
    values = np.array([np.interp(grid, *np.array(curve).T) for curve in curves])
    found = [interquartile_interval([column]) for column in values.T]
    return (
        grid.tolist(),
        [interval.value for interval in found],
        [interval.low for interval in found],
        [interval.high for interval in found],
    )
