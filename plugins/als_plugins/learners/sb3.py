"""Wraps an SB3 algorithm: what the learners of `on_policy` and `off_policy` share.

SB3 saves pickles, which can run code. Here weights and optimizer states go to safetensors, and the
network is built anew from the spaces and the checked hyperparameters.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import gymnasium
import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.preprocessing import maybe_transpose, preprocess_obs
from stable_baselines3.common.vec_env import VecEnv
from torch import Tensor

from als_engine.agents.agent import Observation, Progress, Training
from als_engine.seeding import Generators, spread
from als_plugins.learners.extractor import EncoderExtractor, channels_first
from als_plugins.learners.network_learner import NetworkLearner
from als_plugins.learners.reader import Reader
from als_plugins.learners.reporter import Reporter, ScaledRewards, logger
from als_plugins.learners.rows import draw
from als_plugins.learners.setup import device, few_threads
from als_plugins.learners.training_state import read_training_state, write_training_state

if TYPE_CHECKING:
    from als_engine.envs.rows import Rows

__all__ = ["SB3Learner"]


class SB3Learner(NetworkLearner):
    """Wraps one algorithm; subclasses say which, and how its hyperparameters are handed over."""

    algorithm: ClassVar[type[BaseAlgorithm]]
    _policy: BasePolicy | None = None
    _model: BaseAlgorithm | None = None

    @property
    def policy_name(self) -> str:
        """Which of the algorithm's policies."""
        return "MultiInputPolicy"

    def reader(self) -> Reader:
        """See `NetworkLearner.reader`."""
        space: Any = self.policy.observation_space
        encoder = copy.deepcopy(_extractor(self.policy)).cpu().eval().requires_grad_(False)

        def read(observation: Mapping[str, Tensor]) -> Tensor:
            turned = {
                key: torch.from_numpy(maybe_transpose(array.numpy(), space[key]))
                for key, array in observation.items()
            }
            found: Tensor = encoder(preprocess_obs(turned, space, normalize_images=False))
            return found

        return Reader(encoder.features_dim, read)

    # -- acting -----------------------------------------------------------------------------------

    @property
    def policy(self) -> BasePolicy:
        """The network."""
        if self._policy is None:
            with Generators(spread("weights", 0)):
                self._policy = self._make_policy()
        return self._policy

    def _make_policy(self) -> BasePolicy:
        return self.algorithm.policy_aliases[self.policy_name](
            channels_first(self.network_space()),
            self.action_space,
            self._learning_rate,
            **self.policy_arguments(),
        )

    def begin(self) -> None:
        """Makes the network, drawn with torch's generator, unless it is there."""
        if self._policy is None:
            self._policy = self._make_policy()

    def _choose(
        self,
        observation: Observation,
        memory: tuple[NDArray[Any], ...] | None,
        generators: Sequence[np.random.Generator] | None,
    ) -> tuple[NDArray[Any], tuple[NDArray[Any], ...] | None]:
        """The best actions of a chunk, or with generators sampled ones; what an LSTM remembers."""
        chosen, after = self.policy.predict(dict(observation), memory, None, True)
        return chosen if generators is None else draw(self.policy, generators), after

    # -- saving -----------------------------------------------------------------------------------

    def save_training(self, folder: Path) -> None:
        """Writes optimizers, counters and random states; a replay buffer is not kept."""
        assert self._model is not None
        with self._training:
            write_training_state(self._model, folder)

    # -- learning ---------------------------------------------------------------------------------

    def learn(self, rows: Rows, training: Training) -> Progress:
        """Trains; a learner that has weights goes on from them."""
        self._training = Generators(_learner_seed(training.seed))
        with self._training:
            return self._learn(rows, training)

    def _learn(self, rows: Rows, training: Training) -> Progress:
        # Whoever only acts, in a sandbox, may not import what makes worlds.
        from als_engine.envs.sb3 import WorldsVecEnv

        seen = self.around(WorldsVecEnv(rows), training)
        model = self._build(seen, training)
        if training.resume is not None:
            self.load_weights(training.resume)
        if self._policy is not None:
            model.policy.load_state_dict(self._policy.state_dict())
        if training.resume is not None:
            read_training_state(model, training.resume)
            self.begin_at(training.seed, model.num_timesteps)
            self.action_space.seed(_learner_seed(training.seed, model.num_timesteps))
        # Stable-Baselines3 has seeded them with the learner's seed.
        seen.seed(training.seed)
        self._model, self._policy = model, model.policy
        model.set_logger(logger(training))
        reporter = Reporter(training, rows)
        left = training.steps - model.num_timesteps
        if left > 0:
            first = training.resume is None
            with few_threads(self.observation_space):
                model.learn(
                    left, reporter, log_interval=self.log_interval, reset_num_timesteps=first
                )
        self.policy.set_training_mode(False)
        model.logger.close()
        return reporter.progress(model)

    def network_space(self) -> gymnasium.spaces.Dict:
        """The input space of the network."""
        return self.observation_space

    def around(self, env: VecEnv, training: Training) -> VecEnv:
        """The environment as the algorithm is to see it."""
        scale = self.parameters.reward_scale
        return env if scale == 1.0 else ScaledRewards(env, scale)

    def begin_at(self, seed: int, steps: int) -> None:
        """Called before a training is resumed, with its seed and its steps so far."""

    log_interval: ClassVar[int] = 1
    """Updates between two entries in the log, or episodes for those with a replay buffer."""

    def policy_arguments(self) -> dict[str, Any]:
        """The arguments of the network."""
        parameters = self.parameters
        arguments: dict[str, Any] = {
            "features_extractor_class": EncoderExtractor,
            "features_extractor_kwargs": {
                "encoder": parameters.encoder,
                "config": parameters.encoder_config,
                "pretrained": self._pretrained,
                "tuning": parameters.tuning,
                "lora_rank": parameters.lora_rank,
                "lora_steps": parameters.lora_steps,
                "augment": parameters.augment,
            },
            "net_arch": list(parameters.net_arch),
            # Encoders know themselves how to scale a picture.
            "normalize_images": False,
        }
        if parameters.weight_decay:
            arguments["optimizer_class"] = torch.optim.AdamW
            arguments["optimizer_kwargs"] = {"weight_decay": parameters.weight_decay, "eps": 1e-5}
        return arguments

    def algorithm_arguments(self, rows: int) -> dict[str, Any]:
        """The algorithm's own arguments, for so many rows."""
        return {}

    def _learning_rate(self, remaining: float) -> float:
        """The rate when this part of the training remains."""
        rate = self.parameters.learning_rate
        return rate * remaining if self.parameters.anneal else rate

    def _build(self, env: VecEnv, training: Training) -> BaseAlgorithm:
        with warnings.catch_warnings():
            # About batches that are not full, and about GPUs; nothing that a user has to know.
            warnings.simplefilter("ignore", UserWarning)
            make: Any = self.algorithm
            model: BaseAlgorithm = make(
                self.policy_name,
                env,
                learning_rate=self._learning_rate,
                gamma=self.parameters.gamma,
                batch_size=self.parameters.batch_size,
                policy_kwargs=self.policy_arguments(),
                seed=_learner_seed(training.seed),
                device=device(training.device),
                **self.algorithm_arguments(env.num_envs),
            )
        return model


def _extractor(policy: BasePolicy) -> Any:
    """The network that turns observations into features: the policy's own, or its actor's."""
    parts: list[Any] = [policy, getattr(policy, "actor", None), getattr(policy, "q_net", None)]
    return next(p.features_extractor for p in parts if getattr(p, "features_extractor", None))


def _learner_seed(seed: int, steps: int = 0) -> int:
    """Of everything that a learner draws; NumPy's old generator takes no more than 32 bits."""
    return spread("learner", seed, steps) % (1 << 32)
