"""A planner on forked worlds against PPO with as many steps: `python benchmarks/planning.py`.

The planner tries sequences of actions out in worlds that are restored to the moment at hand, and
takes the beginning of what went best (the cross-entropy method, Rubinstein 1999). It learns
nothing; PPO gets as many environment steps for its training as the planner has tried out in all.
"""

from __future__ import annotations

import argparse

import numpy as np
from trainings import whole

from als_engine.envs.single import SingleEnv
from als_engine.seeding import spread

SCENARIO = "ALS/Tag-v0"
BLOCK, BLOCKS = 4, 5  # Steps that an action is kept for; actions that are planned ahead.
SEQUENCES, ROUNDS, ELITE = 24, 2, 4
ACTIONS = np.array([0, 1, 3, 4, 5, 6])  # Stay, walk, step aside, turn.


# --8<-- [start:planner]
class Planner:
    """Plans the actions of a single environment in forks of its world."""

    def __init__(self, env: SingleEnv, seed: int) -> None:
        """`env` has been reset; it is never stepped by the planner."""
        self.env, self.rng, self.steps = env, np.random.default_rng(seed), 0
        self.worlds = env.simulation.fork(SEQUENCES)
        self.chances = np.ones((BLOCKS, len(ACTIONS))) / len(ACTIONS)

    def plan(self) -> int:
        """The action that the best sequences begin with."""
        moment = self.env.snapshot().select([0] * SEQUENCES)
        self.chances = np.roll(self.chances, -1, axis=0)  # What was planned for later.
        self.chances[-1] = 1 / len(ACTIONS)
        for _ in range(ROUNDS):
            chances = 0.7 * self.chances + 0.3 / len(ACTIONS)
            drawn = [self.rng.choice(len(ACTIONS), SEQUENCES, p=each) for each in chances]
            chosen = np.transpose(drawn)
            best = np.argsort(-self.outcomes(moment, chosen), kind="stable")[:ELITE]
            self.chances = (chosen[best][..., None] == np.arange(len(ACTIONS))).mean(axis=0)
        return int(ACTIONS[chosen[best[0], 0]])

    def outcomes(self, moment, chosen):
        """The return of each sequence from a moment on, up to the episode's end."""
        self.worlds.restore(moment)
        total, running = np.zeros(SEQUENCES), np.ones(SEQUENCES, bool)
        for step in range(BLOCK * BLOCKS):
            self.worlds.advance(ACTIONS[chosen[:, step // BLOCK], None])
            total += self.worlds.rewards[:, 0] * running
            self.steps += int(running.sum())
            running &= ~(self.worlds.terminated | self.worlds.truncated)
        return total


def play(seed: int, limit: int | None = None) -> tuple[bool, float, int]:
    """An episode of the test split; success, return, and how many steps were tried out."""
    env = SingleEnv(SCENARIO, sensors=["proprioception"], split="test", max_episode_steps=limit)
    env.reset(seed=seed)
    planner, total, ended = Planner(env, seed), 0.0, False
    while not ended:
        action = planner.plan()
        for _ in range(BLOCK):
            _, reward, terminated, truncated, info = env.step(action)
            total, ended = total + reward, terminated or truncated
            if ended:
                break
    env.close()
    planner.worlds.close()
    return info["success"], total, planner.steps


# --8<-- [end:planner]


def main() -> None:
    """Plays the planner, trains PPO for as many steps, and evaluates it on the same episodes."""
    from learning import RUNS

    from als_engine.agents.training import train_agent
    from als_engine.evaluation.protocol import evaluate, reference

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--episodes", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    seeds = [spread("evaluation", asked.seed, i) for i in range(asked.episodes)]
    success, returns, tried = (np.array(each) for each in zip(*map(play, seeds), strict=True))
    steps, run = int(tried.sum()), RUNS["tag"]
    print(
        f"planner  success {success.mean():.2f}  return {returns.mean():.2f}  tried {steps:,} steps"
    )
    trained = train_agent(
        SCENARIO, "ppo", steps=steps, seed=asked.seed, arguments=run.arguments, config=run.config
    )
    record = whole(trained, steps).record
    ours = evaluate(
        trained.agent, SCENARIO, asked.episodes, seed=asked.seed, arguments=record.arguments,
        observers=record.observers,
    )  # fmt: skip
    for name, found in (("ppo", ours), ("random", reference(ours).random)):
        value, mean = found.success.value, found.mean_return.value
        print(f"{name:8} success {value:.2f}  return {mean:.2f}")


if __name__ == "__main__":
    main()
