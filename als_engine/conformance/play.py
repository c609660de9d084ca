"""Checks play: only steps change the state, the expert solves the scenario, random does not."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from als_engine.bodies.codec import ACTION_MODES
from als_engine.conformance.case import Case, Player, random_actions
from als_engine.envs.vector import VectorEnv
from als_engine.errors import TaskError
from als_engine.sensors import SENSORS
from als_engine.simulation import Simulation
from als_engine.task import add_terms

_SEED = 11
_FRAME = 16
_STATE_SENSORS = ("proprioception", "entities")


def pure(case: Case) -> Iterator[str]:
    """Rewards, metrics, the expert, sensors and pictures change nothing in the state."""
    every = tuple(dict.fromkeys((*SENSORS, *case.task_class().extra_sensors)))
    plain = case.simulate(2, sensors=("proprioception",))
    watched = case.simulate(2, sensors=every, frame_size=_FRAME)
    try:
        player = Player(_SEED)
        for simulation in (plain, watched):
            simulation.reset([_SEED, _SEED + 1])
        for step in range(case.options.steps):
            for name, ask in _questions(watched).items():
                before = _digests(watched)
                if not _same(ask(), ask()):
                    yield f"{name} gives two answers at step {step}"
                if _digests(watched) != before:
                    yield f"{name} changes the state at step {step}"
            if _digests(plain) != _digests(watched):
                yield f"with sensors and pictures the worlds differ after {step} steps"
                return
            actions = player.act(plain)
            plain.advance(actions)
            watched.step(actions)
    finally:
        plain.close()
        watched.close()


def _questions(simulation: Simulation) -> dict[str, Callable[[], Any]]:
    task, state = simulation.task, simulation.state
    # Answers are copied: a task may answer with an array of the state itself.
    return {
        "reward": lambda: np.array(task.reward(state)),
        "reward_terms": lambda: {k: np.array(v) for k, v in task.reward_terms(state).items()},
        "terminated": lambda: np.array(task.terminated(state)),
        "success": lambda: np.array(task.success(state)),
        "metrics": lambda: {name: np.array(v) for name, v in task.metrics(state).items()},
        "expert": lambda: _expert_actions(simulation),
        "a sensor": lambda: _observed(simulation),
        "a picture": lambda: simulation.render(0),
    }


def _expert_actions(simulation: Simulation) -> NDArray[Any]:
    try:
        return simulation.expert_actions()
    except NotImplementedError:
        return np.zeros(0)


def _observed(simulation: Simulation) -> dict[str, NDArray[Any]]:
    simulation.observe()
    return {key: array.copy() for key, array in simulation.observations.items()}


def _same(one: Any, two: Any) -> bool:
    if isinstance(one, dict):
        return one.keys() == two.keys() and all(_same(one[key], two[key]) for key in one)
    return np.array_equal(one, two, equal_nan=one.dtype.kind == "f")


def _digests(simulation: Simulation) -> list[bytes]:
    return [simulation.state.digest(world) for world in range(simulation.num_worlds)]


def answers(case: Case) -> Iterator[str]:
    """Rewards, terminations and metrics have their shapes and are finite at every step."""
    simulation = case.simulate(2)
    try:
        simulation.reset([_SEED, _SEED + 1])
        player = Player(_SEED)
        for _ in range(case.options.steps):
            simulation.advance(player.act(simulation))
            simulation.scoring.check_metrics()
            ended = simulation.terminated | simulation.truncated
            if ended.any():
                simulation.reset(worlds=ended)
    except TaskError as error:
        yield str(error)
    finally:
        simulation.close()


def terms(case: Case) -> Iterator[str]:
    """The reward is, bit for bit, the sum of the terms that the task names."""
    simulation = case.simulate(2)
    try:
        simulation.reset([_SEED, _SEED + 1])
        player, names = Player(_SEED), simulation.reward_names
        for step in range(case.options.steps):
            simulation.advance(player.act(simulation))
            found = simulation.task.reward_terms(simulation.state)
            if tuple(found) != names:
                yield f"the terms are {', '.join(found)}, reward_names says {', '.join(names)}"
                return
            shape = simulation.rewards.shape
            if odd := [name for name, values in found.items() if np.shape(values) != shape]:
                yield f'the term "{odd[0]}" has another shape than (worlds, avatars)'
                return
            reward = simulation.task.reward(simulation.state)
            if not np.array_equal(add_terms(found), reward):
                yield f"the terms add up to something else than the reward at step {step}"
                return
    finally:
        simulation.close()


def sensors(case: Case) -> Iterator[str]:
    """Every sensor is finite and inside its space while every avatar plays."""
    every = tuple(dict.fromkeys((*SENSORS, *case.task_class().extra_sensors)))
    for mode in ACTION_MODES:
        given: dict[str, Any] = {"sensors": every, "frame_size": _FRAME, "action_mode": mode}
        simulation = case.simulate(2, **given)
        try:
            yield from _check_observations(case, simulation)
        finally:
            simulation.close()


def _check_observations(case: Case, simulation: Simulation) -> Iterator[str]:
    player, wrong = Player(_SEED), set[str]()
    simulation.reset([_SEED, _SEED + 1])
    simulation.observe()
    for step in range(case.options.steps):
        for key, array in simulation.observations.items():
            space: Any = simulation.observation_space[key]
            rows = array.reshape(-1, *array.shape[2:])
            finite = bool(np.isfinite(array).all())
            if key not in wrong and not (finite and all(space.contains(row) for row in rows)):
                wrong.add(key)  # Once is enough.
                what = "outside its space" if finite else "not finite"
                yield f'"{key}" is {what} at step {step} with {simulation.action_mode} actions'
        simulation.step(player.act(simulation))
    if count := simulation.truncated_instructions:
        yield f"{count} instructions are cut off in the text observation: raise text_tokens"


def expert(case: Case) -> Iterator[str]:
    """Its expert solves it, on the levels of every split."""
    success, returns = _episodes(case, lambda env, rng: env.expert_actions())
    case.figures.update(expert_success=success, expert_return=returns)
    case.notes["expert"] = f"solves {success:.0%}, return {returns:.2f}"
    if success < case.options.expert_at_least:
        yield (
            f"the expert solves {success:.0%} of the levels, at least "
            f"{case.options.expert_at_least:.0%} are asked for"
        )


def random(case: Case) -> Iterator[str]:
    """Random actions do not solve it, and earn less than the expert."""
    success, returns = _episodes(
        case, lambda env, rng: random_actions(rng, env.single_action_space, (env.num_envs,))
    )
    case.figures.update(random_success=success, random_return=returns)
    case.notes["random"] = f"solves {success:.0%}, return {returns:.2f}"
    if success > case.options.random_at_most:
        yield (
            f"random actions solve {success:.0%} of the levels, at most "
            f"{case.options.random_at_most:.0%} are allowed"
        )
    best = case.figures.get("expert_return", np.inf)
    if returns >= best:
        yield f"random actions earn {returns:.2f}, the expert {best:.2f}"


def heuristics(case: Case) -> Iterator[str]:
    """Its heuristics play to the end; the report says how well."""
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
            success[ended] = infos["final_info"]["success"][ended]
            running &= ~ended
    return success, returns


def throughput(case: Case) -> Iterator[str]:
    """It steps, and how fast."""
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
