"""Agents, sensors, encoders and suites that are wrong in one way each, as a plugin offers them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import ClassVar

import gymnasium
import numpy as np
import torch
from broken_worlds import Good
from torch import nn

from als_engine import (
    Agent,
    AgentSpec,
    EncoderSpec,
    Learner,
    ScenarioSpec,
    SensorSpec,
    SuiteEntry,
    SuiteSpec,
    hookimpl,
)
from als_engine.sensors.base import Sensor

ID = "Parts/Walk-v0"


class Walk(Good):
    """Where the parts are tried."""


class Still(Agent):
    """A good agent: it stands still."""

    def act(self, observation, state=None, deterministic=True):
        return np.zeros(len(next(iter(observation.values()))), np.int64), state


class Wild(Still):
    def act(self, observation, state=None, deterministic=True):
        return np.full(len(next(iter(observation.values()))), 99), state


class Flat(Still):
    def act(self, observation, state=None, deterministic=True):
        return np.zeros((2, 2), np.int64), state


class Dice(Still):
    draws = np.random.default_rng()

    def act(self, observation, state=None, deterministic=True):
        return self.draws.integers(0, 5, len(next(iter(observation.values())))), state


class Nostalgic(Still):
    """Goes on with what it remembers of the last episode."""

    acted = 0

    def act(self, observation, state=None, deterministic=True):
        self.acted += 1
        return np.full(len(next(iter(observation.values()))), self.acted // 8 % 3), state


class Sociable(Still):
    """Does in every row what there are rows."""

    def act(self, observation, state=None, deterministic=True):
        rows = len(next(iter(observation.values())))
        return np.full(rows, rows % 3), state


class Forgetful(Still):
    """Does not save what it has drawn."""

    def __init__(self, observation_space, action_space):
        super().__init__(observation_space, action_space)
        self.does = _made.pop() if _made else 1

    def act(self, observation, state=None, deterministic=True):
        return np.full(len(next(iter(observation.values()))), self.does), state


_made: list[int] = [2]


class Diary(Still):
    def act(self, observation, state=None, deterministic=True):
        Path("diary.txt").write_text("dear diary")
        return super().act(observation, state, deterministic)


class Slow(Still):
    def act(self, observation, state=None, deterministic=True):
        time.sleep(0.6)
        return super().act(observation, state, deterministic)


class Deaf(Learner):
    """Does not listen when it is told to stop."""

    def learn(self, rows, training):
        for _ in range(200):
            training.should_stop()
        return training.progress(200, rows.recent)

    def act(self, observation, state=None, deterministic=True):
        return np.zeros(len(next(iter(observation.values()))), np.int64), state


AGENTS = (Still, Wild, Flat, Dice, Nostalgic, Sociable, Forgetful, Diary, Slow, Deaf)


class Compass(Sensor):
    """A good sensor: where each observer looks."""

    def __init__(self, setup, enabled):
        self.provides = tuple(enabled)
        super().__init__(setup, enabled)

    def spaces(self):
        return {self.enabled[0]: gymnasium.spaces.Box(-1.0, 1.0, (1,), np.float32)}

    def read(self, state, out):
        out[self.enabled[0]][..., 0] = state.avatars.heading[:, : self.setup.observers] / 4.0


class Numb(Compass):
    def read(self, state, out):
        pass


class Broken(Compass):
    def read(self, state, out):
        out[self.enabled[0]][:] = np.nan


class Counting(Compass):
    def read(self, state, out):
        out[self.enabled[0]][:] = np.float32(state.num_worlds / 8)


class Greedy(Compass):
    def read(self, state, out):
        for array in out.values():
            array[:] = 1


class Pushing(Compass):
    def read(self, state, out):
        super().read(state, out)
        state.avatars.velocity[:, 0, 0] += 0.01


class Drawing(Compass):
    def read(self, state, out):
        super().read(state, out)
        np.random.rand()  # noqa: NPY002 - the bug that it stands for


class Telling(Compass):
    def read(self, state, out):
        out[self.enabled[0]][:] = (state.level / 30_000)[:, None, None]


SENSORS = (Compass, Numb, Broken, Counting, Greedy, Pushing, Drawing, Telling)
for _sensor in SENSORS:
    _sensor.provides = (f"parts/{_sensor.__name__.lower()}",)


class Linear(nn.Module):
    """A good encoder: a layer over what the body feels."""

    features = 8

    def __init__(self, observation_space, **config):
        super().__init__()
        self.config = config
        self.layer = nn.Linear(observation_space["proprioception"].shape[0], 8)

    def forward(self, observation):
        first = next(iter(observation.values()))
        if "proprioception" not in observation:
            return torch.zeros(len(first), 8)
        return self.layer(observation["proprioception"])


class Longer(Linear):
    features = 9


class Mixing(Linear):
    def forward(self, observation):
        found = super().forward(observation)
        return found - found.mean(0)


class Normed(Linear):
    def __init__(self, observation_space, **config):
        super().__init__(observation_space, **config)
        self.norm = nn.BatchNorm1d(8)

    def forward(self, observation):
        return self.norm(super().forward(observation))


class Rooted(Linear):
    """The root of 0 has no gradient."""

    def forward(self, observation):
        return torch.sqrt(0.0 * super().forward(observation))


class Frozen(Linear):
    def forward(self, observation):
        return super().forward(observation).detach() + 0.0 * self.layer.bias.sum()


class Random(Linear):
    def forward(self, observation):
        return super().forward(observation) + torch.rand(1)


class Needy(Linear):
    def forward(self, observation):
        return super().forward(observation) + 0.0 * observation["touch"].sum()


ENCODERS = (Linear, Longer, Mixing, Normed, Rooted, Frozen, Random, Needy)


def entry(name, **fields):
    return SuiteEntry(**{"scenario": ID, "name": name, **fields})


SUITES = {
    "good": [entry("a", random=0.0, expert=1.0)],
    "lost": [entry("a", scenario="Parts/Wlak-v0")],
    "wrong": [entry("a", arguments={"reahc": 1.0})],
    "trains": [entry("a", split="train")],
    "halved": [entry("a", random=0.0)],
    "flat": [entry("a", random=0.0, expert=1e-9)],
    "twice": [entry("a"), entry("b")],
}


class Plugin:
    """Offers them all."""

    @hookimpl
    def als_scenarios(self):
        return [ScenarioSpec(ID, task="faulty_parts:Walk", max_episode_steps=25, max_avatars=3)]

    @hookimpl
    def als_agents(self):
        return [
            AgentSpec(
                f"parts/{each.__name__.lower()}",
                agent=f"faulty_parts:{each.__name__}",
                action_modes=("discrete",),
                trainable=each is Deaf,
            )
            for each in AGENTS
        ]

    @hookimpl
    def als_sensors(self):
        return [
            SensorSpec(each.provides[0], sensor=f"faulty_parts:{each.__name__}") for each in SENSORS
        ]

    @hookimpl
    def als_encoders(self):
        return [
            EncoderSpec(f"parts/{each.__name__.lower()}", encoder=f"faulty_parts:{each.__name__}")
            for each in ENCODERS
        ]

    @hookimpl
    def als_suites(self):
        agents: ClassVar = ("random", "one=expert", "parts/nobody")
        return [
            SuiteSpec(
                f"parts/{name}", entries=entries, agents=agents if name == "lost" else ("random",)
            )
            for name, entries in SUITES.items()
        ]
