"""Scenarios with faults that look innocent: each is wrong in one way that `als check` sees."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import ClassVar

import gymnasium
import numpy as np
from broken_worlds import Good, Thermometer

from als_engine import Prop, Quantity, Sign, Sphere, Verb
from als_engine.task import Behaviour, split_of

__all__ = [
    "AccumulatingSensor",
    "ClassMemory",
    "CutLater",
    "DefaultMemory",
    "EmptySensor",
    "EveryoneTrains",
    "Exiting",
    "FlatReward",
    "GlobalDraws",
    "GlobalMemory",
    "InfiniteReward",
    "LateLeaver",
    "ListedLevel",
    "LoudStep",
    "LyingSpace",
    "MetricNanAtTheEnd",
    "MindfulSensor",
    "MovingBehaviour",
    "MovingExpert",
    "MovingLate",
    "MovingReset",
    "NanAtTheFlag",
    "NanObserved",
    "NumberedEnd",
    "NumberedLevel",
    "PushingStep",
    "RandomConcepts",
    "SilentConcepts",
    "SlowLayout",
    "SlowSensor",
    "SlyLevel",
    "SlyQuantity",
    "SwappedSplits",
    "TimedDraws",
    "UnheldConcepts",
    "WorldCounting",
]


class InfiniteReward(Good):
    def reward(self, state):
        return super().reward(state) + self.everyone(np.where(state.step < 3, 0.0, np.inf))


class NanAtTheFlag(Good):
    """Is wrong where nobody looks: when the flag is reached."""

    def reward(self, state):
        return self.everyone(np.where(self.terminated(state), np.nan, -0.01))


class MetricNanAtTheEnd(Good):
    def metrics(self, state):
        late = np.where(self.terminated(state), np.nan, state["walked"])
        return {**super().metrics(state), "walked": late}


class FlatReward(Good):
    def reward(self, state):
        return 1.0 * self.terminated(state)


class NumberedEnd(Good):
    def terminated(self, state):
        return 1.0 * super().terminated(state)


class LateLeaver(Good):
    """Counts its steps in itself, and acts on it when nobody looks any more."""

    def __init__(self, num_avatars=1, reach=0.5, shaped=False):
        super().__init__(num_avatars, reach, shaped)
        self.steps = 0

    def after_step(self, state):
        super().after_step(state)
        self.steps += 1

    def reward(self, state):
        return super().reward(state) * (2.0 if self.steps > 500 else 1.0)


class ClassMemory(Good):
    seen: ClassVar = []

    def after_step(self, state):
        super().after_step(state)
        self.seen.append(int(state.step[0]))


_walked = {"steps": 0}


class GlobalMemory(Good):
    def after_step(self, state):
        super().after_step(state)
        _walked["steps"] += 1


class DefaultMemory(Good):
    def after_step(self, state, seen=[]):  # noqa: B006 - the bug that it stands for
        super().after_step(state)
        seen.append(1)


class GlobalDraws(Good):
    def layout(self, rng, level):
        laid = super().layout(rng, level)
        x = 2.0 + np.random.rand()  # noqa: NPY002 - the bug that it stands for
        return replace(laid, props={**laid.props, "flag": Prop(Sphere(0.2), (x, 0.0), solid=False)})


class TimedDraws(Good):
    def after_reset(self, state, worlds):
        super().after_reset(state, worlds)
        state["walked"][worlds] = time.time() % 1.0


class WorldCounting(Good):
    """What a level holds depends on how many worlds there are."""

    def after_reset(self, state, worlds):
        super().after_reset(state, worlds)
        state["walked"][worlds] = state.num_worlds


class _ByConcept(Good):
    """Says by its words what a level is about."""

    about: ClassVar = {
        "train": ["the cat", "the dog", "the cow", "the owl", "the fox", "the hen"],
        "validation": ["the bee"],
        "test": ["the ant"],
    }

    def layout(self, rng, level):
        words = self.about[split_of(level)]
        return replace(super().layout(rng, level), instruction=words[int(rng.integers(len(words)))])

    def concepts(self, layout):
        return [layout.instruction]


class SwappedSplits(_ByConcept):
    about: ClassVar = {**_ByConcept.about, "train": ["the ant"], "test": _ByConcept.about["train"]}


class SilentConcepts(Good):
    """Several things to do, and none of them held out."""

    def layout(self, rng, level):
        words = _ByConcept.about["train"]
        return replace(super().layout(rng, level), instruction=words[int(rng.integers(len(words)))])


class UnheldConcepts(_ByConcept):
    """Two words at once, of which it tells none."""

    def concepts(self, layout):
        return []


class RandomConcepts(_ByConcept):
    def concepts(self, layout):
        return [f"{layout.instruction} {np.random.default_rng().random()}"]


class EveryoneTrains(Good):
    """Three behaviours, all of which training meets."""

    def behaviours(self):
        idle = super().behaviours()["idle"].act
        return {name: Behaviour(idle) for name in ("idle", "rests", "waits")}


class MovingReset(Good):
    def after_reset(self, state, worlds):
        super().after_reset(state, worlds)
        state.props.position[worlds, 1, :2] = (-1.5, 1.5)


class MovingBehaviour(Good):
    def behaviours(self):
        def act(state, who, commands):
            state.avatars.position[..., 0] += 0.01 * who

        return {"idle": Behaviour(act)}


class MovingExpert(Good):
    def expert(self, state, who, commands):
        super().expert(state, who, commands)
        state.avatars.position[..., 0] += 0.01 * who


class MovingLate(Good):
    def after_step(self, state):
        super().after_step(state)
        state.props.position[state.step == 20, 1, 0] += 0.1


class PushingStep(Good):
    def after_step(self, state):
        super().after_step(state)
        state.avatars.velocity[..., 0] = 1.0


class CutLater(Good):
    """Says too much only in the middle of an episode."""

    def after_step(self, state):
        super().after_step(state)
        for world in np.flatnonzero(state.step == 4):
            state.instruct([world], "one " * 200)


class NumberedLevel(Good):
    def layout(self, rng, level):
        return replace(super().layout(rng, level), instruction=f"this is level {level}")


class ListedLevel(Good):
    """A sign has the number."""

    def layout(self, rng, level):
        sign = Sign(f"room {level}", (0.0, 3.9, 1.5), -np.pi / 2)
        return replace(super().layout(rng, level), signs={"door": sign})


class TellingSensor(Thermometer):
    def read(self, state, out):
        out["thermometer"][:] = (state.level / 30_000)[:, None, None]


class SlyLevel(Good):
    extra_sensors: ClassVar = {"thermometer": TellingSensor}


class Copying(Thermometer):
    def read(self, state, out):
        out["thermometer"][:] = (state["secret"] / 30_000)[:, None, None]


class SlyQuantity(Good):
    extra_sensors: ClassVar = {"thermometer": Copying}

    def quantities(self):
        return {**super().quantities(), "secret": Quantity()}

    def layout(self, rng, level):
        return replace(super().layout(rng, level), quantities={"secret": level})


class Empty(Thermometer):
    def read(self, state, out):
        pass


class EmptySensor(Good):
    extra_sensors: ClassVar = {"thermometer": Empty}


class Accumulating(Thermometer):
    def read(self, state, out):
        out["thermometer"] += np.float32(0.001)


class AccumulatingSensor(Good):
    extra_sensors: ClassVar = {"thermometer": Accumulating}


class Mindful(Thermometer):
    """Remembers how often it was asked, and acts on it late."""

    asked = 0

    def read(self, state, out):
        self.asked += 1
        out["thermometer"][:] = 0.5 if self.asked < 500 else 0.6


class MindfulSensor(Good):
    extra_sensors: ClassVar = {"thermometer": Mindful}


class Wide(Thermometer):
    """Its space is finer than what it writes fits into."""

    def spaces(self):
        return {"thermometer": gymnasium.spaces.Box(0.0, 0.1, (1,), np.float32)}

    def read(self, state, out):
        out["thermometer"][:] = 0.2


class LyingSpace(Good):
    extra_sensors: ClassVar = {"thermometer": Wide}


class NanThermometer(Thermometer):
    def read(self, state, out):
        out["thermometer"][:] = np.nan


class NanObserved(Good):
    extra_sensors: ClassVar = {"thermometer": NanThermometer}


class Slow(Thermometer):
    def read(self, state, out):
        time.sleep(0.1)
        super().read(state, out)
        out["thermometer"][:] = 0.5


class SlowSensor(Good):
    extra_sensors: ClassVar = {"thermometer": Slow}


class LoudStep(Good):
    def after_step(self, state):
        super().after_step(state)
        print("step", state.step)  # noqa: T201 - the bug that it stands for


class SlowLayout(Good):
    def layout(self, rng, level):
        time.sleep(0.3)
        return super().layout(rng, level)


class Exiting(Good):
    def after_step(self, state):
        super().after_step(state)
        if (state.step == 3).any():
            raise SystemExit("done")


class LongSaying(Good):
    utterances: ClassVar = ("yes", Verb("say", ("a " * 100, "b")))


for _name in __all__:  # None of them is wrong in its docstring.
    globals()[_name].__doc__ = Good.__doc__
