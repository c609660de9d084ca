"""Checks determinism: a seed decides everything, in every view and beside any other worlds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import gymnasium
import numpy as np
from gymnasium.utils.env_checker import data_equivalence
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from als_engine.conformance.case import Case, Player, random_actions
from als_engine.envs.single import SingleEnv
from als_engine.envs.vector import VectorEnv

_SEED = 5
_WORLDS = 3
_SHORT = 7  # Steps of an episode, so that resets come often.
_FRAME = 16

Seen = tuple[Any, ...]


def replay(case: Case) -> Iterator[str]:
    """The same seed and actions give the same bits: observations, rewards, infos and state.

    Such as: step 0 differs in another environment: info (walked)
    """
    env, other = _single(case), _single(case)
    try:
        first = _play(env, case.options.steps)
        _play(env, case.options.steps // 2, seed=_SEED + 1)
        for where, again in (
            ("in the same environment after another episode", _play(env, case.options.steps)),
            ("in another environment", _play(other, case.options.steps)),
        ):
            for step, (one, two) in enumerate(zip(first, again, strict=True)):
                if difference := _difference(one, two):
                    yield f"step {step} differs {where}: {difference}"
                    break
    finally:
        env.close()
        other.close()


def _play(env: Any, steps: int, seed: int = _SEED) -> list[Seen]:
    """Plays as the `Player` does; gives what was seen, the last entry being the state's digest."""
    simulation, player = env.unwrapped.simulation, Player()
    seen: list[Seen] = [(*env.reset(seed=seed), simulation.state.digest(0))]
    for _ in range(steps):
        step = env.step(player.act(simulation)[0, 0])
        seen.append((*step, simulation.state.digest(0)))
        if step[2] or step[3]:
            seen.append((*env.reset(), simulation.state.digest(0)))
    return seen


def autoreset(case: Case) -> Iterator[str]:
    """A vector env equals Gymnasium's SyncVectorEnv of single envs in every autoreset mode.

    Such as: NextStep: the reset differs: info (walked)
    """
    for mode in AutoresetMode:
        ours = _vector(case, 1, mode)
        theirs = SyncVectorEnv([lambda: _single(case, _SHORT)] * _WORLDS, autoreset_mode=mode)
        try:
            for difference in _compare(case, ours, theirs, mode):
                yield f"{mode.value}: {difference}"
                return  # The other modes would say the same.
            for world, env in enumerate(theirs.envs):
                single = cast("Any", env.unwrapped).simulation.state.digest(0)
                if cast("Any", ours.worlds).simulation.state.digest(world) != single:
                    yield f"{mode.value}: world {world} ends in another state than the single env"
                    return
        finally:
            ours.close()
            theirs.close()


def workers(case: Case) -> Iterator[str]:
    """Several processes give the same bits as one.

    Such as: step 4 differs: observation (entities)
    """
    if case.options.workers < 2:
        case.notes["workers"] = "not asked for"
        return
    one = _vector(case, 1, AutoresetMode.SAME_STEP)
    many = _vector(case, case.options.workers, AutoresetMode.SAME_STEP)
    try:
        yield from _compare(case, one, many, AutoresetMode.SAME_STEP)
    finally:
        one.close()
        many.close()


def time_limit(case: Case) -> Iterator[str]:
    """gymnasium.make, make_vec and PettingZoo take max_episode_steps and end in that step.

    Such as: truncated at step 4 of 5: single, vector, parallel are (False, True, True)
    """
    from als_engine.envs.parallel import parallel_env
    from als_engine.envs.time_limit import FollowTimeLimit

    limit = 5
    given = {"frame_size": _FRAME, **case.arguments, "max_episode_steps": limit}
    single = FollowTimeLimit(gymnasium.make(case.id, **given))
    vector, parallel = gymnasium.make_vec(case.id, 1, **given), parallel_env(case.id, **given)
    try:
        single.reset(seed=_SEED), vector.reset(seed=_SEED), parallel.reset(seed=_SEED)
        stay = np.zeros(single.action_space.shape or (), single.action_space.dtype)
        for step in range(1, limit + 1):
            one, many = single.step(stay), vector.step(stay[None])
            both = parallel.step(dict.fromkeys(parallel.agents, stay))
            ends = (one[3], bool(many[3][0]), all(both[3].values()))
            if one[2]:
                case.notes["time-limit"] = f"ended by itself at step {step}"
                return
            if ends != (step == limit,) * 3:
                yield f"truncated at step {step} of {limit}: single, vector, parallel are {ends}"
            if not data_equivalence({k: v[None] for k, v in one[0].items()}, many[0], exact=True):
                yield f"single and vector observe different things at step {step} of {limit}"
    finally:
        single.close()
        vector.close()
        parallel.close()


def _compare(case: Case, one: Any, two: Any, mode: AutoresetMode) -> Iterator[str]:
    """Steps two vector envs with the same actions; yields where they differ."""
    rng = np.random.default_rng(_SEED)
    space = one.single_action_space
    if difference := _difference(one.reset(seed=_SEED), two.reset(seed=_SEED)):
        yield f"the reset differs: {difference}"
    for step in range(max(case.options.steps, 3 * _SHORT)):  # Resets are what is compared.
        if step % 3 == 0:  # Kept for a while, so that avatars get somewhere.
            actions = random_actions(rng, space, (_WORLDS,))
        seen, other = one.step(actions), two.step(actions)
        if difference := _difference(seen, other):
            yield f"step {step} differs: {difference}"
        ended = seen[2] | seen[3]
        if mode is AutoresetMode.DISABLED and ended.any():
            # A copy for each, since Gymnasium takes the mask out of what it is given.
            again = one.reset(options={"reset_mask": ended.copy()})
            if difference := _difference(again, two.reset(options={"reset_mask": ended.copy()})):
                yield f"the reset after step {step} differs: {difference}"


def _difference(one: Seen, two: Seen) -> str:
    """What differs between what two environments returned, or `''`."""
    names: tuple[str, ...] = ("observation", "reward", "terminated", "truncated", "info", "state")
    if len(one) <= 3:  # A reset.
        names = ("observation", "info", "state")
    for name, a, b in zip(names, one, two, strict=False):
        if not data_equivalence(a, b, exact=True):
            if isinstance(a, dict) and isinstance(b, dict):
                keys = sorted(map(str, a.keys() ^ b.keys()))
                keys += [k for k in a if k in b and not data_equivalence(a[k], b[k], exact=True)]
                return f"{name} ({', '.join(keys)})"
            return name
    return ""


def _single(case: Case, limit: int | None = None) -> gymnasium.Env[Any, Any]:
    # Without Gymnasium's own time limit, which would be a second clock: see `time_limit`.
    given = {"frame_size": _FRAME, **case.arguments}
    if limit is not None:
        given["max_episode_steps"] = limit
    return SingleEnv(case.id, **given)


def _vector(case: Case, processes: int, mode: AutoresetMode) -> VectorEnv:
    given: dict[str, Any] = {"frame_size": _FRAME, **case.arguments, "max_episode_steps": _SHORT}
    return VectorEnv(case.id, _WORLDS, processes, mode, **given)
