"""One encoder for actor and critic, which the critic trains and the actor only reads.

The critic has something to learn features from, the temporal difference; the actor has what the
critic makes of its actions, which is noise until the critic is good; in SB3 a shared encoder learns
from that alone. Yarats et al. (2021), "Improving sample efficiency in model-free reinforcement
learning from images", section 5.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final

import stable_baselines3
import torch
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.common.type_aliases import PyTorchObs, Schedule
from stable_baselines3.sac.policies import MultiInputPolicy as SACPolicy
from stable_baselines3.td3.policies import MultiInputPolicy as TD3Policy
from torch import Tensor, nn

from als_plugins.learners.extractor import EncoderExtractor

__all__ = ["PLAIN", "SHARING", "SharingDDPG", "SharingSAC", "SharingTD3"]

PLAIN: Final = "MultiInputPolicy"
"""An encoder for each."""
SHARING: Final = "SharingPolicy"
"""One encoder for both."""


class Reading(nn.Module):
    """The critic's features, as the actor sees them: nothing that it learns reaches the encoder.

    Where nothing is learnt gradients do pass, for those who ask what a decision hangs on.
    """

    def __init__(self, critic: BaseFeaturesExtractor) -> None:
        super().__init__()
        # In a tuple, since it is the critic's: it is saved once, and followed by targets once.
        self._critics = (critic,)
        self.features_dim = critic.features_dim

    @property
    def encoder(self) -> nn.Module:
        """The critic's encoder."""
        critic = self._critics[0]
        assert isinstance(critic, EncoderExtractor)
        return critic.encoder

    def forward(self, observation: PyTorchObs) -> Tensor:
        """(rows, features)."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.training):
            features: Tensor = self._critics[0](observation)
        return features


class _Sharing:
    """A policy of SB3 with an actor and a critic, whose actor is made to read the critic's."""

    def _build(self, lr_schedule: Schedule) -> None:
        super()._build(lr_schedule)  # type: ignore[misc]
        policy: Any = self
        pairs = [(policy.actor, policy.critic)]
        if hasattr(policy, "actor_target"):
            pairs.append((policy.actor_target, policy.critic_target))
        for actor, critic in pairs:
            actor.features_extractor = Reading(critic.features_extractor)
        policy.actor.optimizer = policy.optimizer_class(
            policy.actor.parameters(), lr=lr_schedule(1), **policy.optimizer_kwargs
        )


class _SharingTD3Policy(_Sharing, TD3Policy):
    """For DDPG and TD3; begins with actions near 0, where tanh has a slope (Lillicrap et al.)."""

    def _build(self, lr_schedule: Schedule) -> None:
        super()._build(lr_schedule)
        last = self.actor.mu[-2]
        assert isinstance(last, nn.Linear)
        for parameter in last.parameters():
            nn.init.uniform_(parameter, -3e-3, 3e-3)
        self.actor_target.load_state_dict(self.actor.state_dict())


class _SharingSACPolicy(_Sharing, SACPolicy):
    """For SAC."""


class SharingDDPG(stable_baselines3.DDPG):
    """DDPG that knows the policy."""

    policy_aliases: ClassVar[dict[str, type[BasePolicy]]] = {
        PLAIN: TD3Policy, SHARING: _SharingTD3Policy
    }  # fmt: skip


class SharingTD3(stable_baselines3.TD3):
    """TD3 that knows the policy."""

    policy_aliases: ClassVar[dict[str, type[BasePolicy]]] = SharingDDPG.policy_aliases


class SharingSAC(stable_baselines3.SAC):
    """SAC that knows the policy."""

    policy_aliases: ClassVar[dict[str, type[BasePolicy]]] = {
        PLAIN: SACPolicy, SHARING: _SharingSACPolicy
    }  # fmt: skip
