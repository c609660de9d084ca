"""Checks what a task answers: its shapes, that it is finite, and that asking changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from als_engine.conformance.case import Case, Player
from als_engine.conformance.running import Finding
from als_engine.simulation import Simulation
from als_engine.task import add_terms

_SEED = 11
_FRAME = 16
_PICTURES = 10
"""Steps between two pictures, which take longer than all other questions together."""


def answers(case: Case) -> Iterator[Finding]:
    """Rewards, terminations and metrics have their shapes and are finite at every step.

    Such as: level 8, step 3: InfiniteReward.reward is infinite for avatar 0 of world 0
    """
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
    finally:
        simulation.close()
    yield from ()


def pure(case: Case) -> Iterator[Finding]:
    """Rewards, metrics, experts, heuristics, sensors and pictures change nothing in the state.

    Such as: expert changes the state at step 0
    """
    plain = case.simulate(2, sensors=("proprioception",))
    watched = case.simulate(2, sensors=case.every_sensor(), frame_size=_FRAME)
    told = set[str]()
    try:
        player = Player(_SEED)
        for simulation in (plain, watched):
            simulation.reset([_SEED, _SEED + 1])
        for step in range(case.options.steps):
            yield from _ask_twice(case, watched, step, told)
            if _digests(plain) != _digests(watched):
                if not told:
                    yield f"with sensors and pictures the worlds differ after {step} steps"
                return
            actions = player.act(plain)
            plain.advance(actions)
            watched.step(actions)
    finally:
        plain.close()
        watched.close()


def _ask_twice(case: Case, watched: Simulation, step: int, told: set[str]) -> Iterator[Finding]:
    """Asks every question twice; notes of whom it has told."""
    before = _digests(watched)
    for name, ask in _questions(watched).items():
        if name == "a picture" and step % _PICTURES:
            continue
        one, two, method = ask(), ask(), name.partition(":")[0]
        same, after = _same(one, two), _digests(watched)
        if not same and name not in told:
            which = _unlike(one, two)
            yield case.failure(f"{name}{which} gives two answers at step {step}", method)
        if after != before and name not in told:
            yield case.failure(f"{name} changes the state at step {step}", method)
        if not same or after != before:
            told.add(name)
        before = after


def _questions(simulation: Simulation) -> dict[str, Callable[[], Any]]:
    task, state = simulation.task, simulation.state
    rules = {f"heuristics: {name}": partial(_acts, simulation, name) for name in task.heuristics()}
    # Answers are copied: a task may answer with an array of the state itself.
    return {
        "reward": lambda: np.array(task.reward(state)),
        "reward_terms": lambda: {k: np.array(v) for k, v in task.reward_terms(state).items()},
        "terminated": lambda: np.array(task.terminated(state)),
        "success": lambda: np.array(task.success(state)),
        "metrics": lambda: {name: np.array(v) for name, v in task.metrics(state).items()},
        "expert": lambda: _acts(simulation),
        **rules,
        "a sensor": lambda: _observed(simulation),
        "a picture": lambda: simulation.render(0),
    }


def _acts(simulation: Simulation, rule: str | None = None) -> NDArray[Any]:
    try:
        return simulation.expert_actions(rule)
    except NotImplementedError:
        return np.zeros(0)


def _observed(simulation: Simulation) -> dict[str, NDArray[Any]]:
    simulation.observe()
    return {key: array.copy() for key, array in simulation.observations.items()}


def _same(one: Any, two: Any) -> bool:
    if isinstance(one, dict):
        return one.keys() == two.keys() and all(_same(one[key], two[key]) for key in one)
    return np.array_equal(one, two, equal_nan=one.dtype.kind == "f")


def _unlike(one: Any, two: Any) -> str:
    """The names of what differs between two answers that have names."""
    if not isinstance(one, dict):
        return ""
    return f" ({', '.join(name for name in one if not _same(one[name], two.get(name, one)))})"


def _digests(simulation: Simulation) -> list[bytes]:
    return [simulation.state.digest(world) for world in range(simulation.num_worlds)]


def terms(case: Case) -> Iterator[Finding]:
    """The reward is, bit for bit, the sum of the terms that the task names.

    Such as: the terms add up to something else than the reward at step 0
    """
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
