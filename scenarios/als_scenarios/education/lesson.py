"""The sensors of the classroom: the question and the pads as numbers, where nobody has to read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final

import gymnasium
import numpy as np
from numpy.typing import NDArray

from als_engine.geometry import portable_math as pmath
from als_engine.sensors.base import Sensor
from als_scenarios.education.arithmetic import LARGEST, LARGEST_ANSWER, OPERATORS

if TYPE_CHECKING:
    from als_engine.world.arrays import FloatArray
    from als_engine.world.state import WorldState

QUESTIONS: Final = 10
"""How many questions a lesson has."""

STAND: Final = 5
"""Steps in a row that an avatar has to stand on a pad to answer."""

MAX_PADS: Final = 6
PAD_REACH: Final = 4.0  # metres that read as 1

COLUMNS: Final = (
    "first", "first_log", "second", "second_log", "plus", "minus", "times", "answered", "open",
    "standing",
)  # fmt: skip
"""The columns of `lesson` before the pads."""

PAD_COLUMNS: Final = ("present", "number", "number_log", "forward", "left")
"""The columns of each pad, red first."""


def log_scale(numbers: NDArray[Any]) -> FloatArray:
    """Numbers on a logarithmic line, 0 for 0 and 1, 1 for the largest operand."""
    logarithm: FloatArray = pmath.log(np.maximum(numbers, 1)) / pmath.log(LARGEST)
    return logarithm


class Lesson(Sensor):
    """The open question and every pad, seen from the avatar, float32 (40,).

    Numbers come twice: linear, over 12, where sums add, and logarithmic, where products add.

    | column | is | range |
    | --- | --- | --- |
    | first, first_log, second, second_log | the operands | 0 to 1 |
    | plus, minus, times | the operator, one of them is 1 | 0, 1 |
    | answered | the part of the questions that has been answered | 0 to 1 |
    | open | 0 until the avatar has stepped off the pads after a new question | 0, 1 |
    | standing | steps that it has stood on a pad for, over those needed | 0 to 1 |
    | present | then for each of six pads: 1 if there is such a pad | 0, 1 |
    | number, number_log | what its sign shows | 0 to 12, 0 to 2 |
    | forward, left | of its middle, seen from the body, over 4 m | ±3 |
    """

    provides: ClassVar[tuple[str, ...]] = ("lesson",)

    def spaces(self) -> Mapping[str, gymnasium.Space[Any]]:
        """One avatar's space, bounded column by column."""
        question, pads = _question_space(), _pads_space()
        low = np.concatenate([question.low, pads.low.ravel()])
        high = np.concatenate([question.high, pads.high.ravel()])
        return {"lesson": gymnasium.spaces.Box(low, high, dtype=np.float32)}

    def read(self, state: WorldState, out: Mapping[str, NDArray[Any]]) -> None:
        """Fills `lesson`, (worlds, observers, 40)."""
        lesson, head = out["lesson"], len(COLUMNS)
        _fill_question(state, lesson[:, :, :head])
        # Splitting the last axis gives a view.
        _fill_pads(state, lesson[:, :, head:].reshape(*lesson.shape[:2], MAX_PADS, -1))


class Question(Sensor):
    """The first ten columns of `lesson`, float32 (10,): the question without the pads."""

    provides: ClassVar[tuple[str, ...]] = ("question",)

    def spaces(self) -> Mapping[str, gymnasium.Space[Any]]:
        """One avatar's space, bounded column by column."""
        return {"question": _question_space()}

    def read(self, state: WorldState, out: Mapping[str, NDArray[Any]]) -> None:
        """Fills `question`, (worlds, observers, 10)."""
        _fill_question(state, out["question"])


class Pads(Sensor):
    """The other columns of `lesson` as a table, float32 (6, 5): one row for each pad."""

    provides: ClassVar[tuple[str, ...]] = ("pads",)

    def spaces(self) -> Mapping[str, gymnasium.Space[Any]]:
        """One avatar's space, bounded column by column."""
        return {"pads": _pads_space()}

    def read(self, state: WorldState, out: Mapping[str, NDArray[Any]]) -> None:
        """Fills `pads`, (worlds, observers, 6, 5)."""
        _fill_pads(state, out["pads"])


def _question_space() -> gymnasium.spaces.Box:
    return gymnasium.spaces.Box(0.0, 1.0, (len(COLUMNS),), np.float32)


def _pads_space() -> gymnasium.spaces.Box:
    low = np.zeros((MAX_PADS, len(PAD_COLUMNS)), np.float32)
    high = np.ones_like(low)
    high[:, 1:3] = LARGEST_ANSWER / LARGEST, 2.0
    low[:, 3:], high[:, 3:] = -3.0, 3.0
    return gymnasium.spaces.Box(low, high, dtype=np.float32)


def _fill_question(state: WorldState, out: NDArray[Any]) -> None:
    """Fills (worlds, observers, 10)."""
    observers = out.shape[1]
    worlds = np.arange(state.num_worlds)
    question = np.minimum(state["answered"], QUESTIONS - 1)
    operands = state["operands"][worlds, question]
    out[:, :, 0:3:2] = operands[:, None] / LARGEST
    out[:, :, 1:4:2] = log_scale(operands)[:, None]
    operator = state["operator"][worlds, question]
    out[:, :, 4:7] = (operator[:, None] == np.arange(len(OPERATORS)))[:, None]
    out[:, :, 7] = state["answered"][:, None] / QUESTIONS
    out[:, :, 8] = state["open"][:, :observers]
    out[:, :, 9] = np.minimum(state["standing"][:, :observers] / STAND, 1.0)


def _fill_pads(state: WorldState, out: NDArray[Any]) -> None:
    """Fills (worlds, observers, 6, 5)."""
    worlds = np.arange(state.num_worlds)
    question = np.minimum(state["answered"], QUESTIONS - 1)
    numbers = state["numbers"][worlds, question]
    count = numbers.shape[1]
    out[:] = 0.0
    out[:, :, :count, 0] = 1.0
    out[:, :, :count, 1] = numbers[:, None] / LARGEST
    out[:, :, :count, 2] = log_scale(numbers)[:, None]
    out[:, :, :count, 3:] = _seen(state, out.shape[1], count)


def _seen(state: WorldState, observers: int, pads: int) -> FloatArray:
    """Where the pads are in each observer's frame, (worlds, observers, pads, 2), over 4 m."""
    avatars = state.avatars
    away = (
        state.props.position[:, None, :pads, :2] - avatars.position[:, :observers, None, :2]
    ) / PAD_REACH
    cos = pmath.cos(avatars.heading[:, :observers, None])
    sin = pmath.sin(avatars.heading[:, :observers, None])
    forward = away[..., 0] * cos + away[..., 1] * sin
    left = away[..., 1] * cos - away[..., 0] * sin
    return np.clip(np.stack([forward, left], -1), -3.0, 3.0)
