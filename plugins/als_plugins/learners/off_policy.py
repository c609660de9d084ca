"""Off-policy learners: DQN and QRDQN for discrete actions, others for continuous ones."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import sb3_contrib
import stable_baselines3
from gymnasium.spaces import Box, Discrete
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.noise import NormalActionNoise
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm

from als_engine.limits import check_memory
from als_plugins.learners.hyperparameters import (
    ActorCriticParameters,
    AttentionDDPGParameters,
    DDPGParameters,
    DQNParameters,
    Hyperparameters,
    OffPolicyParameters,
    QRDQNParameters,
    SACParameters,
    TD3Parameters,
)
from als_plugins.learners.sb3 import SB3Learner
from als_plugins.learners.shared_encoder import (
    PLAIN,
    SHARING,
    SharingDDPG,
    SharingSAC,
    SharingTD3,
)

__all__ = ["DDPG", "DQN", "QRDQN", "SAC", "TD3", "AttentionDDPG"]


class Patient(OffPolicyAlgorithm):
    """Learns from a buffer of `learning_starts` transitions, also when it goes on with a training.

    SB3 counts the steps that a training has taken in all, and the buffer begins empty when it is
    taken up again: its first updates would come from a handful of transitions that look alike.
    """

    def train(self, gradient_steps: int, batch_size: int = 100) -> None:
        """Updates the networks, once there is enough to learn from."""
        buffer = self.replay_buffer
        assert buffer is not None
        if buffer.full or buffer.size() * buffer.n_envs >= self.learning_starts:
            super().train(gradient_steps, batch_size)


class PatientDQN(Patient, stable_baselines3.DQN):
    """DQN that waits for its buffer."""


class PatientQRDQN(Patient, sb3_contrib.QRDQN):
    """QRDQN that waits for its buffer."""


class PatientSAC(Patient, SharingSAC):
    """SAC that waits for its buffer."""


class PatientDDPG(Patient, SharingDDPG):
    """DDPG that waits for its buffer."""


class PatientTD3(Patient, SharingTD3):
    """TD3 that waits for its buffer."""


class OffPolicy(SB3Learner):
    """Learners with a replay buffer, which begins empty when a training is taken up again."""

    parameters: OffPolicyParameters
    samples = False
    log_interval = 20

    def algorithm_arguments(self, rows: int) -> dict[str, Any]:
        """The arguments that these algorithms share."""
        parameters = self.parameters
        sizes = [
            int(np.prod(space.shape or (1,))) * np.dtype(space.dtype).itemsize
            for space in self.observation_space.spaces.values()
        ]
        kept = parameters.buffer_for(2 * sum(sizes))
        check_memory(f"{self.id}: a buffer_size of {kept} transitions", 2 * kept * sum(sizes))
        return {
            "buffer_size": kept,
            "learning_starts": parameters.learning_starts,
            "train_freq": parameters.train_freq,
            "gradient_steps": parameters.updates_for(rows),
            "tau": parameters.tau,
        }


class DQN(OffPolicy):
    """Deep Q-network (Mnih et al. 2015)."""

    id = "dqn"
    algorithm: ClassVar[type[BaseAlgorithm]] = PatientDQN
    parameters_class: ClassVar[type[Hyperparameters]] = DQNParameters
    parameters: DQNParameters
    action_spaces = (Discrete,)

    def algorithm_arguments(self, rows: int) -> dict[str, Any]:
        """DQN's own arguments."""
        names = {
            "target_update_interval", "exploration_fraction", "exploration_final_eps",
            "max_grad_norm",
        }  # fmt: skip
        return {**super().algorithm_arguments(rows), **self.parameters.model_dump(include=names)}


class QRDQN(DQN):
    """Quantile-regression DQN (Dabney et al. 2018)."""

    id = "qrdqn"
    algorithm = PatientQRDQN
    parameters_class = QRDQNParameters
    parameters: QRDQNParameters

    def policy_arguments(self) -> dict[str, Any]:
        """The arguments of the network."""
        return {**super().policy_arguments(), "n_quantiles": self.parameters.n_quantiles}


class ActorCritic(OffPolicy):
    """Learners with an actor and a critic, which read one encoder or one each."""

    parameters: ActorCriticParameters
    action_spaces = (Box,)

    @property
    def policy_name(self) -> str:
        """Which of the algorithm's policies."""
        return SHARING if self.parameters.share_encoder else PLAIN


class SAC(ActorCritic):
    """Soft actor-critic (Haarnoja et al. 2018)."""

    id = "sac"
    samples = True
    algorithm: ClassVar[type[BaseAlgorithm]] = PatientSAC
    parameters_class: ClassVar[type[Hyperparameters]] = SACParameters
    parameters: SACParameters

    def policy_arguments(self) -> dict[str, Any]:
        """The arguments of the network."""
        return {**super().policy_arguments(), "n_critics": self.parameters.n_critics}

    def algorithm_arguments(self, rows: int) -> dict[str, Any]:
        """SAC's own arguments."""
        return {**super().algorithm_arguments(rows), "ent_coef": self.parameters.ent_coef}


class DDPG(ActorCritic):
    """Deep deterministic policy gradient (Lillicrap et al. 2016)."""

    id = "ddpg"
    algorithm: ClassVar[type[BaseAlgorithm]] = PatientDDPG
    parameters_class: ClassVar[type[Hyperparameters]] = DDPGParameters
    parameters: DDPGParameters

    def policy_arguments(self) -> dict[str, Any]:
        """The arguments of the network."""
        return {**super().policy_arguments(), "n_critics": 1}

    def algorithm_arguments(self, rows: int) -> dict[str, Any]:
        """DDPG's own arguments."""
        axes = self.action_space.shape or ()
        sigma = np.full(axes, self.parameters.noise)
        noise = NormalActionNoise(np.zeros(axes), sigma)
        return {**super().algorithm_arguments(rows), "action_noise": noise}


class AttentionDDPG(DDPG):
    """DDPG whose actor and critic read the attention encoder."""

    id = "attention-ddpg"
    parameters_class = AttentionDDPGParameters
    parameters: AttentionDDPGParameters


class TD3(DDPG):
    """Twin delayed DDPG (Fujimoto et al. 2018)."""

    id = "td3"
    algorithm = PatientTD3
    parameters_class = TD3Parameters
    parameters: TD3Parameters

    def policy_arguments(self) -> dict[str, Any]:
        """The arguments of the network."""
        return {**super().policy_arguments(), "n_critics": self.parameters.n_critics}

    def algorithm_arguments(self, rows: int) -> dict[str, Any]:
        """TD3's own arguments."""
        names = {"policy_delay", "target_policy_noise", "target_noise_clip"}
        return {**super().algorithm_arguments(rows), **self.parameters.model_dump(include=names)}
