"""Plays the rollouts that `mappo` learns from, one ahead of the update where that pays."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from gymnasium.spaces import Box
from numpy.typing import NDArray
from torch import Tensor

from als_plugins.encoders.base import rows_together
from als_plugins.learners.setup import few_threads
from als_plugins.mappo.holding import going_on
from als_plugins.mappo.memory import Past
from als_plugins.mappo.network import Network
from als_plugins.mappo.rollout import Rollout

if TYPE_CHECKING:
    import gymnasium

    from als_engine.envs.rows import Rows
    from als_plugins.mappo.guidance import Guidance
    from als_plugins.mappo.parameters import MappoParameters

__all__ = ["Collector", "Rollouts", "inside", "tensors"]

Arrays = dict[str, NDArray[Any]]


class Collector:
    """Acts in all rows with a network, and keeps what it sees."""

    def __init__(
        self,
        rows: Rows,
        parameters: MappoParameters,
        draws: torch.Generator,
        guidance: Guidance | None = None,
    ) -> None:
        """Takes over where the rows are now.

        Args:
            rows: to act in.
            parameters: of the learner.
            draws: what actions are drawn with.
            guidance: asks what should be done, for as long as that is learnt from.
        """
        self._rows, self._parameters, self._draws = rows, parameters, draws
        self._guidance = guidance
        self._rest = rows.worlds.simulation.acting.resting() if parameters.hold > 1 else None
        # What each row remembers, and which of them begin an episode with the next step.
        self._memory: Tensor | None = None
        self._begins = torch.ones(rows.num_rows, dtype=torch.bool, device=draws.device)

    @torch.no_grad()
    def collect(
        self,
        network: Network,
        rollout: Rollout,
        should_stop: Callable[[], bool],
        on_step: Callable[[int], None] = lambda steps: None,
    ) -> bool:
        """Fills a rollout with advantages and returns; False where it was told to stop.

        Args:
            network: that acts and says what is to be expected.
            rollout: is overwritten.
            should_stop: asked at every step.
            on_step: called at every step with the steps so far, over all rows.
        """
        with rows_together(network):
            return self._collect(network, rollout, should_stop, on_step)

    def _collect(
        self,
        network: Network,
        rollout: Rollout,
        should_stop: Callable[[], bool],
        on_step: Callable[[int], None],
    ) -> bool:
        rows, parameters = self._rows, self._parameters
        cut: list[Cut] = []
        for step in range(rollout.steps):
            if should_stop():
                return False
            masks = rows.action_masks() if rollout.masked else None
            past = self._past(network, rollout, step)
            policy, values, self._memory = network(
                *rollout.see(step, rows.observations, masks), past
            )
            if self._guidance is not None:
                self._guidance.ask(rollout, step)
            actions = policy.sample(self._draws)
            rollout.actions[step] = actions
            rollout.log_probs[step] = policy.log_prob(actions)
            rollout.values[step] = network.scale.back(values)
            cut += self._carry_out(inside(rows.action_space, actions), rollout, step)
            self._begins.copy_(rollout.ended[step])
            on_step((step + 1) * rollout.rows * parameters.hold)
        rollout.rewards.mul_(parameters.reward_scale)
        _bootstrap(network, rollout, cut, parameters.gamma)
        past = None if self._memory is None else Past(self._memory, self._begins[None])
        follows = network.value(tensors(rows.observations, rollout.device), past)
        rollout.reckon(follows, parameters.gamma, parameters.gae_lambda)
        rows.note_advantages(rollout.advantages.cpu().numpy())
        return True

    def _carry_out(self, actions: NDArray[Any], rollout: Rollout, step: int) -> list[Cut]:
        """Does what was decided, for `hold` steps; whose episode ends stands still for the rest."""
        rows, cut = self._rows, []
        rewards = np.zeros(rows.num_rows)
        over = np.zeros(rows.num_rows, np.bool_)
        for k in range(self._parameters.hold):
            if k > 0:
                actions = going_on(actions, rows.action_space)
                actions[over] = self._rest
            rows.step(actions)
            rewards[~over] += rows.rewards[~over]
            ended = rows.ended & ~over
            if (unfinished := ended & ~rows.terminated).any():
                last = {key: array[unfinished] for key, array in rows.final_observations.items()}
                chosen = torch.from_numpy(unfinished).to(rollout.device)
                known = None if self._memory is None else self._memory[:, chosen]
                cut.append(Cut(step, chosen, last, known))
            over |= ended
        rollout.rewards[step].copy_(torch.from_numpy(rewards))
        rollout.ended[step].copy_(torch.from_numpy(over))
        return cut

    def _past(self, network: Network, rollout: Rollout, step: int) -> Past | None:
        """What is remembered before a step; it is kept in the rollout."""
        if self._memory is None:
            self._memory = network.empty_memory(rollout.rows)
        if self._memory is None:
            return None
        rollout.remember(step, self._memory, self._begins)
        return Past(self._memory, self._begins[None])


class Cut(NamedTuple):
    """Rows whose time was up in a step, although their episodes would have gone on.

    Attributes:
        step: of the rollout.
        rows: (all rows,) bool, which.
        observation: their last one, key to (rows, ...).
        memory: what they remembered, (layers, rows, size); None without a memory.
    """

    step: int
    rows: Tensor
    observation: Arrays
    memory: Tensor | None


def _bootstrap(network: Network, rollout: Rollout, cut: list[Cut], gamma: float) -> None:
    """Adds what would have followed the episodes whose time was up, in one go."""
    if not cut:
        return
    keys = cut[0].observation
    last = {key: np.concatenate([each.observation[key] for each in cut]) for key in keys}
    known = [each.memory for each in cut if each.memory is not None]
    past = None
    if known:
        state = torch.cat(known, 1)
        past = Past(state, torch.zeros(1, state.shape[1], dtype=torch.bool, device=state.device))
    values = network.value(tensors(last, rollout.device), past) * gamma
    first = 0
    for each in cut:
        count = int(each.rows.sum())
        rollout.rewards[each.step, each.rows] += values[first : first + count]
        first += count


def tensors(observation: Any, device: torch.device) -> dict[str, Tensor]:
    """An observation for the network."""
    return {key: torch.from_numpy(array).to(device) for key, array in observation.items()}


def inside(space: gymnasium.Space[Any], actions: Tensor) -> NDArray[Any]:
    """Actions as the worlds take them: numbers are clipped to the bounds of the space."""
    found: NDArray[Any] = actions.cpu().numpy()
    return np.clip(found, space.low, space.high) if isinstance(space, Box) else found


@dataclass
class _Coming:
    rollout: Rollout
    filled: Future[bool]


class Rollouts(AbstractContextManager["Rollouts"]):
    """Filled rollouts, one after the other.

    With `overlap` the next one is played on another thread while the caller learns from the last:
    by the weights from before that update. What each is played with does not depend on who is
    faster, so that the same seed gives the same bits.
    """

    def __init__(
        self,
        collector: Collector,
        make: Callable[[], Rollout],
        should_stop: Callable[[], bool],
        overlap: bool,
    ) -> None:
        """Allocates the rollouts: two that take turns, or one."""
        self._collector, self._should_stop = collector, should_stop
        self._free = [make() for _ in range(2 if overlap else 1)]
        self._pool = ThreadPoolExecutor(1, "rollouts") if overlap else None
        self._acting: Network | None = None
        self._coming: _Coming | None = None
        self._given_up = threading.Event()

    def next(
        self, network: Network, on_step: Callable[[int], None] = lambda steps: None
    ) -> Rollout | None:
        """The rollout that was begun, or one that is played now; None where it was told to stop."""
        coming, self._coming = self._coming, None
        if coming is not None:
            return coming.rollout if coming.filled.result() else None
        network.eval()
        rollout = self._free.pop()
        filled = self._collector.collect(network, rollout, self._should_stop, on_step)
        return rollout if filled else None

    def begin(self, network: Network) -> None:
        """Begins the next one, where that overlaps; the weights may change from now on."""
        if self._pool is None:
            return
        if self._acting is None:
            self._acting = deepcopy(network).eval()
        self._acting.load_state_dict(network.state_dict())
        rollout = self._free.pop()
        self._coming = _Coming(rollout, self._pool.submit(self._play, self._acting, rollout))

    def _play(self, network: Network, rollout: Rollout) -> bool:
        # How many threads torch computes with is a matter of each thread.
        with few_threads(network.observation_space):
            return self._collector.collect(network, rollout, self._stops)

    def _stops(self) -> bool:
        return self._given_up.is_set() or self._should_stop()

    def wait(self) -> None:
        """Waits for the one that was begun, and raises what has gone wrong in it."""
        if self._coming is not None:
            self._coming.filled.result()

    def give_back(self, rollout: Rollout) -> None:
        """Lets a rollout be overwritten."""
        self._free.append(rollout)

    def __exit__(self, *exception: object) -> None:
        self._given_up.set()
        if self._pool is not None:
            self._pool.shutdown(wait=True)
