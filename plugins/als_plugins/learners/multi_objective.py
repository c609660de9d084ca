"""One policy for many trade-offs: PPO that is told how much each term of the reward counts.

While it learns, every row draws the weights of each episode evenly from all mixtures (a flat
Dirichlet distribution) and is paid the weighted sum of the terms. Policy and value function read
the weights beside the encoder's features (Abels et al. 2019, "Dynamic weights in multi-objective
deep reinforcement learning"), so any encoder serves, a pretrained one too. When it acts, the
weights are an argument.

Weights sum to 1, and the weighted sum is multiplied by the number of terms: equal weights give the
scenario's own reward.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Final

import gymnasium
import numpy as np
from gymnasium.spaces import Box
from numpy.typing import NDArray
from pydantic import Field
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper
from stable_baselines3.common.vec_env.base_vec_env import VecEnvObs, VecEnvStepReturn

from als_engine.agents.agent import Observation, Training
from als_engine.errors import ArgumentError, unknown
from als_engine.seeding import spread
from als_plugins.learners.hyperparameters import Hyperparameters, PPOParameters, Share
from als_plugins.learners.on_policy import PPO

__all__ = ["KEY", "MultiObjective", "WeightedRewards"]

KEY: Final = "weights"
"""The observation key of the weights."""

_EPISODES: Final = 256
"""Ended episodes from which it is told how far returns lie apart."""

_LEAST: Final = 1e-3
"""The least that is taken to be at stake, as a part of what is at stake in all terms."""

Name = Annotated[str, Field(min_length=1, max_length=100)]
Weight = Annotated[float, Field(ge=0.0, le=1e6)]


class MultiObjectiveParameters(PPOParameters):
    """PPO's, and what the trade-off is.

    Attributes:
        weights: term to weight, for acting; terms that are not named get 0. None weighs all alike.
            Their sum makes no difference.
        terms: the names of the scenario's terms; training fills them in.
        trade: the terms that are weighed against each other; the others keep the weight that they
            have among equal ones. None for all.
        concentration: of the Dirichlet distribution that weights are drawn from; 1 draws all
            mixtures alike, less draws the ends more often.
        widen: the part of the training along which weights spread from equal ones to that
            distribution; what is worth doing at all is learnt first.
        fade: terms that only help to learn, such as shaping: their pay falls to 0 along the same
            part, and no weight is drawn for them.
    """

    weights: Annotated[dict[Name, Weight], Field(min_length=1, max_length=50)] | None = None
    terms: Annotated[list[Name], Field(min_length=1, max_length=50)] = Field(default=["reward"])
    trade: Annotated[list[Name], Field(min_length=2, max_length=50)] | None = None
    concentration: Annotated[float, Field(gt=0.01, le=100.0)] = 0.5
    widen: Share = 0.4
    fade: Annotated[list[Name], Field(max_length=50)] = Field(default=[])


class MultiObjective(PPO):
    """PPO over all weightings of a scenario's reward terms."""

    id = "multi-objective"
    parameters_class: ClassVar[type[Hyperparameters]] = MultiObjectiveParameters
    shapes = (*PPO.shapes, "terms")
    parameters: MultiObjectiveParameters

    def __init__(
        self,
        observation_space: gymnasium.spaces.Dict,
        action_space: gymnasium.Space[Any],
        **hyperparameters: Any,
    ) -> None:
        """Checks the hyperparameters.

        Raises:
            ArgumentError: as `SB3Learner`; or a sensor is called as the weights are.
        """
        super().__init__(observation_space, action_space, **hyperparameters)
        if KEY in observation_space.spaces:
            raise ArgumentError(f'{self.id}: the scenario has a sensor "{KEY}" of its own')
        self._weights: NDArray[np.float32] | None = None
        self._weighted: WeightedRewards | None = None

    @property
    def terms(self) -> tuple[str, ...]:
        """The terms that have weights, in order."""
        return tuple(self.parameters.terms)

    @property
    def weights(self) -> NDArray[np.float32]:
        """The weights of the terms when acting: (terms,), summing to 1."""
        if self._weights is None:
            self._weights = normalised(self.parameters.weights, self.terms)
        return self._weights

    def weigh(self, weights: Mapping[str, float] | None) -> None:
        """Acts by these weights from now on; None weighs all terms alike.

        Raises:
            ArgumentError: there is no such term, a weight is negative or not finite, or all are 0.
        """
        self._weights = normalised(weights, self.terms)

    # -- around PPO -------------------------------------------------------------------------------

    def network_space(self) -> gymnasium.spaces.Dict:
        """The input space of the network: the observation and the weights."""
        return with_weights(self.observation_space, len(self.terms))

    def around(self, env: VecEnv, training: Training) -> VecEnv:
        """Takes over the environment's terms, and has rewards weighted."""
        names = tuple(getattr(env, "reward_names", ("reward",)))
        if names != self.terms:
            self.parameters = self.parameters.model_copy(update={"terms": list(names)})
            self.config = self.parameters.model_dump()
            self._policy = self._weights = None
        # Before hours of training: a weight may belong to no term.
        _ = self.weights
        for name in [*(self.parameters.trade or ()), *self.parameters.fade]:
            if name not in self.terms:
                raise ArgumentError(unknown("term of the reward", name, self.terms))
        if not set(self.parameters.trade or self.terms) - set(self.parameters.fade):
            raise ArgumentError(f"{self.id}: all terms fade: nothing is left to weigh")
        self._weighted = WeightedRewards(env, training, self.parameters)
        return super().around(self._weighted, training)

    def begin_at(self, seed: int, steps: int) -> None:
        """Goes on with the weights as wide as they were."""
        assert self._weighted is not None
        self._weighted.begin_at(seed, steps)

    def policy_arguments(self) -> dict[str, Any]:
        """The arguments of the network; the weights go past the encoder."""
        arguments = super().policy_arguments()
        arguments["features_extractor_kwargs"]["beside"] = [KEY]
        return arguments

    def act(
        self, observation: Observation, state: Any = None, deterministic: bool = True
    ) -> tuple[NDArray[Any], Any]:
        """Chooses an action for every row, by the weights."""
        rows = len(next(iter(observation.values()), ()))
        told = {**observation, KEY: np.tile(self.weights, (rows, 1))}
        return super().act(told, state, deterministic)


class WeightedRewards(VecEnvWrapper):
    """Draws weights for every row and episode, shows them, and pays the weighted terms.

    Attributes:
        weights: (rows, terms), of the episodes that are running.
        spread: (terms,) how far the returns of each term lie apart, which says what is at stake.
        steps: of all rows, so far.
    """

    def __init__(self, env: VecEnv, training: Training, drawing: MultiObjectiveParameters) -> None:
        """Wraps an environment with `terms`, (rows, terms), and `reward_names`."""
        space = env.observation_space
        assert isinstance(space, gymnasium.spaces.Dict)
        terms: Any = env
        names = terms.reward_names
        self._env, self._count = terms, len(names)
        super().__init__(env, with_weights(space, self._count))
        self._fades = np.array([name in drawing.fade for name in names])
        among = names if drawing.trade is None else drawing.trade
        self._traded = np.array([name in among for name in names]) & ~self._fades
        self._drawing, self._wide_at = drawing, drawing.widen * training.steps
        self.weights: NDArray[np.float32] = np.zeros((env.num_envs, self._count), np.float32)
        self.spread: NDArray[np.float64] = np.ones(self._count)
        self._returns: deque[list[float]] = deque(maxlen=_EPISODES)
        self._factor: NDArray[np.float64] = np.ones(env.num_envs)
        self.begin_at(training.seed, 0)

    def begin_at(self, seed: int, steps: int) -> None:
        """Begins, or goes on after so many steps; seeds what the weights are drawn with."""
        self.steps = steps
        self._rng = np.random.default_rng(spread("weights", seed, steps))

    def reset(self) -> VecEnvObs:
        """Starts an episode with new weights in every row."""
        observation = self.venv.reset()
        self._draw(np.ones(self.num_envs, np.bool_))
        return self._told(observation)

    def step_wait(self) -> VecEnvStepReturn:
        """Steps the worlds; pays by the weights that the step was taken with."""
        observation, _, ended, infos = self.venv.step_wait()
        self.steps += self.num_envs
        counts = np.where(self._fades, 1.0 - self._wide(), 1.0)
        paid = self._factor * (self.weights * self._env.terms * counts).sum(axis=1)
        for row in np.flatnonzero(ended).tolist():
            infos[row]["terminal_observation"][KEY] = self.weights[row].copy()
            self._returns.append(list(infos[row]["episode_terms"].values()))
        if ended.any():
            self._draw(ended)
        return self._told(observation), paid.astype(np.float32), ended, infos

    def _draw(self, rows: NDArray[np.bool_]) -> None:
        """New weights for the rows that begin, and by what their sums are multiplied.

        Equal weights are paid the scenario's own reward. Others are paid as if as much were at
        stake: a factor changes no optimum, and without it the mixtures with small sums would have
        no say in the policy's gradient.
        """
        wide = self._wide()
        share = self._traded.sum() / self._count
        drawn = np.full((int(rows.sum()), self._count), 1.0 / self._count)
        alpha = np.full(int(self._traded.sum()), self._drawing.concentration)
        mixture = share * self._rng.dirichlet(alpha, len(drawn))
        drawn[:, self._traded] += wide * (mixture - drawn[:, self._traded])
        self.weights[rows] = drawn
        if len(self._returns) == _EPISODES:
            found = np.std(np.array(self._returns), axis=0)
            self.spread = found if found[~self._fades].any() else self.spread
        lasting = np.where(self._fades, 0.0, self.spread)
        at_stake = drawn @ lasting
        self._factor[rows] = lasting.sum() / np.maximum(at_stake, _LEAST * lasting.sum())

    def _wide(self) -> float:
        """How far the weights have spread, 0 to 1."""
        return min(self.steps / self._wide_at, 1.0) if self._wide_at > 0 else 1.0

    def _told(self, observation: VecEnvObs) -> VecEnvObs:
        assert isinstance(observation, dict)
        return {**observation, KEY: self.weights.copy()}


def with_weights(space: gymnasium.spaces.Dict, terms: int) -> gymnasium.spaces.Dict:
    """The observation space with the weights of so many terms."""
    return gymnasium.spaces.Dict({**space.spaces, KEY: Box(0.0, 1.0, (terms,), np.float32)})


def normalised(weights: Mapping[str, float] | None, terms: Sequence[str]) -> NDArray[np.float32]:
    """Weights in the order of the terms, summing to 1.

    Raises:
        ArgumentError: there is no such term, a weight is negative or not finite, or all are 0.
    """
    if weights is None:
        return np.full(len(terms), 1.0 / len(terms), np.float32)
    for name, weight in weights.items():
        if name not in terms:
            raise ArgumentError(unknown("term of the reward", name, terms))
        if not (math.isfinite(weight) and weight >= 0.0):
            raise ArgumentError(f'the weight of "{name}" must be at least 0, got {weight}')
    values = np.array([weights.get(name, 0.0) for name in terms])
    if values.sum() <= 0.0:
        raise ArgumentError("at least one weight must be above 0")
    shares: NDArray[np.float32] = (values / values.sum()).astype(np.float32)
    return shares
