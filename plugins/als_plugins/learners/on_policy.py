"""On-policy learners: PPO, PPO with an LSTM, and PPO with action masks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import sb3_contrib
import stable_baselines3
from gymnasium.spaces import Discrete, MultiDiscrete
from numpy.typing import NDArray
from stable_baselines3.common.base_class import BaseAlgorithm

from als_engine.agents.agent import Observation
from als_engine.agents.masks import mask_size
from als_engine.limits import check_memory
from als_plugins.learners.hyperparameters import (
    Hyperparameters,
    PPOParameters,
    RecurrentPPOParameters,
)
from als_plugins.learners.network_learner import masks_apart
from als_plugins.learners.recurrent import RecurrentAlgorithm
from als_plugins.learners.rows import draw
from als_plugins.learners.sb3 import SB3Learner
from als_plugins.learners.sb3_student import SB3Student
from als_plugins.learners.student import Student

__all__ = ["PPO", "MaskablePPO", "RecurrentPPO"]


class PPO(SB3Learner):
    """Proximal policy optimization (Schulman et al. 2017)."""

    id = "ppo"
    algorithm: ClassVar[type[BaseAlgorithm]] = stable_baselines3.PPO
    parameters_class: ClassVar[type[Hyperparameters]] = PPOParameters
    parameters: PPOParameters
    tells_advantages: ClassVar[bool] = True

    def algorithm_arguments(self, rows: int) -> dict[str, Any]:
        """PPO's own arguments."""
        names = {
            "n_epochs", "gae_lambda", "clip_range", "ent_coef", "vf_coef", "max_grad_norm",
            "target_kl",
        }  # fmt: skip
        steps = self.parameters.steps_for(rows)
        # Stable-Baselines3 keeps observations as float32.
        values = sum(math.prod(space.shape or ()) for space in self.network_space().values())
        values += mask_size(self.action_space) if self.reads_masks else 0
        check_memory(f"{self.id}: {steps} steps of {rows} rows", 4 * steps * rows * values)
        return {
            "n_steps": steps,
            **self.parameters.model_dump(include=names),
        }

    def student(self) -> Student:
        """See `NetworkLearner.student`; what is made of PPO reads more than an observation."""
        return SB3Student(self) if type(self) is PPO else super().student()


class MaskablePPO(PPO):
    """PPO that never draws an action that is not possible (Huang and Ontañón 2022)."""

    id = "maskable-ppo"
    algorithm = sb3_contrib.MaskablePPO
    action_spaces = (Discrete, MultiDiscrete)
    reads_masks = True

    def _choose(
        self,
        observation: Observation,
        memory: tuple[NDArray[Any], ...] | None,
        generators: Sequence[np.random.Generator] | None,
    ) -> tuple[NDArray[Any], None]:
        """The best possible actions of a chunk, or with generators sampled ones."""
        sensed, masks = masks_apart(observation)
        policy: Any = self.policy
        chosen, _ = policy.predict(dict(sensed), deterministic=True, action_masks=masks)
        return chosen if generators is None else draw(self.policy, generators), None


class RecurrentPPO(PPO):
    """PPO with an LSTM, for worlds that are not seen all at once.

    Of the encoder `recurrent` with a forward LSTM it takes the part for single steps, and its own
    LSTM begins from a pretrained one's weights where `lstm_hidden_size` and `n_lstm_layers` are the
    encoder's `hidden` and `layers`. Other memories are read one step at a time, as they are.
    """

    id = "recurrent-ppo"
    algorithm = RecurrentAlgorithm
    parameters_class = RecurrentPPOParameters
    shapes = (*PPO.shapes, "lstm_hidden_size", "n_lstm_layers")
    parameters: RecurrentPPOParameters

    @property
    def policy_name(self) -> str:
        """Which of the algorithm's policies."""
        return "MultiInputLstmPolicy"

    def policy_arguments(self) -> dict[str, Any]:
        """The arguments of the network."""
        arguments = super().policy_arguments()
        arguments["features_extractor_kwargs"]["by_step"] = True
        names = {"lstm_hidden_size", "n_lstm_layers"}
        return {**arguments, **self.parameters.model_dump(include=names)}
