"""Checks play: the expert solves the scenario, random does not, and the worlds are fast."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, cast

import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from als_engine.conformance.case import Case, random_actions
from als_engine.envs.vector import VectorEnv
from als_engine.errors import TaskError

_SEED = 11
_STATE_SENSORS = ("proprioception", "entities")


def expert(case: Case) -> Iterator[str]:
    """Its expert solves it, on the levels of every split.

    Such as: the expert solves 0% of the levels, at least 80% are asked for
    """
    success, returns = _episodes(case, lambda env, rng: env.expert_actions())
    case.figures.update(expert_success=success, expert_return=returns)
    case.notes["expert"] = f"solves {success:.0%}, return {returns:.2f}"
    case.scores["expert"] = success
    if success < case.options.expert_at_least:
        yield (
            f"the expert solves {success:.0%} of the levels, at least "
            f"{case.options.expert_at_least:.0%} are asked for"
        )


def random(case: Case) -> Iterator[str]:
    """Random actions do not solve it, and earn less than the expert.

    Such as: random actions solve 100% of the levels, at most 50% are allowed
    """
    success, returns = _episodes(
        case, lambda env, rng: random_actions(rng, env.single_action_space, (env.num_envs,))
    )
    case.figures.update(random_success=success, random_return=returns)
    case.notes["random"] = f"solves {success:.0%}, return {returns:.2f}"
    case.scores["random"] = 1 - success
    if success > case.options.random_at_most:
        yield (
            f"random actions solve {success:.0%} of the levels, at most "
            f"{case.options.random_at_most:.0%} are allowed"
        )
    best = case.figures.get("expert_return", np.inf)
    if returns >= best:
        yield f"random actions earn {returns:.2f}, the expert {best:.2f}"


def heuristics(case: Case) -> Iterator[str]:
    """Its heuristics play to the end; the report says how well.

    Such as: ValueError: a rule that raises, with its line
    """
    world = case.simulate()
    world.close()
    notes = []
    for rule in world.task.heuristics():
        success, returns = _episodes(case, partial(_ask, rule))
        case.figures.update({f"{rule}_success": success, f"{rule}_return": returns})
        notes.append(f"{rule} solves {success:.0%}, return {returns:.2f}")
    case.notes["heuristics"] = "; ".join(notes) or "none"
    yield from ()


def _ask(rule: str, env: VectorEnv, rng: np.random.Generator) -> NDArray[Any]:
    return env.expert_actions(rule)


def _episodes(
    case: Case, act: Callable[[VectorEnv, np.random.Generator], NDArray[Any]]
) -> tuple[float, float]:
    """Plays one episode in each of `case.options.episodes` worlds of each split.

    Returns:
        The success rate and the mean return.
    """
    won, returns = [], []
    for split in case.splits():
        given: dict[str, Any] = {"sensors": ("proprioception",), **case.arguments, "split": split}
        env = VectorEnv(case.id, case.options.episodes, 1, AutoresetMode.SAME_STEP, **given)
        cast("Any", env.worlds).simulation.scoring.watch.keep_on()
        try:
            success, total = _play_once(env, act)
        finally:
            env.close()
        won.append(success)
        returns.append(total)
    return float(np.mean(won)), float(np.mean(returns))


def _play_once(
    env: VectorEnv, act: Callable[[VectorEnv, np.random.Generator], NDArray[Any]]
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """The first episode of every world: whether it succeeded, and its return."""
    rng = np.random.default_rng(_SEED)
    env.reset(seed=_SEED)
    success, running = np.zeros(env.num_envs, np.bool_), np.ones(env.num_envs, np.bool_)
    returns = np.zeros(env.num_envs)
    while running.any():
        _, rewards, terminated, truncated, infos = env.step(act(env, rng))
        returns += rewards * running
        ended = (terminated | truncated) & running
        if ended.any():
            _check_finite(infos["final_info"], ended)
            success[ended] = infos["final_info"]["success"][ended]
            running &= ~ended
    return success, returns


def _check_finite(infos: Mapping[str, NDArray[Any]], ended: NDArray[np.bool_]) -> None:
    """Refuses metrics at the end of an episode that are not finite.

    Raises:
        TaskError: names the metric.
    """
    for name, values in infos.items():
        if getattr(values, "dtype", np.dtype(object)).kind == "f" and not name.startswith("_"):
            odd = values[ended][~np.isfinite(values[ended])]
            if odd.size:
                what = "NaN" if np.isnan(odd[0]) else "infinite"
                error = TaskError(f'metrics["{name}"] is {what} when an episode ends')
                error.method = "metrics"
                raise error


def throughput(case: Case) -> Iterator[str]:
    """It steps, and how fast.

    Such as: ZeroDivisionError: division by zero
    """
    worlds = 16
    simulation = case.simulate(worlds, sensors=_STATE_SENSORS)
    try:
        simulation.reset(range(worlds))
        rng = np.random.default_rng(_SEED)
        shape = (worlds, simulation.observers)
        simulation.step(random_actions(rng, simulation.action_space, shape))
        began = time.perf_counter()
        for _ in range(case.options.steps):
            simulation.step(random_actions(rng, simulation.action_space, shape))
        seconds = time.perf_counter() - began
    finally:
        simulation.close()
    rate = worlds * case.options.steps / seconds
    case.figures["steps_per_second"] = rate
    case.notes["throughput"] = f"{rate:,.0f} world-steps a second, {worlds} worlds"
    yield from ()
