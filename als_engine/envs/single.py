"""`gymnasium.make`: one world, of which the caller drives avatar 0."""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any, cast

import gymnasium
import numpy as np
from numpy.typing import NDArray

from als_engine.avatar import as_array
from als_engine.checks import check_seed
from als_engine.envs.window import Window, check_render_mode
from als_engine.errors import ResetNeededError
from als_engine.ownership import DeepCopied
from als_engine.simulation import simulate
from als_engine.specs import ScenarioSpec

Observation = dict[str, NDArray[Any]]


class SingleEnv(DeepCopied, gymnasium.Env[Observation, Any]):
    """One world; the other avatars are driven by the scenario's background behaviours."""

    metadata: dict[str, Any] = {  # noqa: RUF012 - declared by Gymnasium
        "render_modes": ["human", "rgb_array"],
        "render_fps": 15,
    }

    def __init__(
        self, scenario: str | ScenarioSpec, render_mode: str | None = None, **arguments: Any
    ) -> None:
        """Makes the environment; see `als_engine.simulation.ARGUMENTS` for what it takes.

        Raises:
            UnknownIdError: there is no such scenario.
            ArgumentError: an argument is unknown or its value is not allowed.
        """
        self.render_mode = check_render_mode(render_mode)
        self.simulation = simulate(scenario, num_worlds=1, observers=1, **arguments)
        self.observation_space = cast("Any", self.simulation.observation_space)
        self.action_space = self.simulation.action_space
        self._window: Window | None = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Starts an episode; `options={"level": 7}` lays out that level this once."""
        seed = check_seed(seed)
        super().reset(seed=seed)
        if limit := _time_limit_around(self):
            self.simulation.set_time_limit(limit)
        self.simulation.reset([seed], level=(options or {}).get("level"))
        self.simulation.observe()
        self._show()
        return self._observation(), self._info()

    def step(self, action: Any) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Advances the world by one step.

        Raises:
            ActionError: the action is not in the action space.
            ResetNeededError: the environment was not reset, its episode has ended, or it is closed.
            PhysicsError: the physics has broken.
        """
        simulation = self.simulation
        simulation.check_open()
        if simulation.terminated[0] or simulation.truncated[0]:
            raise ResetNeededError("the episode has ended: call reset()")
        simulation.step(as_array(action)[None, None])
        terminated, truncated = bool(simulation.terminated[0]), bool(simulation.truncated[0])
        self._show()
        reward = float(simulation.rewards[0, 0])
        return self._observation(), reward, terminated, truncated, self._info()

    def expert_action(self) -> Any:
        """What the scenario's expert would do now."""
        return self.simulation.expert_actions()[0, 0]

    def render(self) -> NDArray[np.uint8] | None:
        """A third-person picture, (480, 640, 3), in mode "rgb_array"; None in the others."""
        return self.simulation.render() if self.render_mode == "rgb_array" else None

    def close(self) -> None:
        """Frees the physics and closes the window."""
        self.simulation.close()
        if self._window is not None:
            self._window.close()
            self._window = None

    def _observation(self) -> Observation:
        return {key: array[0, 0].copy() for key, array in self.simulation.observations.items()}

    def _info(self) -> dict[str, Any]:
        metrics = self.simulation.metrics()
        info = {
            name: values[0].copy() if values.ndim > 1 else values[0].item()
            for name, values in metrics.items()
        }
        return info | self.simulation.named_terms(0)

    def _show(self) -> None:
        if self.render_mode == "human":
            if self._window is None:
                self._window = Window(self.simulation.scenario, self.metadata["render_fps"])
            self._window.show(self.simulation.render())


def _time_limit_around(env: SingleEnv) -> int | None:
    """The shortest limit of the TimeLimit wrappers whose reset is calling this one's, or None.

    `gymnasium.make(id, max_episode_steps=50)` keeps the number to itself and puts that wrapper
    around us. The avatar's own clock, and a limit above the scenario's, need it; it is nowhere but
    in the callers.
    """
    limits: list[int] = []
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and frame.f_globals.get("__name__", "").startswith("gymnasium."):
        wrapper = frame.f_locals.get("self")
        if isinstance(wrapper, gymnasium.wrappers.TimeLimit) and wrapper.unwrapped is env:
            limits.append(wrapper._max_episode_steps)
        frame = frame.f_back
    return min(limits, default=None)
