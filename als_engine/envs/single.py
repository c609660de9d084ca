"""`gymnasium.make`: one world, of which the caller drives avatar 0."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np
from gymnasium.envs.registration import EnvSpec
from numpy.typing import NDArray

from als_engine.bodies.codec import as_array
from als_engine.checks import at_least_one, check_seed
from als_engine.envs.attributes import client_of
from als_engine.envs.shared import forked, with_limit
from als_engine.envs.window import Window, captions_for, check_render_mode
from als_engine.errors import ResetNeededError
from als_engine.plugins.specs import ScenarioSpec
from als_engine.sensors.flat import plain, plain_space
from als_engine.simulation import check_arguments, simulate
from als_engine.system.ownership import DeepCopied
from als_engine.world.snapshot import Snapshot

if TYPE_CHECKING:
    from als_engine.envs.vector import VectorEnv


# Named arrays; with `flatten=True` one array.
Observation = dict[str, NDArray[Any]]


class SingleEnv(DeepCopied, gymnasium.Env[Observation, Any]):
    """One world; the other avatars are driven by the scenario's background behaviours."""

    metadata: dict[str, Any] = {  # noqa: RUF012 - declared by Gymnasium
        "render_modes": ["human", "rgb_array"],
        "render_fps": 15,
    }

    def __init__(
        self,
        scenario: str | ScenarioSpec,
        render_mode: str | None = None,
        captions: bool | None = None,
        **arguments: Any,
    ) -> None:
        """Makes the environment.

        Args:
            scenario: the id, or a spec.
            render_mode: "human", "rgb_array" or None.
            captions: whether speech, sounds, rewards and metrics are written on the pictures; None
                writes them in mode "human" alone.
            **arguments: see `als_engine.simulation.ARGUMENTS`.

        Raises:
            UnknownIdError: there is no such scenario.
            ArgumentError: an argument is unknown or its value is not allowed.
        """
        self.render_mode = check_render_mode(render_mode)
        self._captions = captions_for(self.render_mode, captions)
        check_arguments(scenario, arguments, "render_mode", "captions")
        self.simulation = simulate(scenario, num_worlds=1, observers=1, **arguments)
        self._scenario, self._arguments = scenario, arguments
        self.observation_space = plain_space(self.simulation.observation_space)
        self.action_space = deepcopy(self.simulation.action_space)
        self._limit = self.simulation.state.max_episode_steps
        self._spec: EnvSpec | None = None
        self._window: Window | None = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Starts an episode; `options={"level": 7}` lays out that level this once."""
        seed = check_seed(seed)
        super().reset(seed=seed)
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

    def snapshot(self) -> Snapshot:
        """The moment, to be restored here, in another environment or in another process.

        Raises:
            ResetNeededError: the environment was not reset, or its last step broke off.
        """
        generator = self._np_random
        seed = None if generator is None else self._np_random_seed
        return self.simulation.snapshot().with_clients([client_of(seed, generator)])

    def restore(self, snapshot: Snapshot) -> tuple[Observation, dict[str, Any]]:
        """Goes on from a moment: the same actions give, bit for bit, what they gave then.

        Wrappers count for themselves: `TimeLimit`, for instance, goes on from where it is.

        Returns:
            What `reset` returns, of that moment.

        Raises:
            SnapshotError: it is not of such an environment; nothing has changed.
        """
        self.simulation.restore(snapshot)
        moment = snapshot.moments[0]
        if moment.np_random is not None and moment.seed is not None:
            self._np_random, self._np_random_seed = moment.np_random.make(), moment.seed
        self.simulation.observe()
        self._show()
        return self._observation(), self._info()

    def fork(self, num_envs: int, **options: Any) -> VectorEnv:
        """A vector environment of so many worlds, each at this moment.

        Args:
            num_envs: how many.
            **options: `workers`, `autoreset_mode`, `copy`, `render_mode` of a `VectorEnv`.
        """
        from als_engine.envs.vector import VectorEnv

        limit = self.simulation.state.max_episode_steps
        arguments = {**self._arguments, "max_episode_steps": limit}
        return forked(
            lambda: VectorEnv(self._scenario, num_envs, **options, **arguments),
            self.snapshot().select([0] * at_least_one("num_envs", num_envs)),
        )

    @property
    def spec(self) -> EnvSpec | None:
        """Gymnasium's spec of it, with the time limit; None where it was made by hand."""
        return self._spec

    @spec.setter
    def spec(self, spec: EnvSpec | None) -> None:
        self._spec = with_limit(spec, self.simulation.state.max_episode_steps)

    @property
    def chosen_limits(self) -> tuple[int, ...]:
        """The time limit that the environment was made with, if one was given."""
        return (self._limit,) if self._arguments.get("max_episode_steps") is not None else ()

    def set_time_limit(self, max_episode_steps: int) -> None:
        """Changes the time limit, of the avatar's own clock as well, from the next step on.

        `als_engine.FollowTimeLimit` does it by the `TimeLimit` wrappers around the environment.

        Raises:
            ArgumentError: it is no whole number of at least 1.
        """
        self.simulation.set_time_limit(max_episode_steps)
        self._spec = with_limit(self._spec, self.simulation.state.max_episode_steps)

    @property
    def state_space(self) -> gymnasium.spaces.Box:
        """The space of `state()`; `simulation.state_layout` names its parts."""
        return self.simulation.state_space

    def state(self) -> NDArray[np.float32]:
        """The whole world as one vector, also what the avatar cannot see."""
        vector: NDArray[np.float32] = self.simulation.state_vector()[0]
        return vector

    def expert_action(self, rule: str | None = None) -> Any:
        """Returns the action of the expert, or of the heuristic that `rule` names."""
        return self.simulation.expert_actions(rule)[0, 0]

    def action_masks(self) -> NDArray[np.bool_]:
        """Which actions are possible now, (n,), as sb3-contrib's MaskablePPO asks for them.

        Raises:
            NoMasksError: continuous actions have none.
        """
        mask: NDArray[np.bool_] = self.simulation.action_masks()[0, 0]
        return mask

    def render(self) -> NDArray[np.uint8] | None:
        """A third-person picture, (480, 640, 3), in mode "rgb_array"; None in the others."""
        return self._picture() if self.render_mode == "rgb_array" else None

    def close(self) -> None:
        """Frees the physics and closes the window."""
        self.simulation.close()
        if self._window is not None:
            self._window.close()
            self._window = None

    def _observation(self) -> Observation:
        seen = self.simulation.observations
        observation: Observation = plain({key: array[0, 0].copy() for key, array in seen.items()})
        return observation

    def _info(self) -> dict[str, Any]:
        metrics = self.simulation.metrics()
        info = {
            name: values[0].copy() if values.ndim > 1 else values[0].item()
            for name, values in metrics.items()
        }
        if self.simulation.acting.has_masks:
            info["action_mask"] = self.simulation.codec.for_sampling(self.action_masks())
        return info | self.simulation.scoring.named_terms(0)

    def _picture(self) -> NDArray[np.uint8]:
        picture = self.simulation.render()
        return self._captions.draw(self.simulation, picture) if self._captions else picture

    def _show(self) -> None:
        if self._captions:
            self._captions.update(self.simulation)
        if self.render_mode == "human":
            if self._window is None:
                self._window = Window(self.simulation.scenario, self.metadata["render_fps"])
            self._window.show(self._picture())
