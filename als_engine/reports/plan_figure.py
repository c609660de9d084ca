"""Draws the plan of a level to scale, its picture beside it, and a list of what it holds."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from als_engine.geometry import portable_math as pmath
from als_engine.geometry.parts import placed
from als_engine.reports.figures import figure_file
from als_engine.reports.plan import Plan, Thing, together
from als_engine.reports.plan_labels import Labels
from als_engine.texts import one_line
from als_engine.world.arrays import SHAPE_BOX, SHAPE_COMPOUND, BoolArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_floor", "write_plan"]

_INK, _SOFT, _GRID = "#1d2530", "#5d6673", "#e4e1d8"
_PAPER, _WALL, _REACHED, _WAY = "#f6f5f1", "#4a5260", "#dcefe9", "#0b7d6f"
_LOST, _SOUND = "#c0392b", "#b3641a"
_WIDTH, _HEIGHT, _DPI = 16.0, 9.0, 110
_LOW: Final = 1.4
"""Walls that are lower, metres, are shown in their colour: tables, hedges, kerbs."""

_ROWS: Final = 17
"""How many rows the list of things has room for."""

Color = tuple[float, float, float]


def write_plan(plan: Plan, picture: NDArray[np.uint8], title: str, told: str, path: Path) -> None:
    """Writes the figure of a level into a file, a PNG or an SVG by its ending.

    Args:
        plan: of the level.
        picture: of the same, uint8 (height, width, 3).
        title: stands above.
        told: what avatars are told; may be empty.
        path: of the file.

    Raises:
        ArgumentError: it has another ending, or matplotlib is not installed.
        SavedFileError: it cannot be written.
    """
    with figure_file(path, dpi=_DPI) as write:
        figure = _figure(plan, picture, title, told)
        write(figure)


def _figure(plan: Plan, picture: NDArray[np.uint8], title: str, told: str) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_WIDTH, _HEIGHT), dpi=_DPI)
    FigureCanvasAgg(figure)
    figure.text(0.025, 0.955, one_line(title), fontsize=17, fontweight="bold", va="center")
    lost = plan.out_of_reach()
    color = _SOFT if lost.startswith("Nothing") else _LOST
    figure.text(0.025, 0.918, textwrap.shorten(one_line(lost), 150), color=color, va="center")
    _draw_plan(figure, plan)
    beside: Axes = figure.add_axes((0.635, 0.475, 0.345, 0.46))
    beside.imshow(picture, interpolation="antialiased")
    beside.set_anchor("NW")
    beside.set_axis_off()
    _draw_list(figure, plan, told)
    return figure


# -- the plan -------------------------------------------------------------------------------------


def draw_floor(axes: Axes, plan: Plan) -> Labels:
    """Draws a level without its avatars: ground, walls and things, to scale.

    Args:
        axes: to draw on; they get the level's limits, metres.
        plan: of the level.

    Returns:
        The names of the things, which are not drawn yet.
    """
    (x0, y0), (x1, y1) = _area(plan)
    axes.set_xlim(x0 - 0.6, x1 + 0.6)
    axes.set_ylim(y0 - 0.6, y1 + 0.6)
    axes.set_aspect("equal")
    axes.set_anchor("C")
    axes.set_facecolor(_PAPER)
    _draw_ground(axes, plan)
    _draw_walls(axes, plan)
    labels = Labels(axes)
    for thing in sorted(plan.things, key=lambda each: each.position[2]):
        _draw_thing(axes, plan, thing, labels)
    _finish(axes)
    return labels


def _draw_plan(figure: Figure, plan: Plan) -> None:
    axes = figure.add_axes((0.035, 0.085, 0.58, 0.81))
    labels = draw_floor(axes, plan)
    _draw_ways(axes, plan)
    _draw_avatars(axes, plan, labels)
    labels.draw()
    _draw_legend(figure, plan)


def _area(plan: Plan) -> tuple[Any, Any]:
    """The lower and the upper corner of what is on the plan, metres."""
    walls, avatars = plan.state.walls, plan.state.avatars
    count = int(walls.count[0])
    cos, sin = np.abs(walls.cos[0, :count]), np.abs(walls.sin[0, :count])
    wide, deep = walls.half[0, :count, 0], walls.half[0, :count, 1]
    reach = np.stack([cos * wide + sin * deep, sin * wide + cos * deep], -1)
    props = [thing for thing in plan.things if thing.kind == "prop"]
    around = np.array([_extent(thing) for thing in props]).reshape(-1, 2)
    middles = np.array([thing.position[:2] for thing in props]).reshape(-1, 2)
    feet = avatars.position[0, avatars.present[0], :2]
    center = np.concatenate([walls.position[0, :count, :2], middles, feet])
    half = np.concatenate([reach, around, np.full((len(feet), 2), 0.5)])
    return (center - half).min(0), (center + half).max(0)


def _draw_ground(axes: Axes, plan: Plan) -> None:
    """Tints what avatars can walk on, and what they cannot get to."""
    ground = plan.ground
    rows, columns = ground.area.shape
    x, y = ground.origin
    extent = (x, x + columns * ground.cell, y, y + rows * ground.cell)
    for cells, color, alpha in ((ground.reached, _REACHED, 1.0), (ground.cut_off, _LOST, 0.22)):
        from matplotlib.colors import to_rgba

        tint = np.zeros((rows, columns, 4))
        tint[cells] = to_rgba(color, alpha)
        axes.imshow(tint, origin="lower", extent=extent, interpolation="nearest", zorder=1)


def _draw_ways(axes: Axes, plan: Plan) -> None:
    """Draws the ways to props."""
    ground = plan.ground
    goals = [
        thing.position[:2] for thing in plan.things if thing.kind == "prop" and thing.reachable
    ]
    for way in ground.ways(np.array(goals).reshape(-1, 2)):
        axes.plot(*way.T, color=_WAY, lw=1.1, alpha=0.35, zorder=2, solid_capstyle="round")


def _draw_walls(axes: Axes, plan: Plan) -> None:
    walls, low_walls = plan.state.walls, _low_walls(plan)
    for i in range(int(walls.count[0])):
        half, low = walls.half[0, i], walls.position[0, i, 2] - walls.half[0, i, 2]
        at, heading = walls.position[0, i, :2], float(walls.heading[0, i])
        over, color = low >= plan.state.bodies.height.max(), _rgb(walls.color[0, i])
        if not low_walls[i]:
            _box(axes, at, half, heading, facecolor="none" if over else _WALL, edgecolor=_WALL,
                 lw=0.6, ls=":" if over else "-", zorder=3.5)  # fmt: skip
        else:
            look = {"facecolor": color, "edgecolor": _darker(color), "hatch": "////", "lw": 0.9}
            _box(axes, at, half, heading, **look, zorder=3)


def _low_walls(plan: Plan) -> BoolArray:
    """(walls,): which of them do not hide what is behind them."""
    walls, count = plan.state.walls, int(plan.state.walls.count[0])
    low: BoolArray = walls.position[0, :count, 2] + walls.half[0, :count, 2] <= _LOW
    return low


def _draw_thing(axes: Axes, plan: Plan, thing: Thing, labels: Labels) -> None:
    at = np.array(thing.position[:2])
    face, edge = _rgb(thing.color), _darker(_rgb(thing.color))
    look: dict[str, Any] = {
        "facecolor": (*face, 0.4 if thing.overhead or thing.flat else 1.0),
        "edgecolor": edge if thing.reachable else _LOST,
        "lw": 0.9 if thing.reachable else 2.0,
        "ls": "--" if thing.overhead else "-",
        "zorder": 6.0 if thing.overhead else 1.5 if thing.flat else 5.0,
    }
    if thing.kind == "sound":
        axes.text(
            at[0], at[1], "\u266a", ha="center", va="center", fontsize=13, color=_SOUND, zorder=7
        )
        labels.add(thing.name, at, (0.1, 0.1), soft=True)
    elif thing.kind == "prop":
        _draw_prop(axes, plan, thing, at, look)
        labels.add(thing.name, at, _extent(thing), lost=not thing.reachable, flat=thing.flat)
    else:
        _draw_board(axes, thing, at)
        labels.add(thing.name, at, (0.08, 0.08), lost=not thing.reachable, soft=True)


def _extent(thing: Thing) -> tuple[float, float]:
    """Half of what a prop covers along x and y, metres."""
    if thing.round:
        return thing.size[0] / 2, thing.size[0] / 2
    cos, sin = np.abs(_toward(thing.heading))
    wide, deep = thing.size[0] / 2, thing.size[1] / 2
    return float(cos * wide + sin * deep), float(sin * wide + cos * deep)


def _draw_prop(axes: Axes, plan: Plan, thing: Thing, at: Any, look: dict[str, Any]) -> None:
    from matplotlib.patches import Circle

    i = plan.state.prop(thing.name)
    half = plan.state.props.half[0, i]
    if plan.state.props.shape[0, i] == SHAPE_COMPOUND:
        _draw_parts(axes, plan, i, look)
    elif thing.round:
        axes.add_patch(Circle(at, half[0], **look))
    else:
        _box(axes, at, half, thing.heading, **look)
    if thing.what == "door":
        _draw_swing(axes, plan, i, half)


def _draw_parts(axes: Axes, plan: Plan, prop: int, look: dict[str, Any]) -> None:
    from matplotlib.patches import Circle

    parts = plan.state.parts
    center, cos, sin = (each[0] for each in placed(plan.state, np.array([0])))
    for k in np.flatnonzero(parts.owner[0, : parts.count[0]] == prop).tolist():
        half = parts.half[0, k]
        if parts.form[0, k] == SHAPE_BOX:
            _box(axes, center[k, :2], half, float(np.angle(cos[k] + 1j * sin[k])), **look)
        else:
            axes.add_patch(Circle(center[k, :2], half[0], **look))


def _draw_swing(axes: Axes, plan: Plan, prop: int, half: Any) -> None:
    """The quarter circle in which a door opens."""
    from matplotlib.patches import Arc

    hinges = plan.state.hinges
    pivot = hinges.pivot[0, prop]
    away = 180.0 if hinges.arm[0, prop] < 0 else 0.0
    closed = np.degrees(hinges.closed[0, prop]) + away
    opened = closed + np.degrees(hinges.limit[0, prop])
    low, high = sorted((closed, opened))
    size = 4 * abs(hinges.arm[0, prop])
    axes.add_patch(
        Arc(pivot, size, size, theta1=low, theta2=high, color=_SOFT, lw=0.8, ls="--", zorder=4)
    )


def _draw_board(axes: Axes, thing: Thing, at: Any) -> None:
    """A sign or a screen: a bar, and a short line to where it can be read from."""
    facing = _toward(thing.heading)
    along = np.array([-facing[1], facing[0]]) * thing.size[0] / 2
    color = _INK if thing.reachable else _LOST
    ends = np.stack([at - along, at + along])
    axes.plot(*ends.T, color=color, lw=4.5, solid_capstyle="butt", zorder=6)
    axes.plot(*ends.T, color=_rgb(thing.color), lw=2.6, solid_capstyle="butt", zorder=6)
    axes.annotate(
        "",
        at + 0.35 * facing,
        at,
        arrowprops={"arrowstyle": "->", "color": color, "lw": 0.9},
        zorder=6,
    )


def _draw_avatars(axes: Axes, plan: Plan, labels: Labels) -> None:
    from matplotlib.patches import Circle

    avatars = plan.state.avatars
    for i in np.flatnonzero(avatars.present[0]).tolist():
        at: Any = avatars.position[0, i, :2]
        heading = float(avatars.heading[0, i])
        radius, color = float(plan.state.bodies.radius[i]), _rgb(avatars.color[0, i])
        axes.add_patch(Circle(at, radius, facecolor=color, edgecolor="white", lw=1.6, zorder=8))
        tip = at + (radius + 0.28) * _toward(heading)
        axes.annotate(
            "", tip, at, arrowprops={"arrowstyle": "-|>", "color": _INK, "lw": 1.3}, zorder=9
        )
        labels.add(plan.names[i], at, (radius, radius), bold=True)


def _toward(heading: float) -> Any:
    """The unit vector of a heading."""
    return np.array([pmath.cos(heading), pmath.sin(heading)])


def _box(axes: Axes, at: Any, half: Any, heading: float, **look: Any) -> None:
    from matplotlib.patches import Rectangle

    corner = (at[0] - half[0], at[1] - half[1])
    size = (2 * half[0], 2 * half[1])
    turn = float(np.degrees(heading))
    axes.add_patch(Rectangle(corner, *size, angle=turn, rotation_point="center", **look))


def _finish(axes: Axes) -> None:
    from matplotlib.ticker import MaxNLocator

    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(12, steps=[1, 2, 5, 10], integer=True))
    axes.set_xlabel("x, metres (east)", fontsize=9)
    axes.set_ylabel("y, metres (north)", fontsize=9)
    axes.set_axisbelow(True)
    axes.grid(color=_GRID, lw=0.7)
    axes.tick_params(length=0, labelsize=8.5)
    for spine in axes.spines.values():
        spine.set_color(_GRID)


def _draw_legend(figure: Figure, plan: Plan) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    size = plan.ground.reached.sum() * plan.ground.cell**2
    square = f"where the middle of an avatar can be: {size:.0f} m²"
    rows: list[Any] = [
        Patch(facecolor=_REACHED, edgecolor=_GRID, label=square),
        Line2D([], [], color=_WAY, alpha=0.5, lw=1.4, label="shortest way from a start to a prop"),
        Patch(facecolor=_WALL, label="wall"),
    ]
    if _low_walls(plan).any():
        rows.append(Patch(facecolor="#d8d4c8", edgecolor=_SOFT, hatch="////", label="low wall"))
    if not plan.out_of_reach().startswith("Nothing"):
        rows.append(Patch(facecolor="#f0d5d2", edgecolor=_LOST, lw=1.6, label="out of reach"))
    figure.legend(handles=rows, loc="lower left", bbox_to_anchor=(0.025, 0.003), ncols=5,
                  frameon=False, fontsize=9)  # fmt: skip


# -- the list -------------------------------------------------------------------------------------


def _draw_list(figure: Figure, plan: Plan, told: str) -> None:
    axes = figure.add_axes((0.635, 0.03, 0.345, 0.43))
    axes.set_axis_off()
    axes.set_xlim(0, 1)
    axes.set_ylim(_ROWS + 0.5, -0.5)
    lines = textwrap.wrap(f"“{one_line(told)}”", 78)[:2] if told else []
    for i, line in enumerate(lines):
        axes.text(0.0, i, line, fontsize=9.5, style="italic", va="center")
    top = len(lines) + 0.4 * bool(lines)
    rows = _rows(plan.things)
    room = int(_ROWS - top) - bool(plan.absent)
    shown = rows if len(rows) <= room else rows[: room - 1]
    for i, (thing, names) in enumerate(shown):
        _draw_row(axes, top + i, thing, names)
    more = f"not there at the start: {together(plan.absent)}" if plan.absent else ""
    if len(shown) < len(rows):
        more = f"and {len(rows) - len(shown)} more kinds of things; {more}".removesuffix("; ")
    place = top + len(shown)
    axes.text(0.035, place, textwrap.shorten(more, 84), fontsize=9, va="center", color=_SOFT)


def _draw_row(axes: Axes, y: float, thing: Thing, names: str) -> None:
    lost = not thing.reachable
    look: dict[str, Any] = {"fontsize": 9, "va": "center"}
    axes.add_patch(_swatch(thing, y))
    axes.text(0.035, y, textwrap.shorten(names, 40), color=_LOST if lost else _INK, **look)
    axes.text(0.47, y, thing.measures, **look)
    what = f"{thing.what}, out of reach" if lost else thing.what
    axes.text(1.0, y, what, ha="right", color=_LOST if lost else _SOFT, **look)


def _rows(things: Sequence[Thing]) -> list[tuple[Thing, str]]:
    """Things that look alike in a row: one of them, and their names."""
    groups: dict[Any, list[Thing]] = {}
    for thing in things:
        key = (thing.kind, thing.what, thing.measures, thing.color, thing.reachable)
        groups.setdefault(key, []).append(thing)
    return [
        (members[0], one_line(together([each.name for each in members])))
        for members in sorted(groups.values(), key=lambda members: members[0].reachable)
    ]


def _swatch(thing: Thing, y: float) -> Any:
    from matplotlib.patches import Rectangle

    color = _rgb(thing.color)
    return Rectangle((0.0, y - 0.32), 0.02, 0.64, facecolor=color, edgecolor=_darker(color), lw=0.8)


def _rgb(color: Sequence[Any]) -> Color:
    red, green, blue = (float(channel) / 255 for channel in color)
    return red, green, blue


def _darker(color: Color) -> Color:
    red, green, blue = (0.62 * channel for channel in color)
    return red, green, blue
