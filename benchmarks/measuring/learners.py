"""Measures whole trainings: `mappo` against others, and imitation against its network alone."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from measuring.timing import Measure, Stopwatch, compared, in_turns, micro, seconds

TAG_ID = "ALS/Tag-v0"
LEARNER: dict[str, Any] = {
    "learning_rate": 1e-3, "gamma": 0.97, "batch_size": 512, "n_epochs": 4, "net_arch": [128, 128],
}  # fmt: skip
"""For PPO of every make: the defaults of `mappo`."""
ROWS, STEPS = 32, 4_096
TAG: dict[str, Any] = {"num_avatars": 2, "role": "chaser", "action_mode": "continuous"}


def learners(repeats: int) -> list[Measure]:
    """Whole trainings of `mappo` against Stable-Baselines3's PPO, alone and under our `ppo`.

    All have the same worlds, rollouts, batches and passes, and so as many updates. Beside them is
    what the worlds alone take for as many steps: on Bullet, without overlap, no learner is faster.
    """
    state = {**TAG, "sensors": ["entities", "proprioception"]}
    pictures = {**TAG, "sensors": ["rgb", "proprioception"], "frame_size": 32}
    rounds = max(3, repeats // 6)
    return [
        *_against_sb3("state sensors", state, "mlp", 4 * STEPS, rounds),
        *_against_sb3("rgb and attention-cnn", pictures, "attention-cnn", 512, max(2, rounds // 2)),
    ]


def _against_sb3(
    name: str, arguments: dict[str, Any], encoder: str, steps: int, rounds: int
) -> list[Measure]:
    """Three trainings in turns; with pictures SB3's own network is another, and is left out."""
    config = {**LEARNER, "encoder": encoder, "rollout": min(steps, STEPS)}
    config["batch_size"] = min(512, steps // 2)
    ours = partial(_train, "mappo", arguments, config, steps)
    fast = partial(
        _train, "mappo", {**arguments, "physics": "mujoco"}, {**config, "overlap": True}, steps
    )
    under = partial(_train, "ppo", arguments, config, steps)
    works = [ours, fast, under]
    if encoder == "mlp":
        works += [partial(_train_sb3, arguments, config, steps), partial(_play, arguments, steps)]
    times = in_turns(rounds, *works)
    found = [
        compared(f"training of mappo / of ppo, {name}", times[0], times[2], 2.0, steps, "step"),
        compared(
            f"training of mappo on MuJoCo, overlapping / of ppo on Bullet, {name}",
            times[1], times[2], 3.0 if encoder == "mlp" else 2.0, steps, "step",
        ),
    ]  # fmt: skip
    if encoder == "mlp":
        plain = f"training of mappo / of SB3's PPO alone, {name}"
        against = compared(plain, times[0], times[3], 2.0, steps, "step")
        worlds = f"{against.detail}; the worlds alone {micro(times[4], steps)}"
        found.insert(0, replace(against, detail=worlds))
    return found


def _train(agent: str, arguments: dict[str, Any], config: dict[str, Any], steps: int) -> None:
    from als_engine import Rows
    from als_engine.agents.agent import Training
    from als_engine.agents.saving import make_agent

    rows = Rows(TAG_ID, ROWS, observers=1, **arguments)
    learner: Any = make_agent(agent, TAG_ID, arguments, config)
    learner.learn(rows, Training(steps=steps))
    rows.close()


def _play(arguments: dict[str, Any], steps: int) -> None:
    from als_engine import Rows

    rows = Rows(TAG_ID, ROWS, observers=1, **arguments)
    rows.seed(0)
    rows.reset()
    shape = (ROWS, *(rows.action_space.shape or ()))
    actions = np.random.default_rng(0).uniform(-1.0, 1.0, shape).astype(np.float32)
    for _ in range(steps // ROWS):
        rows.step(actions)
    rows.close()


def _train_sb3(arguments: dict[str, Any], config: dict[str, Any], steps: int) -> None:
    from stable_baselines3 import PPO

    from als_engine import sb3_vec_env

    env = sb3_vec_env(TAG_ID, ROWS, observers=1, seed=0, **arguments)
    names = ("learning_rate", "gamma", "batch_size", "n_epochs")
    model = PPO(
        "MultiInputPolicy",
        env,
        n_steps=config["rollout"] // ROWS,
        policy_kwargs={"net_arch": config["net_arch"]},
        device="cpu",
        **{name: config[name] for name in names},
    )
    model.learn(steps)
    env.close()


def overlapping(repeats: int) -> list[Measure]:
    """How much of the shorter of playing and updating `overlap` hides behind the other.

    On MuJoCo: Bullet lets no other thread of Python run.
    """
    from als_plugins.mappo.collecting import Collector

    arguments = {**TAG, "sensors": ["entities", "proprioception"], "physics": "mujoco"}
    config = {**LEARNER, "encoder": "mlp", "rollout": STEPS, "n_epochs": 2}
    steps = 6 * STEPS
    played = 0.0

    def alone() -> None:
        nonlocal played
        with watching(Collector, "collect") as watch:
            _train("mappo", arguments, config, steps)
        played = watch.spent

    hidden, shown = [], []
    overlap = partial(_train, "mappo", arguments, {**config, "overlap": True}, steps)
    for work in (alone, overlap):
        work()
    for _ in range(max(3, repeats // 6)):
        one = seconds(alone)
        two = seconds(overlap)
        # The first rollout and the last update have nothing beside them.
        part = 1.0 - STEPS / steps
        shorter = part * min(played, one - played)
        hidden.append((one - two) / shorter)
        shown.append((played, one - played, two))
    playing, updating, both = map(statistics.median, zip(*shown, strict=True))
    return [
        Measure(
            "part of playing or updating, whichever is shorter, that overlap hides",
            statistics.median(hidden),
            0.7,
            detail=f"{playing:.2f} s of playing, {updating:.2f} s of updating; {both:.2f} s in all",
        )
    ]


@contextmanager
def watching(kind: type, name: str) -> Iterator[Stopwatch]:
    """Inside, the time that a method takes is added up, in all objects of a class."""
    method = getattr(kind, name)
    watch = Stopwatch(method)
    setattr(kind, name, lambda *given: watch(*given))
    try:
        yield watch
    finally:
        setattr(kind, name, method)


def imitating(repeats: int, steps: int = 8_192) -> list[Measure]:
    """The part of the time of `als imitate` in Vocabulary that its gradient steps take."""
    from als_plugins.imitation.imitate import imitate
    from als_plugins.imitation.imitation import Imitation

    arguments = {"sensors": ["entities", "text", "proprioception"], "action_mode": "continuous"}
    config = {"encoder": "attention", "passes": 8.0}
    shares, whole = [], []
    for seed in range(max(2, repeats // 10)):
        work = partial(
            imitate, "ALS/Vocabulary-v0", steps=steps, seed=seed, arguments=arguments,
            config=config,
        )  # fmt: skip
        with watching(Imitation, "_update") as watch:
            whole.append(seconds(work))
        shares.append(watch.spent / whole[-1])
    return [
        Measure(
            "share of gradient steps in the time of als imitate, attention",
            statistics.median(shares),
            0.8,
            detail=f"{micro(whole, steps)} a demonstrated step",
        )
    ]
