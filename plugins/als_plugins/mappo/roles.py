"""One network for each role: the sensor `role` says which of them acts in a row.

Every network computes all rows, and each row takes what that of its role has found. Gathering the
rows of a role would cost less, but a row's bits would depend on who else is there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeVar, cast

import gymnasium
import torch
from torch import Tensor, nn

from als_engine.errors import ArgumentError
from als_plugins.mappo.heads import Distribution, picked
from als_plugins.mappo.memory import Past
from als_plugins.mappo.network import ActorCritic, Judgement, Network, Scale

__all__ = ["ROLE", "RoleNetworks"]

ROLE: Final = "role"
"""The sensor that says which role an avatar has, one-hot."""

T = TypeVar("T")


class RoleNetworks(Network):
    """Networks of the same shape, one for each role; see the module.

    Attributes:
        members: in the order of the sensor's columns.
    """

    def __init__(self, members: Sequence[ActorCritic]) -> None:
        """Takes the networks; their critics learn in one scale."""
        super().__init__()
        self.members = nn.ModuleList(members)
        self.scale = Scale()

    @property
    def observation_space(self) -> gymnasium.spaces.Dict:
        """What the actors read beside the role."""
        return self._networks()[0].observation_space

    def actors(self, observation: Mapping[str, Tensor]) -> list[tuple[ActorCritic, Tensor | None]]:
        """See `Network.actors`."""
        role = _role_of(observation)
        return [(one, role == number) for number, one in enumerate(self._networks())]

    @property
    def features(self) -> int:
        """See `Network.features`."""
        return self._networks()[0].features

    def read(self, observation: Mapping[str, Tensor]) -> Tensor:
        """See `Network.read`."""
        found = torch.stack(self._each(observation, lambda one, seen: one.read(seen)))
        return found[_role_of(observation), torch.arange(found.shape[1])]

    def forward(
        self,
        observation: Mapping[str, Tensor],
        masks: Tensor | None = None,
        past: Past | None = None,
    ) -> Judgement:
        """See `Network.forward`."""
        found = self._each(observation, lambda one, seen: one(seen, masks, past))
        role = _role_of(observation)
        return Judgement(
            picked([each.policy for each in found], role),
            _pick([each.values for each in found], role),
            _pick_memory([each.memory for each in found], role),
        )

    def act(
        self,
        observation: Mapping[str, Tensor],
        masks: Tensor | None = None,
        past: Past | None = None,
    ) -> tuple[Distribution, Tensor | None]:
        """See `Network.act`."""
        found = self._each(observation, lambda one, seen: one.act(seen, masks, past))
        role = _role_of(observation)
        policies, memories = zip(*found, strict=True)
        return picked(list(policies), role), _pick_memory(list(memories), role)

    def value(self, observation: Mapping[str, Tensor], past: Past | None = None) -> Tensor:
        """See `Network.value`; the members' own scales have learnt nothing, and change nothing."""
        found = self._each(observation, lambda one, seen: one.value(seen, past))
        return self.scale.back(_pick(found, _role_of(observation)))

    def empty_memory(self, rows: int) -> Tensor | None:
        """See `Network.empty_memory`."""
        return self._networks()[0].empty_memory(rows)

    def _each(
        self,
        observation: Mapping[str, Tensor],
        ask: Callable[[ActorCritic, dict[str, Tensor]], T],
    ) -> list[T]:
        """What every network finds in all rows."""
        seen = {key: array for key, array in observation.items() if key != ROLE}
        return [ask(one, seen) for one in self._networks()]

    def _networks(self) -> list[ActorCritic]:
        return cast("list[ActorCritic]", list(self.members))


def _role_of(observation: Mapping[str, Tensor]) -> Tensor:
    """The column of each row's role, (rows,).

    Raises:
        ArgumentError: nobody says which role that is.
    """
    if ROLE not in observation:
        raise ArgumentError('networks="role" cannot act without the sensor role')
    return observation[ROLE].argmax(1)


def _pick(found: list[Tensor], role: Tensor) -> Tensor:
    """Of what each network has found, (rows,), that of each row's role."""
    return torch.stack(found).gather(0, role[None])[0]


def _pick_memory(found: list[Tensor | None], role: Tensor) -> Tensor | None:
    """The same of memories, (layers, rows, size); the role of a row is that of all its steps."""
    kept = [each for each in found if each is not None]
    if not kept:
        return None
    rows = kept[0].shape[1]
    chosen = role[:rows, None]
    memory = kept[0]
    for number, each in enumerate(kept[1:], 1):
        memory = torch.where(chosen == number, each, memory)
    return memory
