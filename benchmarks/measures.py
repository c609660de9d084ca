"""What `throughput.py` measures: ratios of two things timed in turns, in one run."""

from __future__ import annotations

import gc
import itertools
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pybullet
import scene  # noqa: F401 - registers Bench/Ring-v0 and Bench/Procedural-v0
from gymnasium.vector import AutoresetMode
from hand_written import HandWritten, simulate_by_hand
from replay import Recording, record

from als_engine.envs.batch import Batch
from als_engine.envs.vector import VectorEnv
from als_engine.physics.base import Physics
from als_engine.registry import registry
from als_engine.sensors.base import Setup
from als_engine.sensors.camera import Camera
from als_engine.simulation import Simulation, simulate

RING, PROCEDURAL = "Bench/Ring-v0", "Bench/Procedural-v0"
STATE = ("proprioception", "entities")


@dataclass(frozen=True)
class Measure:
    """One line of the table.

    Attributes:
        name: what is compared with what.
        ratio: the measured figure; a ratio unless `unit` says otherwise.
        goal: what it has to reach.
        at_most: the goal is an upper bound, not a lower one.
        detail: the absolute times behind it, on this machine.
        unit: empty for a ratio.
    """

    name: str
    ratio: float
    goal: float
    at_most: bool = False
    detail: str = ""
    unit: str = ""

    @property
    def holds(self) -> bool:
        """Whether the goal is reached."""
        return self.ratio <= self.goal if self.at_most else self.ratio >= self.goal


def seconds(work: Callable[[], Any]) -> float:
    """How long one call takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def in_turns(repeats: int, *works: Callable[[], Any]) -> list[list[float]]:
    """Times several things in turns, so that a change of the machine's speed hits all alike."""
    times: list[list[float]] = [[] for _ in works]
    for work in works:
        work()
    for _ in range(repeats):
        for taken, work in zip(times, works, strict=True):
            taken.append(seconds(work))
    return times


def median_ratio(top: list[float], bottom: list[float]) -> float:
    """The median of the pairwise ratios."""
    return statistics.median(a / b for a, b in zip(top, bottom, strict=True))


def micro(times: list[float], count: int) -> str:
    """The median time of one of `count`, in microseconds."""
    return f"{statistics.median(times) / count * 1e6:.1f} µs"


def vector_against_bullet(repeats: int, worlds: int = 16, steps: int = 25) -> list[Measure]:
    """The vector environment against its own Bullet calls, and against bare `stepSimulation`.

    The loop is written in Python over the pybullet module: set the forces, step, read poses and
    contacts. Its calls are recorded in a first run and made again, call by call, in worlds that
    were built alike, so all three see the same states.
    """
    actions = _actions(worlds, (repeats + 1) * steps)
    recording: Recording = record(RING, worlds, actions[..., None], steps)
    env = gymnasium.make_vec(RING, num_envs=worlds, sensors=STATE)
    env.reset(seed=0)
    loop, bare = recording.player(), recording.player()
    plan = iter(actions.reshape(-1, steps, worlds))
    # A hundred thousand recorded calls: the collector must not walk them while we measure.
    gc.collect()
    gc.freeze()

    def step_env() -> None:
        for action in next(plan):
            env.step(action)

    times: list[list[float]] = [[], [], []]
    for chunk in range(repeats + 1):
        taken = (seconds(step_env), seconds(partial(loop.play, chunk)), bare.time_steps(chunk))
        if chunk:  # The first one warms up.
            for column, value in zip(times, taken, strict=True):
                column.append(value)
    env.close()
    loop.close()
    bare.close()
    gc.unfreeze()
    ours, calls, physics = times
    count = worlds * steps
    return [
        Measure(
            "vector env / the same Bullet calls in a loop",
            median_ratio(calls, ours),
            0.85,
            detail=f"{micro(ours, count)} and {micro(calls, count)} a world step",
        ),
        Measure(
            "vector env / bare stepSimulation",
            median_ratio(physics, ours),
            0.65,
            detail=f"{micro(ours, count)} and {micro(physics, count)} a world step",
        ),
    ]


def camera_against_tiny_renderer(repeats: int) -> list[Measure]:
    """One 64 x 64 picture with colour, depth and kinds, of the same scene."""
    simulation = _stepped(RING, worlds=1, sensors=())
    setup = Setup(num_worlds=1, num_avatars=4, observers=4)
    camera = Camera(setup, ("rgb", "depth", "semantic"))
    out = {
        key: np.zeros((1, 4, *(space.shape or ())), space.dtype)
        for key, space in camera.spaces().items()
    }
    ours, tiny = in_turns(
        repeats,
        lambda: [camera.read(simulation.state, out) for _ in range(25)],
        lambda: draw_with_tiny_renderer(simulation),
    )
    simulation.close()
    return [
        Measure(
            "camera / TinyRenderer, 64 x 64",
            median_ratio(tiny, ours) * 25,
            25.0,
            detail=f"{micro(ours, 100)} and {micro(tiny, 4)} a picture",
        )
    ]


def draw_with_tiny_renderer(simulation: Simulation) -> None:
    """Draws what every avatar sees with PyBullet's own software renderer."""
    avatars = simulation.state.avatars
    physics: Any = simulation._physics
    for world, client in enumerate(physics.clients):
        for avatar in range(simulation.num_avatars):
            eye = avatars.position[world, avatar] + (0.0, 0.0, 1.55)
            heading = avatars.heading[world, avatar]
            eye = eye + 0.3 * np.array([np.cos(heading), np.sin(heading), 0.0])
            ahead = eye + np.array([np.cos(heading), np.sin(heading), -0.14])
            pybullet.getCameraImage(
                64,
                64,
                pybullet.computeViewMatrix(eye.tolist(), ahead.tolist(), (0, 0, 1)),
                pybullet.computeProjectionMatrixFOV(90, 1.0, 0.05, 20.0),
                renderer=pybullet.ER_TINY_RENDERER,
                physicsClientId=client,
            )


def pixels_env(repeats: int, steps: int = 5) -> list[Measure]:
    """The whole environment with `rgb` for 4 avatars, against the same drawn by TinyRenderer."""
    ours = _batch(RING, 4, ("proprioception", "rgb"))
    theirs = _batch(RING, 4, ("proprioception",), make=simulate_by_hand)
    rng = np.random.default_rng(0)

    def step(batch: Batch, tiny: bool) -> None:
        for _ in range(steps):
            batch.step(rng.integers(0, 7, (4, 4)))
            if tiny:
                draw_with_tiny_renderer(batch.simulation)

    fast, slow = in_turns(repeats, lambda: step(ours, False), lambda: step(theirs, True))
    ours.close()
    theirs.close()
    return [
        Measure(
            "env with rgb for 4 avatars / drawn with TinyRenderer",
            median_ratio(slow, fast),
            10.0,
            detail=f"{micro(fast, 4 * steps)} and {micro(slow, 4 * steps)} a world step",
        )
    ]


def resets(repeats: int) -> list[Measure]:
    """A procedural reset against `resetSimulation` and the same bodies made by hand in Python."""
    simulation = simulate(PROCEDURAL, 1, sensors=STATE)
    simulation.reset([0])
    physics: Any = simulation._physics
    by_hand = HandWritten(1)

    def reset() -> None:
        for _ in range(5):
            simulation.reset()
            simulation.observe()

    def build(physics: Physics) -> None:
        for _ in range(5):
            physics.build(0, simulation.state)

    ours, bodies, inside = in_turns(
        repeats, reset, partial(build, by_hand), partial(build, physics)
    )
    simulation.close()
    by_hand.close()
    return [
        Measure(
            "reset of a procedural world / building its bodies",
            median_ratio(ours, bodies),
            1.3,
            at_most=True,
            detail=f"{micro(ours, 5)} and {micro(bodies, 5)}; {micro(inside, 5)} with our kernel",
        )
    ]


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
        batches[n] = _batch(RING, n, STATE, seed_step=0)
    per_world = (_resident() - before) / counts[-1]
    plan = np.random.default_rng(0).integers(0, 7, (steps, 1, 4))

    def run(n: int) -> Callable[[], None]:
        actions = np.repeat(plan, n, axis=1)

        def step() -> None:
            for action in actions:
                batches[n].step(action)

        return step

    times = in_turns(min(repeats, 12), *(run(n) for n in counts))
    costs = [
        statistics.median(taken) / n / steps * 1e6 for n, taken in zip(counts, times, strict=True)
    ]
    for batch in batches.values():
        batch.close()
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
    """Two processes against one."""
    # A worker does not know what this process alone has registered, so it is sent the spec.
    spec = registry.scenario(RING)
    envs = [VectorEnv(spec, worlds, workers=k, sensors=STATE) for k in (1, 2)]
    for env in envs:
        env.reset(seed=0)
    actions = _actions(worlds, steps).reshape(steps, worlds)

    def run(env: Any) -> Callable[[], None]:
        def step() -> None:
            for action in actions:
                env.step(action)

        return step

    one, two = in_turns(repeats, run(envs[0]), run(envs[1]))
    for env in envs:
        env.close()
    return [
        Measure(
            "workers=2 / one process",
            median_ratio(one, two),
            1.7,
            detail=f"{micro(two, worlds * steps)} and {micro(one, worlds * steps)} a world step",
        )
    ]


def sb3(repeats: int, worlds: int = 16, steps: int = 20) -> list[Measure]:
    """The native SB3 VecEnv against DummyVecEnv over single environments."""
    from stable_baselines3.common.vec_env import DummyVecEnv

    from als_engine import sb3_vec_env

    native = sb3_vec_env(RING, worlds, observers=1, sensors=STATE)
    dummy = DummyVecEnv([lambda: gymnasium.make(RING, sensors=STATE) for _ in range(worlds)])
    native.reset()
    dummy.reset()
    actions = _actions(worlds, steps).reshape(steps, worlds)

    def run(env: Any) -> Callable[[], None]:
        def step() -> None:
            for action in actions:
                env.step(action)

        return step

    ours, theirs = in_turns(repeats, run(native), run(dummy))
    count = worlds * steps
    native.close()
    dummy.close()
    return [
        Measure(
            "native SB3 VecEnv / DummyVecEnv of single envs, 16 worlds",
            median_ratio(theirs, ours),
            1.4,
            detail=f"{micro(ours, count)} and {micro(theirs, count)} a world step",
        )
    ]


def single(repeats: int, steps: int = 200) -> list[Measure]:
    """What the single environment adds to its own physics, in microseconds."""
    env: Any = gymnasium.make(RING, sensors=STATE).unwrapped
    env.reset(seed=0)
    physics: Any = env.simulation._physics
    spent = [0.0]
    step_physics = physics.step

    def timed(*arguments: Any) -> None:
        start = time.perf_counter()
        step_physics(*arguments)
        spent[0] += time.perf_counter() - start

    physics.step = timed
    actions = _actions(1, steps).reshape(-1)
    overheads = []
    for _ in range(repeats + 1):
        spent[0] = 0.0
        whole = seconds(lambda: [env.step(action) for action in actions])
        overheads.append((whole - spent[0]) / steps * 1e6)
    env.close()
    return [
        Measure(
            "single env, overhead over its own physics",
            statistics.median(overheads[1:]),
            150.0,
            at_most=True,
            unit="µs",
        )
    ]


def pretraining(repeats: int, batch: int = 64) -> list[Measure]:
    """Pretraining from disk against forward and backward of the same network, in memory."""
    from als_plugins.experience.collect import collect
    from als_plugins.experience.dataset import open_experience
    from als_plugins.pretraining.job import Job
    from als_plugins.pretraining.trainer import Trainer

    with tempfile.TemporaryDirectory() as folder:
        arguments = {"frame_size": 32, "sensors": ["rgb", "text", "audio", "proprioception"]}
        dataset = f"{folder}/dataset"
        collect("ALS/Classroom-v0", dataset, episodes=16, arguments=arguments)
        job = Job(dataset=dataset, steps=10_000, batch=batch, device="cpu")
        trainer = Trainer(job, open_experience(dataset))
        clips = trainer.clips()
        latest = next(clips)

        def bare() -> None:
            trainer.optimizer.zero_grad(set_to_none=True)
            trainer.network.loss(latest, job.objectives)[0].backward()

        def step() -> None:
            # Both see the same batches: how long a text is makes a difference.
            nonlocal latest
            latest = next(clips)
            trainer.step(latest)

        times, bare_times = in_turns(repeats, step, bare)
        clips.close()
    return [
        Measure(
            "pretraining from disk / bare forward and backward",
            median_ratio(bare_times, times),
            0.85,
            detail=f"{micro(times, batch)} and {micro(bare_times, batch)} a sample",
        )
    ]


def collecting(repeats: int, episodes: int = 96, steps: int = 80) -> list[Measure]:
    """Collecting a dataset with `rgb`, on the disk in Minari's format, against stepping alone.

    Both make 16 worlds and run as many random episodes of the same levels in them; stepping alone
    knows the actions beforehand and keeps nothing.
    """
    from als_engine.saving import spaces
    from als_plugins.experience.collect import collect

    arguments = {"max_episode_steps": steps}
    names = ("ALS/Classroom-v0", 16, 1)
    actions: Any = spaces(names[0], arguments)[1]
    plan = np.random.default_rng(0).integers(0, actions.n, (episodes * steps // 16, 16, 1))

    def step() -> None:
        batch = Batch(simulate(*names, **arguments), AutoresetMode.DISABLED)
        ended, begun = np.ones(16, np.bool_), 0
        for action in plan:
            if ended.any():
                seeds = [begun + int(i) for i in np.cumsum(ended) - 1]
                batch.reset(seeds, ended)
                begun += int(ended.sum())
            batch.step(action)
            ended = batch.terminated | batch.truncated
        batch.close()

    with tempfile.TemporaryDirectory() as parent:
        folders = (Path(parent) / str(i) for i in itertools.count())
        taken = [0]

        def keep() -> None:
            found = collect(names[0], next(folders), episodes=episodes, arguments=arguments)
            taken[0] = found.source.steps

        alone, kept = in_turns(max(3, repeats // 6), step, keep)
    # Some episodes end before the time limit: what is compared is the time of one world step.
    stepped = episodes * steps
    rates = [taken[0] / time for time in kept], [stepped / time for time in alone]
    return [
        Measure(
            "collecting with rgb to disk / stepping alone",
            median_ratio(*rates),
            0.7,
            detail=f"{micro(kept, taken[0])} and {micro(alone, stepped)} a world step",
        )
    ]


def evaluating(repeats: int, episodes: int = 64, worlds: int = 16) -> list[Measure]:
    """A benchmark's episodes with their log and hash chain against stepping alone, and replaying.

    The agent always does the same, so that all of its time goes to what is around it. Stepping
    alone makes as many world steps with the same actions in the native vector environment, and
    resets as many worlds.
    """
    from als_engine.agent import Agent
    from als_engine.benchmark.playing import Stage, play, replay
    from als_engine.saving import spaces
    from als_engine.specs import SuiteEntry

    class Forward(Agent):
        def act(self, observation: Any, state: Any = None, deterministic: bool = True) -> Any:
            return actions, state

    actions = np.ones(worlds, np.int64)
    entry = SuiteEntry("ALS/Tag-v0")
    given = {"sensors": list(STATE)}
    how: Any = {"split": "test", "arguments": given, "origin": bytes(32), "num_worlds": worlds}
    agent = Forward(*spaces(entry.scenario, given))
    env = gymnasium.make_vec(entry.scenario, num_envs=worlds, split="test", **given)
    with Stage() as stage, Stage() as other:
        chunk = play(agent, entry, range(episodes), stage=stage, **how)
        steps = len(chunk.chain)

        def step() -> None:
            env.reset(seed=0)
            for _ in range(steps // worlds):
                env.step(actions)

        def evaluate() -> None:
            play(agent, entry, range(episodes), stage=stage, **how)

        def verify() -> None:
            assert not replay(entry, chunk, stage=other, **how)

        alone, evaluated, verified = in_turns(max(5, repeats // 3), step, evaluate, verify)
    env.close()
    return [
        Measure(
            "evaluation with log and hash chain / bare vector env, 16 worlds",
            median_ratio(alone, evaluated),
            0.8,
            detail=f"{micro(evaluated, steps)} and {micro(alone, steps)} a world step",
        ),
        Measure(
            "verification by replay / the recording",
            median_ratio(evaluated, verified),
            1.0,
            detail=f"{micro(verified, steps)} and {micro(evaluated, steps)} a world step",
        ),
    ]


def sandboxed(repeats: int, worlds: int = 16, steps: int = 100) -> list[Measure]:
    """An agent in the sandbox, asked for its actions at every step, against stepping alone.

    The agent draws them at random; stepping alone knows them beforehand.
    """
    from als_engine.benchmark.sandbox.agent import SandboxedAgent

    arguments = {"sensors": list(STATE)}
    env = gymnasium.make_vec("ALS/Tag-v0", num_envs=worlds, **arguments)
    plan = _actions(worlds, steps)
    seen = [env.reset(seed=0)[0]]

    def step() -> None:
        for actions in plan:
            seen[0] = env.step(actions)[0]

    with SandboxedAgent(None, "random", "ALS/Tag-v0", arguments) as agent:
        states: list[Any] = [None]

        def play() -> None:
            for _ in range(steps):
                actions, states[0] = agent.act(seen[0], states[0])
                seen[0] = env.step(actions)[0]

        alone, played = in_turns(repeats, step, play)
    env.close()
    return [
        Measure(
            "an agent in the sandbox / stepping alone, entities, 16 worlds",
            median_ratio(alone, played),
            0.8,
            detail=" and ".join(micro(t, worlds * steps) for t in (played, alone))
            + " a world step",
        )
    ]


def training_share(repeats: int, steps: int = 256) -> list[Measure]:
    """The share of PPO's time that the environment takes, with pictures and attention."""
    from als_engine import sb3_vec_env
    from als_engine.agent import Training
    from als_engine.saving import make_agent

    arguments = {"sensors": ["rgb", "proprioception"]}
    config = {"encoder": "attention", "rollout": steps, "batch_size": 64}
    shares, stepped, whole = [], [], []
    for seed in range(max(2, repeats // 10)):
        env: Any = sb3_vec_env("ALS/Classroom-v0", 16, observers=1, **arguments)
        spent, wait = [0.0], env.step_wait

        def timed(wait: Any = wait, spent: list[float] = spent) -> Any:
            start = time.perf_counter()
            result = wait()
            spent[0] += time.perf_counter() - start
            return result

        env.step_wait = timed
        agent: Any = make_agent("ppo", "ALS/Classroom-v0", arguments, config)
        taken = seconds(partial(agent.learn, env, Training(steps=2 * steps, seed=seed)))
        env.close()
        shares.append(spent[0] / taken)
        stepped.append(spent[0])
        whole.append(taken)
    return [
        Measure(
            "share of the environment in PPO's time, rgb and attention, 16 worlds",
            statistics.median(shares),
            0.15,
            at_most=True,
            detail=f"{micro(stepped, 2 * steps)} of {micro(whole, 2 * steps)} a step",
        )
    ]


def import_time(repeats: int) -> list[Measure]:
    """`import als_engine` in a fresh process, as Python itself times it."""
    program = (
        "import sys, time; start = time.perf_counter(); import als_engine; "
        "taken = time.perf_counter() - start; "
        "heavy = {'torch', 'pybullet', 'numba', 'pettingzoo'} & set(sys.modules); "
        "assert not heavy, heavy; print(taken)"
    )
    command = [sys.executable, "-c", program]
    times = [float(subprocess.check_output(command)) for _ in range(max(3, repeats // 4))]
    return [Measure("import als_engine", statistics.median(times), 0.4, at_most=True, unit="s")]


ALL = (
    vector_against_bullet,
    camera_against_tiny_renderer,
    pixels_env,
    resets,
    flatness,
    workers,
    sb3,
    single,
    training_share,
    collecting,
    evaluating,
    sandboxed,
    pretraining,
    import_time,
)


def _actions(worlds: int, steps: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 7, (steps, worlds))


def _batch(
    scenario: str,
    worlds: int,
    sensors: tuple[str, ...],
    seed_step: int = 1,
    make: Callable[..., Simulation] = simulate,
) -> Batch:
    batch = Batch(make(scenario, worlds, sensors=sensors), AutoresetMode.NEXT_STEP)
    batch.reset([world * seed_step for world in range(worlds)])
    return batch


def _stepped(scenario: str, worlds: int, sensors: tuple[str, ...]) -> Simulation:
    """A simulation after 30 random steps, whose worlds the pybullet module knows."""
    simulation = simulate_by_hand(scenario, worlds, sensors=sensors)
    simulation.reset(list(range(worlds)))
    rng = np.random.default_rng(0)
    for _ in range(30):
        simulation.step(rng.integers(0, 7, (worlds, simulation.observers)))
    return simulation


def _resident() -> float:
    """This process's resident memory, MiB."""
    with open("/proc/self/status", encoding="ascii") as status:
        line = next(line for line in status if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024
