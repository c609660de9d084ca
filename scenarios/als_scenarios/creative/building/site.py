"""The `site` sensor of `ALS/Build-v0`: the structure, what is asked for, and what is at hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final

import gymnasium
import numpy as np
from numpy.typing import NDArray

from als_engine.bodies.interaction import REACH, REACH_ANGLE
from als_engine.geometry import portable_math as pmath
from als_engine.sensors.base import Sensor
from als_engine.system.compiling import inner, kernel
from als_scenarios.creative.building.blocks import (
    BLOCKS,
    COLUMNS,
    CUBES,
    LEVELS,
    NUM_COLORS,
    SPAN,
    Site,
    loose,
    rest,
)
from als_scenarios.creative.building.guidance import BUILDERS, OPEN
from als_scenarios.creative.building.novelty import ARCHIVED, TRAITS
from als_scenarios.creative.building.sentences import KINDS, RELATIONS
from als_scenarios.creative.building.yard import PITCH, SITE_Y, column_before

if TYPE_CHECKING:
    from als_engine.world.state import WorldState

_KINDS, _RELATIONS, _TRAITS = len(KINDS), len(RELATIONS), len(TRAITS)
_CELLS: Final = COLUMNS * LEVELS * NUM_COLORS
_THING: Final = _KINDS + NUM_COLORS
_SAID: Final = 2 * _THING + 1 + _RELATIONS
_SEEN: Final = (ARCHIVED + 1) * _TRAITS
_HAND: Final = NUM_COLORS + 1
_FRONT: Final = COLUMNS + 2
_PLACE: Final = 4
_NEAREST: Final = 3 * 2 * NUM_COLORS

PLANNED_AT: Final = _CELLS
SAID_AT: Final = 2 * _CELLS
SEEN_AT: Final = SAID_AT + _SAID
SCORE_AT: Final = SEEN_AT + _SEEN
HAND_AT: Final = SCORE_AT + 2
FRONT_AT: Final = HAND_AT + _HAND
PLACE_AT: Final = FRONT_AT + _FRONT
NEAREST_AT: Final = PLACE_AT + _PLACE
ROLE_AT: Final = NEAREST_AT + _NEAREST
SIZE: Final = ROLE_AT + 2

SCALE: Final = 6.0
"""The metres that read as 1."""

HALF: Final = np.array([PITCH / 2, SPAN * PITCH / 2])
"""Half the longest edge of cubes and beams, nearly: from where on a hand reaches for them."""

REACH_COSINE: Final = float(pmath.cos(REACH_ANGLE))


class SiteSensor(Sensor):
    """The site from the front, float32 (341,).

    | columns | are | range |
    | --- | --- | --- |
    | 0 to 111 | the structure: for each column, from the left, and each level, from the bottom, \
one-hot red, blue, yellow, green | 0, 1 |
    | 112 to 223 | the plan, likewise; 0 in the modes `sentence` and `open` | 0, 1 |
    | 224 to 245 | the sentence, 0 in the other modes: kind (tower, arch, wall, staircase) and \
colour of the first thing, its height over 4, the relation (taller, lower, left, right, on top), \
kind and colour of the second thing | 0 to 1 |
    | 246 to 294 | the mode `open`, 0 in the others: the descriptors of the six structures on the \
wall, then that of this one | 0 to 1 |
    | 295, 296 | how well the structure does (intersection over union, the share of constraints \
met, or novelty); the share of the time that is left | 0 to 1 |
    | 297 to 301 | the block in hand: its colour one-hot, 1 for a beam | 0, 1 |
    | 302 to 310 | the column that `use` would use, one-hot; 1 where that would lay the block in \
hand; 1 where that would take a block off | 0, 1 |
    | 311 to 314 | the middle of the site: ahead and to the left, over 6 m; cosine and sine of its \
direction from where the builder faces | ±1 |
    | 315 to 338 | for cubes, then beams, of each colour: 1 if one lies about, and where the \
nearest is, ahead and to the left, over 6 m | ±1 |
    | 339, 340 | 1 for a builder, 0 for a helper, who cannot use the site; 1 in reach of a block | \
0, 1 |
    """

    provides: ClassVar[tuple[str, ...]] = ("site",)

    def spaces(self) -> Mapping[str, gymnasium.Space[Any]]:
        """One avatar's space, bounded column by column."""
        low, high = np.zeros(SIZE, np.float32), np.ones(SIZE, np.float32)
        low[PLACE_AT:NEAREST_AT] = -1.0
        for k in range(2 * NUM_COLORS):
            low[NEAREST_AT + 3 * k + 1 : NEAREST_AT + 3 * k + 3] = -1.0
        return {"site": gymnasium.spaces.Box(low, high, dtype=np.float32)}

    def read(self, state: WorldState, out: Mapping[str, NDArray[Any]]) -> None:
        """Fills `site`, (worlds, observers, 341)."""
        site, mode = out["site"], state["mode"]
        _fill(
            (state["grid"], state["plan"], state["sentence"]),
            (state["archive"], state["traits"], state["score"], mode == OPEN, _time_left(state)),
            site,
        )
        avatars, props = state.avatars, state.props
        _fill_at_hand(
            column_before(state), (state["grid"], state["block"], state["bears"]),
            (avatars.position, avatars.heading, avatars.held, state.bodies.radius),
            (props.position, props.portable, props.holder, state["paint"]), site,
        )  # fmt: skip


def _time_left(state: WorldState) -> NDArray[np.float64]:
    return np.maximum(0.0, 1.0 - state.step / state.max_episode_steps)


@kernel
def _fill(structures, measures, out):  # type: ignore[no-untyped-def]
    """Fills the columns that are the same for everybody in a world."""
    grid, plan, sentence = structures
    archive, traits, score, is_open, left = measures
    for w in range(out.shape[0]):
        row = out[w, 0]
        row[:PLACE_AT] = 0.0
        for x in range(COLUMNS):
            for level in range(LEVELS):
                at = (x * LEVELS + level) * NUM_COLORS - 1
                if grid[w, x, level] > 0:
                    row[at + grid[w, x, level]] = 1.0
                if plan[w, x, level] > 0:
                    row[PLANNED_AT + at + plan[w, x, level]] = 1.0
        _write_sentence(sentence[w], row)
        if is_open[w]:
            for i in range(ARCHIVED):
                for k in range(_TRAITS):
                    row[SEEN_AT + i * _TRAITS + k] = archive[w, i, k]
            for k in range(_TRAITS):
                row[SEEN_AT + ARCHIVED * _TRAITS + k] = traits[w, k]
        row[SCORE_AT], row[SCORE_AT + 1] = min(1.0, score[w]), left[w]
        for a in range(1, out.shape[1]):
            out[w, a, :PLACE_AT] = row[:PLACE_AT]


@inner
def _write_sentence(said, row):  # type: ignore[no-untyped-def]
    kind, color, height, relation, other, other_color = said
    at = SAID_AT
    if kind >= 0:
        row[at + kind] = 1.0
    if color >= 0:
        row[at + _KINDS + color] = 1.0
    row[at + _THING] = max(0, height) / LEVELS
    if relation >= 0:
        row[at + _THING + 1 + relation] = 1.0
    at += _THING + 1 + _RELATIONS
    if other >= 0:
        row[at + other] = 1.0
        row[at + _KINDS + other_color] = 1.0


@kernel
def _fill_at_hand(column, site, avatars, blocks, out):  # type: ignore[no-untyped-def]
    """Fills what differs from one builder to the next."""
    site = Site(*site)
    position, heading, held, radius = avatars
    places, portable, holder, paint = blocks
    nearest = np.empty((2, NUM_COLORS))
    for w in range(out.shape[0]):
        for a in range(out.shape[1]):
            row = out[w, a]
            row[HAND_AT:] = 0.0
            x, y, number = position[w, a, 0], position[w, a, 1], held[w, a]
            cos, sin = pmath.cos(heading[w, a]), pmath.sin(heading[w, a])
            beam = number >= CUBES
            if number >= 0:
                row[HAND_AT + paint[w, number] - 1], row[HAND_AT + NUM_COLORS] = 1.0, beam
            if column[w, a] >= 0 and a < BUILDERS:
                at = FRONT_AT + COLUMNS
                row[FRONT_AT + column[w, a]] = 1.0
                if number >= 0:
                    row[at] = rest(site.block[w], site.bears[w], column[w, a], beam) >= 0
                else:
                    row[at + 1] = loose(site.block[w], column[w, a]) >= 0
            away = pmath.hypot(x, SITE_Y - y) + 1e-9
            _see(row, PLACE_AT, -x, SITE_Y - y, cos, sin)
            row[PLACE_AT + 2] = (-cos * x + sin * (SITE_Y - y)) / away
            row[PLACE_AT + 3] = (sin * x + cos * (SITE_Y - y)) / away
            row[ROLE_AT] = a < BUILDERS
            nearest[:] = 1e9
            for i in range(BLOCKS):
                if not portable[w, i] or holder[w, i] >= 0:
                    continue
                dx, dy = places[w, i, 0] - x, places[w, i, 1] - y
                away = pmath.hypot(dx, dy)
                kind, color = int(i >= CUBES), paint[w, i] - 1
                if away < nearest[kind, color]:
                    nearest[kind, color] = away
                    at = NEAREST_AT + 3 * (kind * NUM_COLORS + color)
                    row[at] = 1.0
                    _see(row, at + 1, dx, dy, cos, sin)
                if _ahead(dx, dy, cos, sin, away - radius[a] - HALF[kind]):
                    row[ROLE_AT + 1] = 1.0


@inner
def _see(row, column, dx, dy, cos, sin):  # type: ignore[no-untyped-def]
    """Writes where a place is, ahead and to the left."""
    row[column] = min(1.0, max(-1.0, (cos * dx + sin * dy) / SCALE))
    row[column + 1] = min(1.0, max(-1.0, (cos * dy - sin * dx) / SCALE))


@inner
def _ahead(dx, dy, cos, sin, gap):  # type: ignore[no-untyped-def]
    """Whether a hand reaches what is there, as the engine has it."""
    return gap < REACH and (gap < 0.0 or cos * dx + sin * dy >= REACH_COSINE * pmath.hypot(dx, dy))
