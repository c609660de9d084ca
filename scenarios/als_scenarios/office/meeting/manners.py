"""The manners of speakers whom nobody drives: how they stand at the table, or do not."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np

from als_engine.geometry import portable_math as pmath
from als_engine.navigation import Navigator, face
from als_engine.world.arrays import NOTHING, BoolArray, FloatArray
from als_engine.world.state import WorldState
from als_scenarios.office.meeting.boardroom import BOARD_Y, MIDDLE

if TYPE_CHECKING:
    from als_engine.bodies.avatar import Commands

Manner: TypeAlias = "Callable[[WorldState, BoolArray, Commands, Navigator], None]"
"""A behaviour that finds its way with a navigator."""

_THERE: Final = 0.15
_LEG_STEPS: Final = 45
_STRIDE: Final = 0.4  # To either side of the seat, metres.
_BACK: Final = 0.45
_TO_BOARD: Final = 0.7
_PACE: Final = 0.5
_TABLE = np.array(MIDDLE)


def attends(state: WorldState, who: BoolArray, commands: Commands, navigator: Navigator) -> None:
    """Stays in place and turns to whoever speaks."""
    _stand(state, state["seat"], _whoever_speaks(state), who, commands, navigator)


def paces(state: WorldState, who: BoolArray, commands: Commands, navigator: Navigator) -> None:
    """Walks to and fro along the edge of the table."""
    leg = (state.step[:, None] // _LEG_STEPS + np.arange(state.num_avatars)) % 2
    goals = state["seat"] + state["along"] * (_STRIDE * (2 * leg - 1))[..., None]
    _stand(state, goals, _whoever_speaks(state), who, commands, navigator)


def turns_away(state: WorldState, who: BoolArray, commands: Commands, navigator: Navigator) -> None:
    """Stays in place and looks away from the table, but for when it speaks."""
    seat = state["seat"]
    points = np.where(_speaks(state)[..., None], _TABLE, 2 * seat - _TABLE)
    _stand(state, seat, points, who, commands, navigator)


def steps_back(state: WorldState, who: BoolArray, commands: Commands, navigator: Navigator) -> None:
    """Comes to the table to speak, and steps back from it when others do."""
    seat = state["seat"]
    goals = np.where(_speaks(state)[..., None], seat, seat + _BACK * _outwards(seat))
    _stand(state, goals, _whoever_speaks(state), who, commands, navigator)


def presents(state: WorldState, who: BoolArray, commands: Commands, navigator: Navigator) -> None:
    """Walks towards the boards while it speaks, and back when it has finished."""
    seat = state["seat"]
    way = np.array([0.0, BOARD_Y]) - seat
    length = np.maximum(pmath.hypot(way[..., 0], way[..., 1]), 1e-6)[..., None]
    goals = np.where(_speaks(state)[..., None], seat + way * (_TO_BOARD / length), seat)
    _stand(state, goals, _whoever_speaks(state), who, commands, navigator)


def _stand(
    state: WorldState,
    goals: FloatArray,
    points: FloatArray,
    who: BoolArray,
    commands: Commands,
    navigator: Navigator,
) -> None:
    """Walks to a place, and there turns to a point; both (worlds, avatars, 2)."""
    away = goals - state.avatars.position[..., :2]
    far = pmath.hypot(away[..., 0], away[..., 1]) > _THERE
    navigator.walk(goals, commands, who & far, speed=_PACE)
    face(state, points, commands, who & ~far)


def _speaks(state: WorldState) -> BoolArray:
    """Who speaks now, (worlds, avatars); never the note-taker."""
    speaks: BoolArray = np.zeros((state.num_worlds, state.num_avatars), np.bool_)
    speaks[:, 1:] = state["saying"] != NOTHING
    return speaks


def _whoever_speaks(state: WorldState) -> FloatArray:
    """Where everybody looks, (worlds, avatars, 2): who speaks to the table, the others to them."""
    speaks = _speaks(state)
    first = state.avatars.position[np.arange(state.num_worlds), speaks.argmax(1), :2]
    there = np.where(speaks.any(1, keepdims=True), first, _TABLE)
    return np.where(speaks[..., None], _TABLE, there[:, None])


def _outwards(seat: FloatArray) -> FloatArray:
    away = seat - _TABLE
    length = np.maximum(pmath.hypot(away[..., 0], away[..., 1]), 1e-6)[..., None]
    return np.asarray(away / length)
