"""Scenarios that break one promise each, and one that keeps them all."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import gymnasium
import numpy as np
from acme_worlds import Reach

from als_engine import Layout, Prop, Quantity, Sphere
from als_engine.sensors.base import Sensor
from als_engine.task import Behaviour, split_of

__all__ = [
    "CountingRewards",
    "Crashing",
    "Easy",
    "Good",
    "GreedyRewards",
    "HotSensor",
    "LateMetric",
    "LateNan",
    "LazyExpert",
    "LostTerms",
    "Moody",
    "NanSensor",
    "NoExpert",
    "NoSections",
    "OneLevel",
    "Remembering",
    "Renaming",
    "SharedCompany",
    "SharedConcepts",
    "SharedLevels",
    "TwoSplits",
    "UnnamedTerms",
    "Wordy",
]


class Good(Reach):
    """Walk to the flag, which is straight ahead.

    ## Description

    A room with a flag.

    ## Observations

    The engine's.

    ## Actions

    The engine's.

    ## Rewards

    1 at the flag, -0.01 a step.

    ## Episode end

    At the flag.

    ## Arguments

    - `reach`: how near is near enough, metres.
    - `shaped`: whether walking ahead is rewarded.

    ## Metrics

    - `success`: it is reached.
    - `walked`: metres.
    - `steps`: so far.

    ## Version history

    - v0: first version.
    """


class NoSections(Reach):
    """Walk to the flag.

    ## Description

    A room with a flag.
    """


class LateNan(Good):
    def reward(self, state):
        return super().reward(state) + self.everyone(np.where(state.step == 5, np.nan, 0.0))


class LateMetric(Good):
    def metrics(self, state):
        walked = np.where(state.step == 5, np.inf, state["walked"])
        return {**super().metrics(state), "walked": walked}


class Moody(Good):
    def layout(self, rng, level):
        return super().layout(np.random.default_rng(), level)


class Renaming(Good):
    def layout(self, rng, level):
        laid = super().layout(rng, level)
        props = {"flag": laid.props["flag"], f"thing {level % 5}": Prop(Sphere(0.1), (0, 3))}
        return Layout(laid.spawns, laid.walls, props)


class SharedLevels(Good):
    def layout(self, rng, level):
        return super().layout(np.random.default_rng(level % 10_000), level)


class OneLevel(Good):
    def layout(self, rng, level):
        return super().layout(np.random.default_rng(level // 10_000), level)


class SharedConcepts(Good):
    def concepts(self, layout):
        return ["seven plus five"]


class TwoSplits(Good):
    """Written as if every level that is not of the test split were of training."""

    def layout(self, rng, level):
        laid = super().layout(rng, level)
        about = "held out" if split_of(level) == "test" else "known"
        return Layout(laid.spawns, laid.walls, laid.props, instruction=about)

    def concepts(self, layout):
        return [layout.instruction]


class SharedCompany(Good):
    def behaviours(self):
        act = super().behaviours()["idle"].act
        return {"idle": Behaviour(act), "new": Behaviour(act, splits=("validation", "test"))}


class Remembering(Good):
    """Keeps something about its worlds in itself."""

    def __init__(self, num_avatars=1):
        super().__init__(num_avatars)
        self.steps = 0

    def after_step(self, state):
        super().after_step(state)
        self.steps += 1

    def reward(self, state):
        return super().reward(state) + self.steps


class CountingRewards(Good):
    def quantities(self):
        return {**super().quantities(), "asked": Quantity()}

    def reward(self, state):
        state["asked"][:] += 1
        return super().reward(state)


class GreedyRewards(Good):
    paid = 0

    def reward(self, state):
        self.paid += 1
        return super().reward(state) + self.paid


class LostTerms(Good):
    """Its terms leave something of the reward out."""

    reward_names: ClassVar = ("all", "nothing")

    def reward_terms(self, state):
        reward = self.reward(state)
        return {"all": reward, "nothing": 0.001 + 0.0 * reward}


class UnnamedTerms(LostTerms):
    reward_names: ClassVar = ("all",)


class Thermometer(Sensor):
    provides: ClassVar = ("thermometer",)
    degrees: ClassVar = 2.0

    def spaces(self):
        return {"thermometer": gymnasium.spaces.Box(0.0, 1.0, (1,), np.float32)}

    def read(self, state, out):
        out["thermometer"][:] = self.degrees


class Failing(Thermometer):
    def read(self, state, out):
        out["thermometer"][:] = np.where(state.step < 3, 0.5, np.nan)[:, None, None]


class HotSensor(Good):
    extra_sensors: ClassVar = {"thermometer": Thermometer}


class NanSensor(Good):
    extra_sensors: ClassVar = {"thermometer": Failing}


class NoExpert(Good):
    def expert(self, state, who, commands):
        raise NotImplementedError("NoExpert has no expert")


class LazyExpert(Good):
    def expert(self, state, who, commands):
        pass


class Easy(Good):
    def terminated(self, state):
        return state.step >= 2


class Crashing(Good):
    def after_step(self, state):
        1 / 0  # noqa: B018 - the bug that it stands for


class Wordy(Good):
    def layout(self, rng, level):
        return replace(super().layout(rng, level), instruction="one " * 100)
