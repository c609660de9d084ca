"""What `mappo` has seen since its last update: steps of all rows, in arrays that are made once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from als_plugins.mappo.memory import Past

if TYPE_CHECKING:
    from als_engine.envs.rows import Rows

__all__ = ["Batch", "Rollout"]


@dataclass(frozen=True)
class Batch:
    """Some transitions for a gradient step, each array (transitions, ...).

    With a memory they are sequences, step by step, and `past` is what was remembered before them.
    """

    observation: dict[str, Tensor]
    masks: Tensor | None
    past: Past | None
    actions: Tensor
    log_probs: Tensor
    values: Tensor
    advantages: Tensor
    returns: Tensor


class Rollout:
    """Steps of all rows, (steps, rows, ...); the next ones overwrite them.

    Attributes:
        steps, rows: how many. size: their product.
        masked: whether it keeps which choices are possible.
        rewards, values, log_probs: (steps, rows). ended: (steps, rows) bool.
        actions: (steps, rows, ...).
        advantages, returns: (steps, rows), once `reckon` was called.
        together: steps of a row that make a sequence; 1 without a memory.
        begins: (steps, rows) bool, with which steps an episode begins.
        memories: (sequences, layers, rows, size), what was remembered before each; else None.
    """

    def __init__(
        self,
        steps: int,
        rows: Rows,
        mask_size: int,
        device: torch.device,
        together: int = 1,
        memory: tuple[int, int] | None = None,
    ) -> None:
        """Allocates the arrays.

        Args:
            steps: of each row.
            rows: what is seen.
            mask_size: choices that are masked; 0 keeps no masks.
            device: where they lie.
            together: steps of a row that make a sequence.
            memory: layers and size of what a row remembers.
        """
        self.steps, self.rows, self.device = steps, rows.num_rows, device
        self.size, self.masked = steps * rows.num_rows, mask_size > 0
        self._observations = {
            key: self._empty(space) for key, space in rows.observation_space.spaces.items()
        }
        self.actions = self._empty(rows.action_space)
        shape = (steps, rows.num_rows)
        self.rewards, self.values, self.log_probs, self.advantages, self.returns = (
            torch.zeros(shape, device=device) for _ in range(5)
        )
        self.ended = torch.zeros(shape, dtype=torch.bool, device=device)
        self.together, self.memories = together, None
        self.begins = torch.zeros(shape, dtype=torch.bool, device=device)
        if memory is not None:
            layers, width = memory
            kept = (steps // together, layers, rows.num_rows, width)
            self.memories = torch.zeros(kept, device=device)
        self._shown: Tensor | None = None
        masks = (*shape, mask_size)
        self._masks = torch.ones(masks, dtype=torch.bool, device=device) if mask_size else None

    def _empty(self, space: gymnasium.Space[Any]) -> Tensor:
        shape = (self.steps, self.rows, *(space.shape or ()))
        made = torch.from_numpy(np.zeros(0, space.dtype))
        return torch.zeros(shape, dtype=made.dtype, device=self.device)

    def see(
        self,
        step: int,
        observation: Mapping[str, NDArray[Any]],
        masks: NDArray[Any] | None,
    ) -> tuple[dict[str, Tensor], Tensor | None]:
        """Keeps what there is before a step, and returns it as tensors for the network."""
        for key, array in observation.items():
            self._observations[key][step].copy_(torch.from_numpy(array))
        if self._masks is not None and masks is not None:
            self._masks[step].copy_(torch.from_numpy(masks))
        seen = {key: kept[step] for key, kept in self._observations.items()}
        return seen, None if self._masks is None else self._masks[step]

    def show(self, step: int, actions: NDArray[Any]) -> None:
        """Keeps what somebody else would do in a step, (rows, ...)."""
        if self._shown is None:
            self._shown = torch.zeros_like(self.actions)
        self._shown[step].copy_(torch.from_numpy(actions))

    def shown(self) -> tuple[dict[str, NDArray[Any]], NDArray[Any], NDArray[np.bool_]]:
        """What was seen, what somebody else would have done, and where an episode began.

        Each is (steps times rows, ...); beginnings are known where something is remembered.
        """
        assert self._shown is not None
        seen = {key: kept.flatten(0, 1).cpu().numpy() for key, kept in self._observations.items()}
        begins = self.begins.flatten().cpu().numpy()
        return seen, self._shown.flatten(0, 1).cpu().numpy(), begins

    def reckon(self, last: Tensor, gamma: float, decay: float) -> None:
        """Reckons advantages (Schulman et al. 2016) and returns.

        Args:
            last: (rows,), the values of what follows the last step.
            gamma: the discount.
            decay: lambda.
        """
        follows, advantage = last, torch.zeros_like(last)
        goes_on = (~self.ended).float()
        for step in reversed(range(self.steps)):
            delta = self.rewards[step] + gamma * follows * goes_on[step] - self.values[step]
            advantage = delta + gamma * decay * goes_on[step] * advantage
            self.advantages[step] = advantage
            follows = self.values[step]
        torch.add(self.advantages, self.values, out=self.returns)

    def remember(self, step: int, state: Tensor, begins: Tensor) -> None:
        """Keeps what is remembered before a step, where a sequence begins with it."""
        assert self.memories is not None
        self.begins[step].copy_(begins)
        if step % self.together == 0:
            self.memories[step // self.together].copy_(state)

    def batches(self, size: int) -> Iterator[Batch]:
        """All transitions once, in random order; the last batch may be smaller."""
        order = torch.randperm(self.size // self.together, device=self.device)
        flat = {key: kept.flatten(0, 1) for key, kept in self._observations.items()}
        masks = None if self._masks is None else self._masks.flatten(0, 1)
        for sequences in torch.split(order, max(1, size // self.together)):
            chosen, past = sequences, None
            if self.memories is not None:
                number, row = sequences // self.rows, sequences % self.rows
                steps = torch.arange(self.together, device=self.device)[:, None]
                chosen = ((number * self.together + steps) * self.rows + row).flatten()
                begins = self.begins.flatten()[chosen].view(self.together, -1)
                past = Past(self.memories[number, :, row].transpose(0, 1), begins)
            yield Batch(
                {key: kept.index_select(0, chosen) for key, kept in flat.items()},
                None if masks is None else masks.index_select(0, chosen),
                past,
                *(
                    kept.flatten(0, 1).index_select(0, chosen)
                    for kept in (
                        self.actions, self.log_probs, self.values, self.advantages, self.returns
                    )
                ),
            )  # fmt: skip
