"""Wraps an SB3 algorithm: what the learners of `on_policy` and `off_policy` share.

SB3 saves pickles, which can run code. Here weights and optimizer states go to safetensors, and the
network is built anew from the spaces and the checked hyperparameters.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

import gymnasium
import numpy as np
import torch
from gymnasium.spaces import Box, Discrete, MultiDiscrete
from numpy.typing import NDArray
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.vec_env import VecEnv

from als_engine.agents.agent import Learner, Observation, Progress, Training
from als_engine.errors import ArgumentError
from als_engine.seeding import Generators, RowGenerators, spread
from als_engine.system.safe_files import read_tensors, write_tensors
from als_plugins.learners.extractor import EncoderExtractor, channels_first
from als_plugins.learners.hyperparameters import Hyperparameters, parse
from als_plugins.learners.reporter import Reporter, ScaledRewards, logger
from als_plugins.learners.row_wise import CHUNK, RowStates, RowWise, filled
from als_plugins.learners.rows import draw
from als_plugins.learners.setup import device, few_threads, resolved
from als_plugins.learners.training_state import read_training_state, write_training_state

if TYPE_CHECKING:
    from als_engine.envs.rows import Rows

__all__ = ["SB3Learner"]

WEIGHTS: Final = "weights.safetensors"


class SB3Learner(Learner):
    """Wraps one algorithm; subclasses say which, and how its hyperparameters are handed over."""

    samples: ClassVar[bool] = True
    bears_missing_sensors: ClassVar[bool] = True
    paths = ("pretrained",)
    id: ClassVar[str]
    algorithm: ClassVar[type[BaseAlgorithm]]
    parameters_class: ClassVar[type[Hyperparameters]]
    action_spaces: ClassVar[tuple[type[gymnasium.Space[Any]], ...]] = (
        Discrete,
        Box,
        MultiDiscrete,
    )

    def __init__(
        self,
        observation_space: gymnasium.spaces.Dict,
        action_space: gymnasium.Space[Any],
        **hyperparameters: Any,
    ) -> None:
        """Checks the hyperparameters; the network is built when it is first needed.

        Raises:
            ArgumentError: a hyperparameter is unknown or not allowed, or the algorithm does not
                take this action space.
        """
        self.parameters, self._pretrained = resolved(
            parse(self.id, self.parameters_class, hyperparameters)
        )
        if not isinstance(action_space, self.action_spaces):
            mode = "discrete" if Discrete in self.action_spaces else "continuous"
            raise ArgumentError(f'{self.id} does not take {action_space}: use action_mode="{mode}"')
        if not observation_space.spaces:
            raise ArgumentError(f"{self.id} needs at least one sensor to learn from")
        super().__init__(observation_space, action_space, **self.parameters.model_dump())
        # What it draws when it acts, and what its training draws.
        self._rows = RowGenerators(spread("agent", 0))
        self._training = Generators(spread("learner", 0))
        self._policy: BasePolicy | None = None
        self._model: BaseAlgorithm | None = None

    @property
    def policy_name(self) -> str:
        """Which of the algorithm's policies."""
        return "MultiInputPolicy"

    # -- acting -----------------------------------------------------------------------------------

    @property
    def policy(self) -> BasePolicy:
        """The network."""
        if self._policy is None:
            with Generators(spread("weights", 0)):
                self._policy = self.algorithm.policy_aliases[self.policy_name](
                    channels_first(self.network_space()),
                    self.action_space,
                    self._learning_rate,
                    **self.policy_arguments(),
                )
        return self._policy

    def seed(self, seed: int) -> None:
        """Seeds the samples of rows that are given no seed of their own."""
        self._rows = RowGenerators(seed)

    def act(
        self, observation: Observation, state: Any = None, deterministic: bool = True
    ) -> tuple[NDArray[Any], Any]:
        """Chooses an action for every row; the state is a `RowStates`.

        Sensors may be missing, as long as one is there; others than the agent's are not looked at.

        Raises:
            ArgumentError: none of the agent's sensors is there.
        """
        if not observation.keys() & self.observation_space.spaces.keys():
            known = ", ".join(self.observation_space.spaces)
            raise ArgumentError(f"{self.id} needs at least one of these sensors: {known}")
        read = self.network_space().spaces
        seen = {key: array for key, array in observation.items() if key in read}
        before = RowStates() if state is None else state
        generators = before.generators
        if self.samples and not deterministic:
            rows = len(next(iter(observation.values())))
            generators = self._rows.of(generators, rows)
        with few_threads(self.observation_space):
            actions, memory = self._act(
                seen, before.memory, None if deterministic or not self.samples else generators
            )
        return actions, RowStates(memory, generators)

    def _act(
        self,
        observation: Observation,
        memory: tuple[NDArray[Any], ...] | None,
        generators: Sequence[np.random.Generator] | None,
    ) -> tuple[NDArray[Any], tuple[NDArray[Any], ...] | None]:
        """The best actions, or with generators sampled ones, and what an LSTM remembers."""
        rows = len(next(iter(observation.values())))
        actions, memories = [], []
        for low in range(0, rows, CHUNK):
            count = min(CHUNK, rows - low)
            part = {key: filled(array[low : low + count]) for key, array in observation.items()}
            before = memory and tuple(filled(m[:, low : low + count], axis=1) for m in memory)
            with RowWise():
                chosen, after = self.policy.predict(part, before, None, True)
            if generators is not None:
                chosen = draw(self.policy, generators[low : low + count])
            actions.append(chosen[:count])
            memories.append(after and tuple(m[:, :count] for m in after))
        if memories[0] is None:
            return np.concatenate(actions), None
        return np.concatenate(actions), tuple(
            np.concatenate(parts, axis=1) for parts in zip(*memories, strict=True)
        )

    def restart(
        self, state: Any, rows: NDArray[np.bool_], seeds: Sequence[int] | None = None
    ) -> Any:
        """Empties the memory of rows that begin, and draws in them with their seeds."""
        before = RowStates() if state is None else state
        for memory in before.memory or ():
            memory[:, rows] = 0.0
        if not self.samples or (seeds is None and before.generators is None):
            return before
        return RowStates(before.memory, self._rows.restarted(before.generators, rows, seeds))

    # -- saving -----------------------------------------------------------------------------------

    def save_weights(self, folder: Path) -> None:
        """Writes the network."""
        write_tensors(folder / WEIGHTS, _arrays(self.policy))

    def load_weights(self, folder: Path) -> None:
        """Reads the network.

        Raises:
            SavedFileError: it is not of this shape, or damaged.
        """
        arrays = read_tensors(folder / WEIGHTS, _arrays(self.policy))
        self.policy.load_state_dict({name: torch.tensor(a) for name, a in arrays.items()})

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
        model.set_logger(logger(training.logs))
        reporter = Reporter(training, rows.recent)
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


def _learner_seed(seed: int, steps: int = 0) -> int:
    """Of everything that a learner draws; NumPy's old generator takes no more than 32 bits."""
    return spread("learner", seed, steps) % (1 << 32)


def _arrays(policy: BasePolicy) -> dict[str, NDArray[Any]]:
    return {name: tensor.cpu().numpy() for name, tensor in policy.state_dict().items()}
