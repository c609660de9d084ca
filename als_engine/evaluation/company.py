"""Agents as company: whatever can act drives the avatars that the caller does not.

Such an agent is a behaviour like a scripted one. It sees what its sensors say of its own avatars,
and remembers within an episode: one whose memory adapts learns its partner while they play. Its
memory is no part of a world's state, so that such worlds can neither be copied nor taken a
snapshot of.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from als_engine.agents.agent import Agent, acting
from als_engine.agents.masks import with_masks
from als_engine.agents.saving import OpenedAgent, difference, find_agent, open_agent
from als_engine.errors import ArgumentError
from als_engine.seeding import row_seeds, spread
from als_engine.simulation import simulate
from als_engine.simulation.acting import Acting
from als_engine.simulation.observing import Observing
from als_engine.task import Act, Behaviour
from als_engine.texts import one_line

if TYPE_CHECKING:
    from als_engine.bodies.avatar import Commands
    from als_engine.simulation import Simulation
    from als_engine.world.arrays import BoolArray
    from als_engine.world.state import WorldState

__all__ = ["AgentAct", "keep_company"]


def keep_company(simulation: Simulation, reference: str | os.PathLike[str]) -> None:
    """Lets an agent drive the background avatars from their next reset on.

    A saved agent drives those of the roles that it was trained in; any other drives all.

    Args:
        simulation: not yet reset, or about to be.
        reference: an agent's id, "expert" and "heuristic:rule=NAME" among them, or the folder of a
            saved one.

    Raises:
        UnknownIdError: there is neither such an agent nor such a folder.
        ArgumentError: nobody here could be driven by it; says why.
        SavedFileError: the folder is no saved agent.
    """
    name = one_line(str(reference))[:100]
    others = simulation.roles[simulation.observers :]
    if not others:
        raise ArgumentError(f"{simulation.scenario} has no company here: give --arg num_avatars")
    scripted = _rule(simulation, reference)
    if scripted is not None:
        simulation.company.hire(name, Behaviour(scripted))
        return
    opened, roles = _opened(simulation, reference)
    which = [i for i, role in enumerate(simulation.roles) if role in roles]
    which = [i for i in which if i >= simulation.observers]
    if not which:
        raise ArgumentError(
            f"{reference} was trained as {' and '.join(roles)}, and the others here are "
            f"{' and '.join(dict.fromkeys(others))}: other arguments of {simulation.scenario} may "
            "change that"
        )
    act = AgentAct(simulation, opened.agent, opened.arguments, which, name)
    simulation.company.hire(name, Behaviour(act, roles))


def _rule(simulation: Simulation, reference: str | os.PathLike[str]) -> Act | None:
    """The expert, or a heuristic: the task itself knows what they do in any avatar's place."""
    found, options = find_agent(reference)
    if found == "expert":
        return simulation.task.expert
    if found == "heuristic":
        return simulation.acting.heuristic(str(options.get("rule") or ""))
    return None


def _opened(
    simulation: Simulation, reference: str | os.PathLike[str]
) -> tuple[OpenedAgent, tuple[str, ...]]:
    """An agent and the roles that it can play here."""
    if isinstance(find_agent(reference)[0], str):
        sensed = {"sensors": ["proprioception"]}
        opened = open_agent(reference, simulation.scenario, sensed)
        return opened, tuple(dict.fromkeys(simulation.roles))
    opened = open_agent(reference)
    if opened.scenario != simulation.scenario:
        raise ArgumentError(f"{reference} acts in {opened.scenario}, not {simulation.scenario}")
    own = simulate(opened.scenario, 1, opened.observers, **opened.arguments)
    own.close()
    return opened, tuple(dict.fromkeys(own.roles[: own.observers]))


class AgentAct:
    """An agent as an `Act`: senses for some avatars of all worlds, and commands them."""

    def __init__(
        self,
        simulation: Simulation,
        agent: Agent,
        arguments: Any,
        avatars: list[int],
        name: str,
    ) -> None:
        """Makes sensors of its own, which change nothing in the worlds.

        Args:
            simulation: whose avatars it drives; the agent belongs to it from now on.
            agent: who acts.
            arguments: of the scenario, as the agent was made with: its action mode and pictures.
            avatars: whom it can drive.
            name: what errors call it.

        Raises:
            ArgumentError: the agent has other observations or actions than these avatars.
        """
        task, state, count = simulation.task, simulation.state, simulation.num_avatars
        given = replace(
            simulation.arguments,
            sensors=list(agent.observation_space.spaces),
            frame_size=arguments.get("frame_size", simulation.arguments.frame_size),
            action_mode=arguments.get("action_mode", simulation.arguments.action_mode),
            flatten=False,
        )
        self._observing = Observing(task, given, state, count)
        self._acting = Acting(task, given, state, simulation.agents, count)
        if other := difference(agent.observation_space, self._observing.space, False):
            raise ArgumentError(f"{name} has other observations than these avatars: {other}")
        for avatar in avatars:
            if (there := self._acting.own[avatar].space) != agent.action_space:
                raise ArgumentError(
                    f"{name} has other actions than {simulation.agents[avatar]}: "
                    f"{agent.action_space}, not {there}"
                )
        self._agent, self._avatars = agent, avatars
        self._commands = self._acting.new_commands()
        self._memory: Any = None
        agent.seed(spread("company", 0))

    def __call__(self, state: WorldState, who: BoolArray, commands: Commands) -> None:
        """See `Act`."""
        self._begin(state)
        self._observing.read()
        seen = {key: self._rows(array) for key, array in self._observing.observations.items()}
        full = with_masks(self._agent, seen, self._masks)
        best = acting(self._agent) == "best"
        actions, self._memory = self._agent.act(full, self._memory, best)
        each = np.asarray(actions).reshape(state.num_worlds, len(self._avatars), *actions.shape[1:])
        for place, avatar in enumerate(self._avatars):
            own, told = self._acting.own[avatar], self._commands
            own.decode(each[:, place : place + 1], told, 1, state.first_world, avatar)
            mine = who[:, avatar]
            for name in ("move", "turn", "hand", "say", "work", "goal"):
                getattr(commands, name)[mine, avatar] = getattr(told, name)[mine, 0]
        self._acting.steer(commands, who)

    def _begin(self, state: WorldState) -> None:
        """Forgets what was, in worlds whose episode begins."""
        begins = state.step == 0
        if not begins.any():
            return
        seeds: list[int] = []
        for world in np.flatnonzero(begins).tolist():
            of_world = row_seeds(spread("company", int(state.key[world])), state.num_avatars)
            seeds += [of_world[avatar] for avatar in self._avatars]
        self._acting.begin(np.flatnonzero(begins))
        rows = np.repeat(begins, len(self._avatars))
        self._memory = self._agent.restart(self._memory, rows, seeds)

    def _rows(self, array: NDArray[Any]) -> NDArray[Any]:
        """(worlds, avatars, ...) to (rows, ...), those of its avatars."""
        return array[:, self._avatars].reshape(-1, *array.shape[2:])

    def _masks(self) -> NDArray[np.bool_]:
        own = self._acting.own_masks()
        masks = np.stack([own[avatar] for avatar in self._avatars], axis=1)
        return masks.reshape(-1, masks.shape[-1])
