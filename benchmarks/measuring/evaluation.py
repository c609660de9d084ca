"""Measures episodes of a benchmark, their verification and the sandbox, against stepping alone."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np

from measuring.timing import Measure, compared, in_turns
from measuring.worlds import STATE, random_actions


def evaluating(repeats: int, episodes: int = 64, worlds: int = 16) -> list[Measure]:
    """A benchmark's episodes with their log and hash chain against stepping alone, and replaying.

    The agent always does the same, so that all of its time goes to what is around it. Stepping
    alone makes as many world steps with the same actions in the native vector environment, and
    resets as many worlds.
    """
    from als_bench.running.playing import Setting, Stage, play, replay
    from als_engine.agents.agent import Agent
    from als_engine.agents.saving import spaces
    from als_engine.plugins.specs import SuiteEntry

    class Forward(Agent):
        def act(self, observation: Any, state: Any = None, deterministic: bool = True) -> Any:
            return actions, state

    actions = np.ones(worlds, np.int64)
    entry = SuiteEntry("ALS/Tag-v0")
    given = {"sensors": list(STATE)}
    setting = Setting(entry, given, "test", bytes(32), num_worlds=worlds)
    agent = Forward(*spaces(entry.scenario, given))
    env = gymnasium.make_vec(entry.scenario, num_envs=worlds, split="test", **given)
    with Stage() as stage, Stage() as other:
        chunk = play(agent, setting, range(episodes), stage=stage)
        steps = len(chunk.chain)

        def step() -> None:
            env.reset(seed=0)
            for _ in range(steps // worlds):
                env.step(actions)

        def evaluate() -> None:
            play(agent, setting, range(episodes), stage=stage)

        def verify() -> None:
            assert not replay(setting, chunk, stage=other)

        alone, evaluated, verified = in_turns(max(5, repeats // 3), step, evaluate, verify)
    env.close()
    name = "evaluation with log and hash chain / bare vector env, 16 worlds"
    return [
        compared(name, evaluated, alone, 0.8, steps),
        compared("verification by replay / the recording", verified, evaluated, 1.0, steps),
    ]


def sandboxed(repeats: int, worlds: int = 16, steps: int = 100) -> list[Measure]:
    """An agent in the sandbox, asked for its actions at every step, against stepping alone.

    The agent draws them at random; stepping alone knows them beforehand.
    """
    from als_bench.sandbox.agent import SandboxedAgent

    arguments = {"sensors": list(STATE)}
    env = gymnasium.make_vec("ALS/Tag-v0", num_envs=worlds, **arguments)
    plan = random_actions(worlds, steps)
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
    name = "an agent in the sandbox / stepping alone, entities, 16 worlds"
    return [compared(name, played, alone, 0.8, count=worlds * steps)]
