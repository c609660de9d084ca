"""PettingZoo: one world whose every avatar is an agent."""

from __future__ import annotations

from copy import deepcopy
from typing import Any, TypeVar

import gymnasium
import numpy as np
from numpy.typing import NDArray
from pettingzoo import ParallelEnv

from als_engine.bodies.codec import as_array
from als_engine.checks import at_least_one
from als_engine.envs.attributes import Generators
from als_engine.envs.shared import forked
from als_engine.envs.window import Window, captions_for, check_render_mode
from als_engine.errors import ActionError, ResetNeededError, unknown
from als_engine.plugins.registration import register_with_pettingzoo
from als_engine.plugins.specs import ScenarioSpec
from als_engine.sensors.flat import plain, plain_space
from als_engine.simulation import check_arguments, simulate
from als_engine.system.ownership import DeepCopied
from als_engine.world.snapshot import Snapshot

Observation = dict[str, NDArray[Any]]
V = TypeVar("V")


def parallel_env(
    id: str | ScenarioSpec,
    render_mode: str | None = None,
    captions: bool | None = None,
    **arguments: Any,
) -> ParallelWorld:
    """Makes a scenario with every avatar as an agent: `chaser_0`, `chaser_1`, `evader_0`.

    Args:
        id: the scenario's id, or a spec, which need not be registered.
        render_mode: "human", "rgb_array" or None.
        captions: whether speech, sounds, rewards and metrics are written on the pictures; None
            writes them in mode "human" alone.
        **arguments: see `als_engine.simulation.ARGUMENTS`; `background` has no one to drive.

    Raises:
        UnknownIdError: there is no such scenario.
        ArgumentError: an argument is unknown or its value is not allowed.
    """
    register_with_pettingzoo()
    return ParallelWorld(id, render_mode, captions, **arguments)


class ParallelWorld(DeepCopied, ParallelEnv[str, Observation, Any]):  # type: ignore[misc]
    """One world as a PettingZoo parallel environment; an episode ends for all agents at once.

    An avatar that leaves the world terminates its agent: it gets its last reward, and is in
    `agents` no more. One that comes is added to them. PettingZoo's agents do not come back within
    an episode: where a task lets an avatar in again, it stands there, and nobody drives it.
    """

    metadata: dict[str, Any] = {  # noqa: RUF012 - PettingZoo's, an instance may have its own
        "name": "als_engine",
        "render_modes": ["human", "rgb_array"],
        "render_fps": 15,
        "is_parallelizable": True,
    }

    def __init__(
        self,
        scenario: str | ScenarioSpec,
        render_mode: str | None = None,
        captions: bool | None = None,
        **arguments: Any,
    ) -> None:
        self.render_mode = check_render_mode(render_mode)
        self._captions = captions_for(self.render_mode, captions)
        check_arguments(scenario, arguments, "render_mode", "captions")
        self.simulation = simulate(scenario, num_worlds=1, observers=None, **arguments)
        self._scenario, self._arguments = scenario, arguments
        self.metadata = {**type(self).metadata, "name": self.simulation.scenario}
        self.possible_agents = list(self.simulation.agents)
        self.agents: list[str] = []
        # A space of its own for each agent, since a space is seeded and sampled on its own.
        observing = self.simulation.observing
        self.observation_spaces = {
            agent: plain_space(
                gymnasium.spaces.Dict(observing.of_avatar(avatar, observing.space.spaces))
            )
            for avatar, agent in enumerate(self.possible_agents)
        }
        acting = self.simulation.acting
        self.action_spaces = {
            agent: deepcopy(own.space)
            for agent, own in zip(self.possible_agents, acting.own, strict=True)
        }
        self._resting = acting.codec.encode(acting.new_commands(), len(self.possible_agents))
        self._generators = Generators(1)
        self._window: Window | None = None

    @property
    def state_space(self) -> gymnasium.spaces.Box:
        """The space of `state()`; `simulation.state_layout` names its parts."""
        return self.simulation.state_space

    def state(self) -> NDArray[np.float32]:
        """The whole world as one vector, also what no agent can see."""
        vector: NDArray[np.float32] = self.simulation.state_vector()[0]
        return vector

    @property
    def np_random(self) -> np.random.Generator:
        """A generator for wrappers, seeded by `reset(seed=...)`; no world draws from it."""
        generator: np.random.Generator = self._generators.generators()[0]
        return generator

    @property
    def np_random_seed(self) -> int:
        """The seed of `np_random`."""
        return self._generators.seeds()[0]

    def observation_space(self, agent: str) -> gymnasium.Space[Any]:
        """The agent's observation space, always the same object."""
        space: gymnasium.Space[Any] = self.observation_spaces[agent]
        return space

    def action_space(self, agent: str) -> gymnasium.Space[Any]:
        """The agent's action space, always the same object."""
        return self.action_spaces[agent]

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Observation], dict[str, dict[str, Any]]]:
        """Starts an episode; `options={"level": 7}` lays out that level this once."""
        self._generators.seed([seed], [0])
        self.simulation.reset([seed], level=(options or {}).get("level"))
        self.simulation.observe()
        self.agents = self._who_is_there()
        self._show()
        return self._of(self.agents, self._observations()), self._of(self.agents, self._infos())

    def snapshot(self) -> Snapshot:
        """The moment, to be restored here, in another environment or in another process.

        Raises:
            ResetNeededError: the environment was not reset, or its last step broke off.
        """
        return self.simulation.snapshot().with_clients(self._generators.clients([0]))

    def restore(
        self, snapshot: Snapshot
    ) -> tuple[dict[str, Observation], dict[str, dict[str, Any]]]:
        """Goes on from a moment: the same actions give, bit for bit, what they gave then.

        Returns:
            What `reset` returns, of that moment.

        Raises:
            SnapshotError: it is not of such an environment; nothing has changed.
        """
        simulation = self.simulation
        simulation.restore(snapshot)
        simulation.observe()
        self._generators.restore([0], snapshot.moments)
        ended = simulation.terminated[0] or simulation.truncated[0]
        self.agents = [] if ended else self._who_is_there()
        self._show()
        seen = self.possible_agents if ended else self.agents
        return self._of(seen, self._observations()), self._of(seen, self._infos())

    def fork(self, num_envs: int) -> list[ParallelWorld]:
        """So many environments, each at this moment; every one is to be closed."""
        snapshot = self.snapshot()
        made: list[ParallelWorld] = []
        try:
            for _ in range(at_least_one("num_envs", num_envs)):
                made.append(
                    forked(
                        lambda: ParallelWorld(
                            self._scenario,
                            self.render_mode,
                            self._captions is not None,
                            **self._arguments,
                        ),
                        snapshot,
                    )
                )
        except BaseException:
            for env in made:
                env.close()
            raise
        return made

    def step(
        self, actions: dict[str, Any]
    ) -> tuple[
        dict[str, Observation],
        dict[str, float],
        dict[str, bool],
        dict[str, bool],
        dict[str, dict[str, Any]],
    ]:
        """Advances the world by one step.

        Without actions, once no agent is left, it answers with empty dictionaries, as PettingZoo's
        own environments do: SuperSuit's `black_death_v3` sees by it that an episode has ended.

        Args:
            actions: one for each of `agents`; those of agents that are not there are ignored.

        Raises:
            ActionError: an agent has no action, or one that is not in its action space.
            ResetNeededError: the environment was not reset, or its episode has ended.
        """
        simulation = self.simulation
        simulation.check_open()
        if not self.agents and not actions and simulation.ready[0]:
            return {}, {}, {}, {}, {}
        if not self.agents or simulation.terminated[0] or simulation.truncated[0]:
            raise ResetNeededError("the episode has not begun or has ended: call reset()")
        simulation.step(self._stack(actions))
        there = self._who_is_there()
        told = [agent for agent in self.possible_agents if agent in self.agents or agent in there]
        rewards = dict(zip(self.possible_agents, simulation.rewards[0].tolist(), strict=True))
        terminated, truncated = bool(simulation.terminated[0]), bool(simulation.truncated[0])
        self.agents = [] if terminated or truncated else there
        self._show()
        return (
            self._of(told, self._observations()),
            self._of(told, rewards),
            {agent: terminated or agent not in there for agent in told},
            dict.fromkeys(told, truncated),
            self._of(told, self._infos()),
        )

    def _who_is_there(self) -> list[str]:
        """The agents whose avatars are in the world, and have not left it in this episode."""
        avatars = self.simulation.state.avatars
        there = (avatars.present[0] & ~avatars.left[0]).tolist()
        return [agent for agent, here in zip(self.possible_agents, there, strict=True) if here]

    @staticmethod
    def _of(agents: list[str], by_agent: dict[str, V]) -> dict[str, V]:
        return {agent: by_agent[agent] for agent in agents}

    def _stack(self, actions: dict[str, Any]) -> NDArray[Any]:
        """The agents' actions as (1, avatars, ...); whoever has no agent now rests."""
        missing = [agent for agent in self.agents if agent not in actions]
        if missing:
            raise ActionError(f"no action for {', '.join(missing)}")
        for agent in actions:
            if agent not in self.possible_agents:
                raise ActionError(unknown("agent", str(agent), self.possible_agents))
        acting, given = self.simulation.acting, list(self._resting[0])
        for avatar, agent in enumerate(self.possible_agents):
            if agent in self.agents:
                action, expected = as_array(actions[agent]), acting.own[avatar].shape
                if action.shape != expected:
                    raise ActionError(
                        f"the action of {agent} has shape {action.shape}, expected {expected}"
                    )
                given[avatar] = acting.together(avatar, action)
        return np.stack(given)[None]

    def render(self) -> NDArray[np.uint8] | None:
        """A third-person picture, (480, 640, 3), in mode "rgb_array"; None in the others."""
        return self._picture() if self.render_mode == "rgb_array" else None

    def close(self) -> None:
        """Frees the physics and closes the window."""
        self.simulation.close()
        if self._window is not None:
            self._window.close()
            self._window = None

    def _observations(self) -> dict[str, Observation]:
        seen, of_avatar = self.simulation.observations, self.simulation.observing.of_avatar
        return {
            agent: plain({key: array[0, i].copy() for key, array in of_avatar(i, seen).items()})
            for i, agent in enumerate(self.possible_agents)
        }

    def _infos(self) -> dict[str, dict[str, Any]]:
        metrics = self.simulation.metrics()
        values = {
            name: array[0].copy() if array.ndim > 1 else array[0].item()
            for name, array in metrics.items()
        }
        infos = {
            agent: values | self.simulation.scoring.named_terms(avatar)
            for avatar, agent in enumerate(self.possible_agents)
        }
        if self.simulation.acting.has_masks:
            acting = self.simulation.acting
            for info, own, mask in zip(infos.values(), acting.own, acting.own_masks(), strict=True):
                info["action_mask"] = own.for_sampling(mask[0])
        return infos

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
