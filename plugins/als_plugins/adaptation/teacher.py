"""A simulated teacher: good or bad by what the expert would do, late, sometimes, and with slips."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field, model_validator

from als_engine.errors import ArgumentError
from als_engine.models import Model
from als_engine.seeding import spread
from als_plugins.adaptation.channel import DELAY, STEP, Delay, Event, Moment

__all__ = ["SimulatedTeacher", "Teaching"]

_USUAL: Final = 0.02
"""How fast a teacher gets used to an avatar: the weight of a new distance in the usual one."""

_BLOCK: Final = 256
"""Steps whose draws are made together."""


class Teaching(Model):
    """The settings of a simulated teacher.

    Attributes:
        noise: the share of feedback that is given the wrong way round.
        rate: the share of steps that get feedback.
        delay: seconds from the action to the feedback, any from the first to the second.
    """

    model_config = ConfigDict(strict=False)

    noise: float = Field(default=0.1, ge=0.0, le=1.0)
    rate: float = Field(default=0.3, gt=0.0, le=1.0)
    delay: Delay = DELAY

    @model_validator(mode="after")
    def _in_order(self) -> Teaching:
        if not 0.0 <= self.delay[0] <= self.delay[1] <= 10.0:
            raise ValueError("delay: from 0 to 10 seconds, the shorter one first")
        return self


class SimulatedTeacher:
    """Compares what an avatar does with what the scenario's expert would do.

    A discrete or factored action is good when it is the expert's. A continuous one is good when it
    is nearer to the expert's than this avatar's actions usually are: people praise what is better
    than they are used to. Every avatar has a teacher with random numbers of its own, whatever the
    number of worlds.
    """

    asks_expert = True

    def __init__(self, teaching: Teaching, seed: int = 0) -> None:
        """Takes how it teaches, and the seed of its draws."""
        self.teaching, self.delay = teaching, teaching.delay
        self._seed = seed

    def open(self, worlds: int, observers: int, first_step: int) -> None:
        """Gives every avatar a teacher."""
        self._observers = observers
        self._rngs = [
            np.random.default_rng(spread("teacher", self._seed, world, avatar, first_step))
            for world in range(worlds)
            for avatar in range(observers)
        ]
        rows = len(self._rngs)
        self._drawn: NDArray[np.float64] = np.empty((0, rows, 3))
        self._next = 0
        self._usual = np.full(rows, np.nan)
        self._waiting: list[tuple[int, int, float]] = []

    def watch(self, moment: Moment) -> None:
        """Judges the actions of some rows."""
        if moment.expert is None:
            raise ArgumentError("a simulated teacher needs a scenario with an expert")
        good = self._good(moment.action, moment.expert)
        judged, late, slip = self._draws().T
        low, high = self.teaching.delay
        delays = np.floor((low + (high - low) * late) / STEP + 0.5).astype(np.int64)
        values = np.where(good ^ (slip < self.teaching.noise), 1.0, -1.0)
        for row in np.flatnonzero(judged < self.teaching.rate).tolist():
            given = moment.step + int(delays[row])
            heapq.heappush(self._waiting, (given, row, float(values[row])))

    def poll(self, step: int) -> Sequence[Event]:
        """Returns the feedback that is due by now."""
        events = []
        while self._waiting and self._waiting[0][0] <= step:
            given, row, value = heapq.heappop(self._waiting)
            world, avatar = divmod(row, self._observers)
            events.append(Event(world=world, avatar=avatar, step=given, value=value))
        return events

    def close(self) -> None:
        """Holds nothing."""

    def _good(self, action: NDArray[Any], expert: NDArray[Any]) -> NDArray[np.bool_]:
        if action.dtype.kind != "f" or action.ndim == 1:
            same: NDArray[np.bool_] = (action == expert).reshape(len(action), -1).all(axis=1)
            return same
        distance = np.linalg.norm(np.asarray(action, np.float64) - expert, axis=1)
        usual = np.where(np.isnan(self._usual), distance, self._usual)
        self._usual = usual + _USUAL * (distance - usual)
        nearer: NDArray[np.bool_] = distance < usual
        return nearer

    def _draws(self) -> NDArray[np.float64]:
        """(rows, 3) numbers from 0 to 1: whether to judge, how late, whether to slip."""
        if self._next == len(self._drawn):
            self._drawn = np.stack([rng.random((_BLOCK, 3)) for rng in self._rngs], axis=1)
            self._next = 0
        self._next += 1
        drawn: NDArray[np.float64] = self._drawn[self._next - 1]
        return drawn
