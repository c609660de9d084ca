"""Checks the views with the test functions of Gymnasium, PettingZoo and Stable-Baselines3."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import gymnasium
import numpy as np

from als_engine.bodies.codec import ACTION_MODES
from als_engine.conformance.case import Case

_FRAME = 48
"""Pixels; Stable-Baselines3 warns of pictures with fewer than 36."""


def gymnasium_api(case: Case) -> Iterator[str]:
    """Gymnasium's check_env passes in every action mode, and no warning is given.

    Such as: UserWarning: the observation is not within the observation space
    """
    from gymnasium.utils.env_checker import check_env

    for mode in ACTION_MODES:
        # The window is left out: whether there is a screen is not the scenario's business.
        env = _single(case, mode, render_mode="rgb_array")
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            check_env(env, skip_render_check=True)
            picture = env.render()
        if not _is_picture(picture):
            yield f"render() in mode rgb_array gives {type(picture).__name__}, not a picture"
        env.close()


def pettingzoo_api(case: Case) -> Iterator[str]:
    """PettingZoo's parallel_api_test and parallel_seed_test pass, and no warning is given.

    Such as: Incorrect infos
    """
    from als_engine.envs.parallel import parallel_env

    def make() -> Any:
        return parallel_env(case.id, **_small(case))

    with warnings.catch_warnings():
        # Its tests import an environment of its own, in a way that it has deprecated.
        warnings.simplefilter("ignore")
        from pettingzoo.test import parallel_api_test, parallel_seed_test
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        env = make()
        parallel_api_test(env, num_cycles=case.options.steps)
        env.close()
        parallel_seed_test(make, num_cycles=case.options.steps)
    yield from ()


def sb3_api(case: Case) -> Iterator[str]:
    """Stable-Baselines3's check_env passes in every action mode.

    Such as: the observation does not match the given observation space
    """
    try:
        from stable_baselines3.common.env_checker import check_env
    except ModuleNotFoundError:
        case.notes["sb3"] = "not installed"
        return
    for mode in ACTION_MODES:
        env = _single(case, mode)
        with warnings.catch_warnings():
            # It prefers vectors and pictures to the design's (2, bands) for sound.
            warnings.simplefilter("ignore")
            check_env(env)
        env.close()
    yield from ()


def _small(case: Case) -> dict[str, Any]:
    return {"frame_size": _FRAME, **case.arguments}


def _single(case: Case, mode: str, **arguments: Any) -> gymnasium.Env[Any, Any]:
    given = {**_small(case), "action_mode": mode, **arguments}
    return gymnasium.make(case.id, disable_env_checker=True, **given).unwrapped


def _is_picture(value: Any) -> bool:
    if not isinstance(value, np.ndarray) or value.dtype != np.uint8:
        return False
    return value.ndim == 3 and value.shape[2] == 3 and int(value.min()) < int(value.max())
