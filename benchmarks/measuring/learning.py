"""Measures training, pretraining and collecting, against the parts that they cannot do without."""

from __future__ import annotations

import itertools
import statistics
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode

from als_engine.envs.batch import Batch
from als_engine.simulation import simulate
from measuring.timing import Measure, Stopwatch, compared, in_turns, median_ratio, micro, seconds


def training_share(repeats: int, steps: int = 256) -> list[Measure]:
    """The share of PPO's time that the environment takes, with pictures and attention."""
    from als_engine import Rows
    from als_engine.agents.agent import Training
    from als_engine.agents.saving import make_agent

    arguments = {"sensors": ["rgb", "proprioception"]}
    config = {"encoder": "attention", "rollout": steps, "batch_size": 64}
    shares, stepped, whole = [], [], []
    for seed in range(max(2, repeats // 10)):
        rows: Any = Rows("ALS/Classroom-v0", 16, observers=1, **arguments)
        rows.step = watch = Stopwatch(rows.step)
        agent: Any = make_agent("ppo", "ALS/Classroom-v0", arguments, config)
        taken = seconds(partial(agent.learn, rows, Training(steps=2 * steps, seed=seed)))
        rows.close()
        shares.append(watch.spent / taken)
        stepped.append(watch.spent)
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


def collecting(repeats: int, episodes: int = 96, steps: int = 80) -> list[Measure]:
    """Collecting a dataset with `rgb`, on the disk in Minari's format, against stepping alone.

    Both make 16 worlds and run as many random episodes of the same levels in them; stepping alone
    knows the actions beforehand and keeps nothing.
    """
    from als_engine.agents.saving import spaces
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
    name = "pretraining from disk / bare forward and backward"
    return [compared(name, times, bare_times, 0.85, batch, each="sample")]
