"""The environments: what many worlds, processes, Stable-Baselines3 and a single world cost."""

from __future__ import annotations

import multiprocessing
import statistics
import time
from dataclasses import replace
from functools import partial
from typing import Any

import gymnasium
import numpy as np
from replay import record

from als_engine.envs.vector import VectorEnv
from als_engine.plugins.registry import registry
from measuring.timing import Measure, Stopwatch, compared, in_turns, seconds
from measuring.worlds import RING, STATE, random_actions, reset_batch, stepping


def flatness(
    repeats: int, counts: tuple[int, ...] = (1, 4, 16, 64), steps: int = 64
) -> list[Measure]:
    """The cost of a world step, and of memory, from 1 to 64 worlds.

    Every world gets the same seed and the same actions, so that all of them, however many, are in
    the same state at the same time, and only their number differs. The detail has `stepSimulation`
    alone as well: what that costs more with more worlds, for want of cache, is not ours to save.
    """
    batches = {}
    before = _resident()
    for n in counts:
        if n == counts[-1]:
            before = _resident()
        batches[n] = reset_batch(RING, n, STATE, seed_step=0)
    per_world = (_resident() - before) / counts[-1]
    plan = np.random.default_rng(0).integers(0, 7, (steps, 1, 4))
    costs = step_costs(batches, plan, repeats)
    bare = bare_costs(counts, plan)
    shown = ", ".join(
        f"{n}: {whole:.0f} µs ({alone:.0f} µs)"
        for n, whole, alone in zip(counts, costs, bare, strict=True)
    )
    return [
        Measure(
            "cost of a world step, dearest of 1 to 64 worlds / cheapest",
            max(costs) / min(costs),
            1.15,
            at_most=True,
            detail=f"{shown}; in brackets stepSimulation alone, {max(bare) / min(bare):.2f}",
        ),
        Measure("memory of an extra world", per_world, 40.0, at_most=True, unit="MiB"),
    ]


def step_costs(batches: dict[int, Any], plan: np.ndarray, repeats: int) -> list[float]:
    """What a step costs a world in batches of several sizes, microseconds; closes them.

    Args:
        batches: number of worlds to the batch.
        plan: (steps, 1, avatars), the actions of every world.
        repeats: rounds.
    """
    works = (stepping(batch, np.repeat(plan, n, axis=1)) for n, batch in batches.items())
    times = in_turns(min(repeats, 12), *works)
    for batch in batches.values():
        batch.close()
    return [
        statistics.median(taken) / n / len(plan) * 1e6
        for n, taken in zip(batches, times, strict=True)
    ]


def bare_costs(counts: tuple[int, ...], plan: np.ndarray, chunks: int = 5) -> list[float]:
    """What `stepSimulation` alone costs a world in so many worlds, microseconds.

    Args:
        counts: how many worlds.
        plan: (steps, 1, avatars), the actions in every world.
        chunks: how often they are played; the first time warms up.
    """
    steps = len(plan)
    recording = record(RING, 1, np.tile(plan, (chunks, 1, 1)), steps)
    players = [recording.player(n) for n in counts]
    times: list[list[float]] = [[] for _ in counts]
    for chunk in range(chunks):
        for taken, player in zip(times, players, strict=True):
            taken.append(player.time_steps(chunk))
    for player in players:
        player.close()
    return [
        statistics.median(taken[1:]) / n / steps * 1e6
        for n, taken in zip(counts, times, strict=True)
    ]


def workers(repeats: int, worlds: int = 32, steps: int = 20) -> list[Measure]:
    """Two processes against one, with numbers and with pictures.

    The detail has what two processes reach on this machine that know nothing of one another.
    """
    # A worker does not know what this process alone has registered, so it is sent the spec.
    spec = registry.scenario(RING)
    actions = random_actions(worlds, steps).reshape(steps, worlds)
    measures = []
    for name, sensors, goal in (("state sensors", STATE, 1.6), ("rgb", ("rgb",), 1.75)):
        envs = [VectorEnv(spec, worlds, workers=k, sensors=sensors) for k in (1, 2)]
        for env in envs:
            env.reset(seed=0)
        one, two = in_turns(repeats, *(stepping(env, actions) for env in envs))
        for env in envs:
            env.close()
        what = f"workers=2 / one process, {name}"
        measure = compared(what, two, one, goal, count=worlds * steps)
        apart = f"{measure.detail}; strangers {_strangers(sensors, worlds // 2):.2f}"
        measures.append(replace(measure, detail=apart))
    return measures


def _strangers(sensors: tuple[str, ...], worlds: int) -> float:
    """How many times as many steps two processes make, each with its own worlds, as one does."""
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        work = partial(_rate, sensors, worlds)
        pool.map(work, range(2), chunksize=1)  # Compiled and warm.
        (alone,) = pool.map(work, range(1), chunksize=1)
        return sum(pool.map(work, range(2), chunksize=1)) / alone


def _rate(sensors: tuple[str, ...], worlds: int, seed: int, span: float = 3.0) -> float:
    """Steps a second of an environment, over some seconds."""
    env = VectorEnv(registry.scenario(RING), worlds, sensors=sensors)
    env.reset(seed=seed)
    step = stepping(env, random_actions(worlds, 20).reshape(20, worlds))
    step()
    began, count = time.perf_counter(), 0
    while (taken := time.perf_counter() - began) < span:
        step()
        count += 20
    env.close()
    return count / taken


def sb3(repeats: int, worlds: int = 16, steps: int = 20) -> list[Measure]:
    """The native SB3 VecEnv against DummyVecEnv over single environments."""
    from stable_baselines3.common.vec_env import DummyVecEnv

    from als_engine import sb3_vec_env

    native = sb3_vec_env(RING, worlds, observers=1, sensors=STATE)
    dummy = DummyVecEnv([lambda: gymnasium.make(RING, sensors=STATE) for _ in range(worlds)])
    native.reset()
    dummy.reset()
    actions = random_actions(worlds, steps).reshape(steps, worlds)
    ours, theirs = in_turns(repeats, stepping(native, actions), stepping(dummy, actions))
    native.close()
    dummy.close()
    name = "native SB3 VecEnv / DummyVecEnv of single envs, 16 worlds"
    return [compared(name, ours, theirs, 1.4, count=worlds * steps)]


def single(repeats: int, steps: int = 200) -> list[Measure]:
    """What the single environment adds to its own physics, in microseconds."""
    env: Any = gymnasium.make(RING, sensors=STATE).unwrapped
    env.reset(seed=0)
    physics: Any = env.simulation.moving.physics
    physics.step = watch = Stopwatch(physics.step)
    actions = random_actions(1, steps).reshape(-1)
    overheads = []
    for _ in range(repeats + 1):
        watch.spent = 0.0
        whole = seconds(lambda: [env.step(action) for action in actions])
        overheads.append((whole - watch.spent) / steps * 1e6)
    env.close()
    name = "single env, overhead over its own physics"
    return [Measure(name, statistics.median(overheads[1:]), 150.0, at_most=True, unit="µs")]


def _resident() -> float:
    """This process's resident memory, MiB."""
    with open("/proc/self/status", encoding="ascii") as status:
        line = next(line for line in status if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024
