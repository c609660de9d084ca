"""Plays episodes and records observations, actions and attention."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from als_engine.agents.masks import ACTION_MASK, with_masks
from als_engine.agents.saving import NOT_SAVED, open_agent
from als_engine.checks import MAX_SEED, at_least_one, check_undecided, whole_number
from als_engine.evaluation.splits import REPORTING
from als_engine.seeding import row_seeds, spread
from als_engine.sensors.camera import third_person
from als_engine.simulation import simulate
from als_plugins.explaining.attributions import Question, saliency
from als_plugins.explaining.decisions import Decider, Masks, Memory

if TYPE_CHECKING:
    from als_engine.simulation import Simulation

__all__ = ["Moment", "Recording", "record"]

OUTSIDE: Final = (368, 276)
"""Width and height of the pictures from outside."""


@dataclass(frozen=True)
class Moment:
    """A step of an episode, as avatar 0 lived through it.

    Attributes:
        episode: which one, from 0. step: in it, from 0.
        observation: key to an array, without rows. memory: of a recurrent policy, before the step.
        masks: which actions were possible, of an agent that is told.
        outside: the world seen from outside, uint8 (height, width, 3).
        numbers: for each action its log-probability or Q value, or the action itself.
        target: the action that was taken, or the axis that was moved most.
        weights: sensor to (parts,): attention, or the gradient's share; together 1.
        reward: that the action brought. total: return so far, this reward included.
    """

    episode: int
    step: int
    observation: Mapping[str, NDArray[Any]]
    memory: Memory
    masks: Masks
    outside: NDArray[np.uint8]
    numbers: NDArray[np.float64]
    target: int
    weights: Mapping[str, NDArray[np.float64]]
    reward: float
    total: float


@dataclass(frozen=True)
class Recording:
    """Episodes of one agent.

    Attributes:
        scenario: id. actions: what each action or axis does.
        decider: what decided. moments: one after the other.
        method: where `Moment.weights` come from.
        levels, returns, successes: of each episode; of one that was cut short, until there.
    """

    scenario: str
    actions: tuple[str, ...]
    decider: Decider
    moments: tuple[Moment, ...]
    method: Literal["attention", "gradient"]
    levels: tuple[int, ...]
    returns: tuple[float, ...]
    successes: tuple[bool, ...]


def record(
    reference: str,
    scenario: str | None = None,
    *,
    episodes: int = 1,
    seed: int = 0,
    steps: int = 60,
    arguments: Mapping[str, Any] | None = None,
    on_step: Callable[[], None] = lambda: None,
) -> Recording:
    """Plays a trained agent on test levels.

    Args:
        reference: folder of a saved agent.
        scenario: where it plays; by default where it was trained.
        episodes: how many.
        seed: another one gives other episodes.
        steps: at most so many of each.
        arguments: of the scenario, on top of the saved ones.
        on_step: called after every step.

    Raises:
        ArgumentError: the agent has no network, or does not fit the scenario.
        SavedFileError: there is no such agent.
    """
    seed = whole_number("seed", seed, 0, MAX_SEED)
    episodes, steps = at_least_one("episodes", episodes), at_least_one("steps", steps)
    given = dict(arguments or {})
    check_undecided("explaining", given, seed="--seed", scenario="--on", level="")
    for_agent = {name: value for name, value in given.items() if name not in NOT_SAVED}
    opened = open_agent(reference, scenario, for_agent)
    decider = Decider(opened.agent, reference)
    world = {"split": REPORTING, **opened.arguments, **given}
    simulation = simulate(opened.scenario, 1, opened.observers, **world)
    camera = _Recorder(simulation, opened.agent, decider, steps, on_step)
    try:
        for episode in range(episodes):
            camera.episode(episode, spread("explaining", seed, episode))
        return Recording(
            opened.scenario,
            simulation.action_names,
            decider,
            tuple(camera.moments),
            "attention" if camera.attends else "gradient",
            tuple(camera.levels),
            tuple(camera.returns),
            tuple(camera.successes),
        )
    finally:
        simulation.close()


class _Recorder:
    """What `record` gathers on the way."""

    def __init__(
        self,
        simulation: Simulation,
        agent: Any,
        decider: Decider,
        steps: int,
        on_step: Callable[[], None],
    ) -> None:
        self.moments: list[Moment] = []
        self.levels: list[int] = []
        self.returns: list[float] = []
        self.successes: list[bool] = []
        self.attends = False
        self._simulation, self._agent, self._decider = simulation, agent, decider
        self._steps, self._on_step = steps, on_step

    def episode(self, episode: int, seed: int) -> None:
        """Plays one."""
        simulation, agent = self._simulation, self._agent
        simulation.reset([seed])
        simulation.observe()
        rows = np.ones(simulation.observers, np.bool_)
        state = agent.restart(None, rows, row_seeds(seed, simulation.observers))
        for step in range(self._steps):
            sensed = {key: array[0].copy() for key, array in simulation.observations.items()}
            seen = with_masks(agent, sensed, lambda: simulation.action_masks()[0])
            before = state.memory and tuple(part[:, :1].copy() for part in state.memory)
            outside = third_person(simulation.state, 0, *OUTSIDE)
            actions, state = agent.act(seen, state)
            simulation.step(np.asarray(actions)[None])
            first = {key: array[0] for key, array in sensed.items()}
            masks = seen[ACTION_MASK][:1] if ACTION_MASK in seen else None
            self.moments.append(
                self._moment(episode, step, first, before, masks, outside, actions[0])
            )
            self._on_step()
            if simulation.terminated[0] or simulation.truncated[0]:
                break
        self.levels.append(int(simulation.state.level[0]))
        self.returns.append(float(simulation.returns[0, 0]))
        self.successes.append(bool(simulation.metrics()["success"][0]))

    def _moment(
        self,
        episode: int,
        step: int,
        observation: Mapping[str, NDArray[Any]],
        memory: Memory,
        masks: Masks,
        outside: NDArray[np.uint8],
        action: NDArray[Any],
    ) -> Moment:
        decider = self._decider
        rows = {key: torch.as_tensor(array)[None] for key, array in observation.items()}
        with torch.no_grad():
            numbers = decider(rows, memory, masks)[0].double().numpy()
        target = int(action) if decider.discrete else int(np.abs(numbers).argmax())
        weights: Mapping[str, NDArray[np.float64]] = decider.attention(rows)
        self.attends = bool(weights)
        if not weights:
            weights = saliency(Question(decider, observation, target, memory, masks))
        simulation = self._simulation
        return Moment(
            episode, step, observation, memory, masks, outside, numbers, target, weights,
            float(simulation.rewards[0, 0]), float(simulation.returns[0, 0]),
        )  # fmt: skip
