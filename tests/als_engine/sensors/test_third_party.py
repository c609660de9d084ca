"""A third party's sensor reaches every view without a change to the engine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np
import pytest
from numpy.typing import NDArray

from als_engine import ScenarioSpec, Sensor, SensorSpec, Task, hookimpl
from als_engine.plugins.registry import registry
from als_engine.world.layout import Layout
from als_engine.world.state import WorldState


class Compass(Sensor):
    """Where north is."""

    provides = ("acme/compass",)

    def spaces(self) -> Mapping[str, gymnasium.Space[Any]]:
        return {"acme/compass": gymnasium.spaces.Box(-1.0, 1.0, (2,), np.float32)}

    def read(self, state: WorldState, out: Mapping[str, NDArray[Any]]) -> None:
        heading = state.avatars.heading[:, : self.setup.observers]
        out["acme/compass"][..., 0] = np.cos(heading)
        out["acme/compass"][..., 1] = np.sin(heading)


class Empty(Task):
    """Nothing at all."""

    def layout(self, rng: np.random.Generator, level: int) -> Layout:
        return Layout(spawns=[(0.0, 0.0)])

    def reward(self, state: WorldState) -> NDArray[np.float64]:
        return self.everyone(np.zeros(state.num_worlds))


class Plugin:
    @hookimpl
    def als_sensors(self) -> list[SensorSpec]:
        return [SensorSpec("acme/compass", f"{__name__}:Compass")]

    @hookimpl
    def als_scenarios(self) -> list[ScenarioSpec]:
        return [ScenarioSpec("Acme/Empty-v0", f"{__name__}:Empty", max_episode_steps=10)]


@pytest.fixture(scope="module", autouse=True)
def _plugin() -> None:
    registry.add(Plugin(), "acme-compass")


def test_an_offered_sensor_is_observed_in_single_and_vector() -> None:
    names = ("proprioception", "acme/compass")
    env = gymnasium.make("Acme/Empty-v0", sensors=names)
    envs = gymnasium.make_vec("Acme/Empty-v0", num_envs=2, sensors=names)
    one, _ = env.reset(seed=0)
    many, _ = envs.reset(seed=0)
    assert set(one) == set(names)
    np.testing.assert_array_equal(one["acme/compass"], [1.0, 0.0])
    np.testing.assert_array_equal(many["acme/compass"][0], one["acme/compass"])
    turned, *_ = env.step(5)
    assert turned["acme/compass"][1] > 0.0
    env.close()
    envs.close()
