"""Builds the network of `mappo` as its hyperparameters say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import gymnasium

from als_engine.errors import ArgumentError
from als_plugins.encoders.tuning import begun_encoder, tuned
from als_plugins.mappo.memory import make_memory
from als_plugins.mappo.network import ActorCritic, Network
from als_plugins.mappo.roles import ROLE, RoleNetworks

if TYPE_CHECKING:
    from als_plugins.mappo.parameters import MappoParameters

__all__ = ["actor_space", "build", "check_networks"]


def actor_space(space: gymnasium.spaces.Dict, critic: Sequence[str]) -> gymnasium.spaces.Dict:
    """The sensors of an actor, of which the critic keeps some to itself.

    Raises:
        ArgumentError: there is no such sensor, or none is left.
    """
    for key in critic:
        if key not in space.spaces:
            raise ArgumentError(
                f'critic: "{key}" is not among the sensors {", ".join(space.spaces)}: add it there'
            )
    left = {key: part for key, part in space.spaces.items() if key not in critic}
    if not left:
        raise ArgumentError("critic: no sensor is left that the actor could see")
    return gymnasium.spaces.Dict(left)


def check_networks(parameters: MappoParameters, actor: gymnasium.spaces.Dict) -> None:
    """Refuses what cannot be built, or cannot learn as it shall.

    Args:
        parameters: of the learner.
        actor: what the actor reads.

    Raises:
        ArgumentError: says why.
    """
    if parameters.hold > 1 and (parameters.imitate or parameters.demonstrations is not None):
        raise ArgumentError("hold goes without imitate and demonstrations, which show every step")
    if parameters.networks == "role":
        if ROLE not in actor.spaces:
            raise ArgumentError(
                'networks="role" needs to know the role of each avatar: add role to the sensors'
            )
        if len(actor.spaces) == 1:
            raise ArgumentError('networks="role" needs a sensor beside role')


def build(
    parameters: MappoParameters,
    actor: gymnasium.spaces.Dict,
    critic: gymnasium.spaces.Dict,
    actions: gymnasium.Space[Any],
    pretrained: Any,
) -> Network:
    """Makes the network, drawn with torch's generator.

    Args:
        parameters: of the learner.
        actor: what the actor reads.
        critic: what the critic reads, where it has an encoder of its own.
        actions: the action space of a row.
        pretrained: the saved encoder to begin from, or None.
    """
    if parameters.networks == "role":
        roles = actor.spaces[ROLE].shape
        assert roles is not None
        spaces = _beside(actor), _beside(critic)
        return RoleNetworks([_one(parameters, *spaces, actions, pretrained) for _ in range(*roles)])
    return _one(parameters, actor, critic, actions, pretrained)


def _one(
    parameters: MappoParameters,
    actor: gymnasium.spaces.Dict,
    critic: gymnasium.spaces.Dict,
    actions: gymnasium.Space[Any],
    pretrained: Any,
) -> ActorCritic:
    kind, config = parameters.encoder, parameters.encoder_config
    encoder = begun_encoder(actor, kind, config, pretrained)
    encoder = tuned(encoder, parameters.tuning, parameters.lora_rank, parameters.lora_steps)
    its_own = begun_encoder(critic, kind, config) if parameters.critic else None
    memory = make_memory(
        parameters.memory, encoder.features, parameters.memory_size, parameters.memory_steps
    )
    return ActorCritic(encoder, actions, parameters.net_arch, its_own, memory, parameters.bfloat16)


def _beside(space: gymnasium.spaces.Dict) -> gymnasium.spaces.Dict:
    """All sensors but the role, which is the same in all rows of a network."""
    return gymnasium.spaces.Dict({key: part for key, part in space.items() if key != ROLE})
