"""What curricula have done, beside the learning curves of `als curves`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from als_engine.agents.curriculum.base import LEVELS_FILE, LOG
from als_engine.agents.run_logs import read_curve

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["LEVELS", "REPLAYED", "STAGE", "TITLES", "draw_levels", "draw_stages", "read_curriculum"]

STAGE: Final = "stage"
REPLAYED: Final = "replayed"
LEVELS: Final = "levels"
TITLES: Final = {
    STAGE: "Stage of the curriculum",
    REPLAYED: "Part of the draws that replay a level",
    LEVELS: "Each level: how often it was drawn",
}
"""Name of a panel to its title."""

Points = Sequence[tuple[float, float]]


def read_curriculum(folder: Path) -> dict[str, Points]:
    """The points of a training's panels by name; none where it has no curriculum.

    Raises:
        SavedFileError: a log is no file, or too large.
    """
    found: dict[str, Points] = {}
    rows = read_curve(folder / LOG)
    if rows and "next_stage" in rows[0]:
        first = [(0.0, number(rows[0].get("stage")))]
        found[STAGE] = [*first, *((number(r["steps"]), number(r["next_stage"])) for r in rows)]
    if rows and "replayed" in rows[0]:
        found[REPLAYED] = _shares(rows)
        levels = read_curve(folder / LEVELS_FILE)
        each = [(number(row.get("score")), number(row.get("drawn"))) for row in levels]
        found[LEVELS] = [point for point in each if all(map(math.isfinite, point))]
    return {name: points for name, points in found.items() if points}


def _shares(rows: Sequence[Mapping[str, str]]) -> Points:
    """Which part of the draws since the line before were replays."""
    shares, drawn, replayed = [], 0.0, 0.0
    for row in rows:
        now, again = number(row.get("drawn")), number(row.get("replayed"))
        if now > drawn:
            shares.append((number(row["steps"]), (again - replayed) / (now - drawn)))
        drawn, replayed = now, again
    return [point for point in shares if math.isfinite(point[1])]


def number(text: str | None) -> float:
    """A cell of a table as a number; NaN where it is none."""
    try:
        return float(text or "nan")
    except ValueError:
        return math.nan


def draw_stages(axes: Axes, curves: Sequence[Points], look: Mapping[str, Any]) -> None:
    """The stages of each training along its steps."""
    for points in curves:
        axes.step(*zip(*points, strict=True), where="post", **look)


def draw_levels(axes: Axes, curves: Sequence[Points], look: Mapping[str, Any]) -> None:
    """A dot for each level of each training: its score, and how often it was drawn."""
    for points in curves:
        score, drawn = zip(*points, strict=True)
        axes.scatter(score, drawn, s=9, color=look["color"], alpha=0.55, lw=0)
