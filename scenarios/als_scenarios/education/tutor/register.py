"""The teacher's register as observations: what was answered, who does what, what needs what."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final

import gymnasium
import numpy as np
from numpy.typing import NDArray

from als_engine.geometry import portable_math as pmath
from als_engine.sensors.base import Sensor
from als_engine.system.compiling import kernel
from als_scenarios.education.tutor.curriculum import NUM_SKILLS
from als_scenarios.education.tutor.lesson import (
    HAND,
    IDLE,
    LISTEN,
    LISTENING,
    RIGHT,
    WORK,
    WORKING,
    WRONG,
)
from als_scenarios.education.tutor.room import MAX_PUPILS

if TYPE_CHECKING:
    from als_engine.world.state import WorldState

PLAN: Final = 1 + NUM_SKILLS * (NUM_SKILLS - 1) // 2
"""Columns of `plan`: the time left, then what needs what."""

PUPIL_COLUMNS: Final = (
    "present", "forward", "left", "addressed", "practises", "listens", "lasts", "right", "wrong",
    "hand", "away",
)  # fmt: skip
SKILL_COLUMNS: Final = ("rights", "wrongs", "explained", "last", "recent")
COLUMNS: Final = len(PUPIL_COLUMNS) + NUM_SKILLS * len(SKILL_COLUMNS)
FADES: Final = 60.0
"""Steps after which `recent` has fallen to a half."""

_PLACE: Final = 8.0


class Register(Sensor):
    """`plan`, then the rows of `pupils` one after the other, float32 (262,)."""

    provides: ClassVar[tuple[str, ...]] = ("register",)

    def spaces(self) -> Mapping[str, gymnasium.Space[Any]]:
        """One avatar's space, bounded column by column."""
        plan, pupils = _plan_space(), _pupils_space()
        low = np.concatenate([plan.low, pupils.low.ravel()])
        high = np.concatenate([plan.high, pupils.high.ravel()])
        return {"register": gymnasium.spaces.Box(low, high, dtype=np.float32)}

    def read(self, state: WorldState, out: Mapping[str, NDArray[Any]]) -> None:
        """Fills `register`, (worlds, observers, 262)."""
        register = out["register"]
        _fill_plan(state, register[:, :, :PLAN])
        # Splitting the last axis gives a view.
        _fill_pupils(state, register[:, :, PLAN:].reshape(*register.shape[:2], MAX_PUPILS, -1))


class Plan(Sensor):
    """The time and the curriculum, float32 (16,).

    | column | is | range |
    | --- | --- | --- |
    | 0 | the part of the lesson that is left | 0 to 1 |
    | 1 to 15 | 1 where a skill needs another: adding counting, subtracting counting, subtracting \
adding, and so on | 0, 1 |
    """

    provides: ClassVar[tuple[str, ...]] = ("plan",)

    def spaces(self) -> Mapping[str, gymnasium.Space[Any]]:
        """One avatar's space."""
        return {"plan": _plan_space()}

    def read(self, state: WorldState, out: Mapping[str, NDArray[Any]]) -> None:
        """Fills `plan`, (worlds, observers, 16)."""
        _fill_plan(state, out["plan"])


class PupilTable(Sensor):
    """The register's page of each pupil, float32 (6, 41), one row each; rows without one are 0.

    | column | is | range |
    | --- | --- | --- |
    | present | 1 in a row with a pupil | 0, 1 |
    | forward, left | of its place, seen from the body, over 8 m | ±1 |
    | addressed | the teacher is near it and faces it | 0, 1 |
    | practises, listens | what it is busy with | 0, 1 |
    | lasts | for how long yet, over the time that this takes | 0 to 1 |
    | right, wrong, hand | its lamp is green, red, yellow | 0, 1 |
    | away | it faces neither its desk nor the teacher | 0, 1 |
    | rights, wrongs, explained | then for each skill: how often, n / (n + 2) | 0 to 1 |
    | last | the last answer was right, 1, or wrong; 0 after an explanation | -1, 0, 1 |
    | recent | 60 / (60 + steps since it was last taught), 0 where never | 0 to 1 |
    """

    provides: ClassVar[tuple[str, ...]] = ("pupils",)

    def spaces(self) -> Mapping[str, gymnasium.Space[Any]]:
        """One avatar's space, bounded column by column."""
        return {"pupils": _pupils_space()}

    def read(self, state: WorldState, out: Mapping[str, NDArray[Any]]) -> None:
        """Fills `pupils`, (worlds, observers, 6, 41)."""
        _fill_pupils(state, out["pupils"])


def _plan_space() -> gymnasium.spaces.Box:
    return gymnasium.spaces.Box(0.0, 1.0, (PLAN,), np.float32)


def _pupils_space() -> gymnasium.spaces.Box:
    low = np.zeros((MAX_PUPILS, COLUMNS), np.float32)
    low[:, 1:3] = -1.0
    low[:, len(PUPIL_COLUMNS) + SKILL_COLUMNS.index("last") :: len(SKILL_COLUMNS)] = -1.0
    return gymnasium.spaces.Box(low, np.ones_like(low), dtype=np.float32)


def _fill_plan(state: WorldState, out: NDArray[Any]) -> None:
    """Fills (worlds, observers, 16)."""
    end = np.minimum(state["ends"], state.max_episode_steps)
    out[..., 0] = np.clip(1.0 - state.step / end, 0.0, 1.0)[:, None]
    earlier = np.tril_indices(NUM_SKILLS, -1)
    out[..., 1:] = state["needs"][:, None, earlier[0], earlier[1]]


def _fill_pupils(state: WorldState, out: NDArray[Any]) -> None:
    """Fills (worlds, observers, 6, 41)."""
    _fill(
        state.step,
        (state.avatars.position, state.avatars.heading),
        state["addressed"],
        (state["task"], state["left"], state["lamp"], state["away"]),
        (state["rights"], state["wrongs"], state["explained"], state["last"], state["taught"]),
        out,
    )


@kernel
def _fill(step, avatars, addressed, desks, book, out):  # type: ignore[no-untyped-def]
    position, heading = avatars
    task, left, lamp, away = desks
    rights, wrongs, explained, last, taught = book
    for w in range(out.shape[0]):
        for a in range(out.shape[1]):
            out[w, a] = 0.0
            cos, sin = pmath.cos(heading[w, a]), pmath.sin(heading[w, a])
            for p in range(task.shape[1]):
                row, doing = out[w, a, p], task[w, p]
                x = position[w, p + 1, 0] - position[w, a, 0]
                y = position[w, p + 1, 1] - position[w, a, 1]
                row[0] = 1.0
                row[1] = min(max((x * cos + y * sin) / _PLACE, -1.0), 1.0)
                row[2] = min(max((y * cos - x * sin) / _PLACE, -1.0), 1.0)
                row[3] = addressed[w] == p
                row[4], row[5] = doing == WORKING, doing == LISTENING
                if doing != IDLE:
                    row[6] = left[w, p] / (WORK if doing == WORKING else LISTEN)
                row[7], row[8], row[9] = (
                    lamp[w, p] == RIGHT,
                    lamp[w, p] == WRONG,
                    lamp[w, p] == HAND,
                )
                row[10] = away[w, p]
                k = 11
                for s in range(rights.shape[2]):
                    row[k] = rights[w, p, s] / (rights[w, p, s] + 2.0)
                    row[k + 1] = wrongs[w, p, s] / (wrongs[w, p, s] + 2.0)
                    row[k + 2] = explained[w, p, s] / (explained[w, p, s] + 2.0)
                    row[k + 3] = last[w, p, s]
                    if taught[w, p, s] >= 0:
                        row[k + 4] = FADES / (FADES + step[w] - taught[w, p, s])
                    k += 5
