"""`FollowTimeLimit`: the avatar's own clock keeps the time limit of the wrappers around it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gymnasium
from gymnasium.utils import RecordConstructorArgs
from gymnasium.wrappers import TimeLimit

from als_engine.envs.single import SingleEnv
from als_engine.errors import ArgumentError

__all__ = ["FollowTimeLimit"]


class FollowTimeLimit(gymnasium.Wrapper[Any, Any, Any, Any], RecordConstructorArgs):
    """Tells an environment of the `TimeLimit` wrappers around it; put it outermost.

    `gymnasium.make(id, max_episode_steps=50)` tells nobody but the `TimeLimit` that it adds: the
    episode is cut off after 50 steps, while `time_left`, the environment's own spec, its forks and
    the hook `als_episode_end` know the scenario's limit, and a longer one is never reached. With
    this wrapper they know the shortest limit of all, also where other wrappers stand between.

    ```python
    env = als_engine.FollowTimeLimit(gymnasium.make("ALS/Tag-v0", max_episode_steps=50))
    ```
    """

    def __init__(self, env: gymnasium.Env[Any, Any]) -> None:
        """Sets the limit of the environment, from the next step on.

        Raises:
            ArgumentError: it is no environment of one of our scenarios.
        """
        RecordConstructorArgs.__init__(self)
        gymnasium.Wrapper.__init__(self, env)
        inner = env.unwrapped
        if not isinstance(inner, SingleEnv):
            raise ArgumentError(
                f"FollowTimeLimit is for scenarios of als_engine, got {type(inner).__name__}"
            )
        if limits := [*_limits(env)]:
            inner.set_time_limit(min((*limits, *inner.chosen_limits)))


def _limits(env: gymnasium.Env[Any, Any]) -> Iterator[int]:
    """The limits of all `TimeLimit` wrappers of an environment."""
    while isinstance(env, gymnasium.Wrapper):
        if isinstance(env, TimeLimit):
            yield env._max_episode_steps
        env = env.env
