"""Monte Carlo tree search over snapshots of the simulation: `python benchmarks/tree_search.py`.

The tree is of actions, each kept for some steps (Kocsis, Szepesvári 2006). Many worlds go down it
at once: all are restored to the moment at hand, each plays the course that the tree and chance have
chosen for it, and what it earned goes back up. It knows the true future, also what others will do:
an upper line for whoever plans with a model, which no agent can reach by the same means.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from als_engine.envs.single import SingleEnv
from als_engine.seeding import spread

BLOCK, DEPTH = 4, 5  # Steps that an action is kept for; actions down to a leaf.
WORLDS, ROUNDS = 16, 4  # That go down at once; how often, for each action.
EXPLORES = 0.7


@dataclass
class Node:
    """A course of actions so far.

    Attributes:
        visits: how often it was gone through. total: what was earned from it on, in all.
        after: the courses that go on from it, by action.
    """

    visits: int = 0
    total: float = 0.0
    after: dict[int, Node] = field(default_factory=dict)


class TreeSearch:
    """Chooses the actions of a single environment in forks of its world."""

    def __init__(self, env: SingleEnv, actions: list[int], seed: int) -> None:
        """`env` has been reset; it is never stepped by the search."""
        self.env, self.actions, self.steps = env, actions, 0
        self.rng = np.random.default_rng(seed)
        self.worlds = env.simulation.fork(WORLDS)
        self.low, self.high = math.inf, -math.inf

    def choose(self) -> int:
        """The action that was gone through most often."""
        moment, root = self.env.snapshot().select([0] * WORLDS), Node()
        for _ in range(ROUNDS):
            courses = [self._course(root) for _ in range(WORLDS)]
            earned = self._earned(moment, np.array(courses))
            for course, rewards in zip(courses, earned, strict=True):
                self._tell(root, course, rewards)
        return max(root.after, key=lambda action: root.after[action].visits)

    def close(self) -> None:
        """Frees the forks."""
        self.worlds.close()

    def _course(self, root: Node) -> list[int]:
        """Down the tree by upper confidence bounds, on from its rim by chance."""
        node, course = root, list[int]()
        node.visits += 1
        while len(course) < DEPTH:
            left = [action for action in self.actions if action not in node.after]
            if left:
                action = int(self.rng.choice(left))
                node.after[action] = Node(visits=1)
                rest = self.rng.choice(self.actions, DEPTH - len(course) - 1)
                return [*course, action, *map(int, rest)]
            parent = node.visits
            action = max(node.after, key=lambda a: self._bound(node.after[a], parent))
            course.append(action)
            node = node.after[action]
            # Counted before it is played, so that the other worlds go elsewhere.
            node.visits += 1
        return course

    def _bound(self, node: Node, parent: int) -> float:
        reach = max(self.high - self.low, 1e-6)
        mean = (node.total / node.visits - self.low) / reach if self.high >= self.low else 0.0
        return mean + EXPLORES * math.sqrt(math.log(parent) / node.visits)

    def _earned(self, moment: Any, courses: Any) -> Any:
        """What each course earns in each of its blocks, (worlds, blocks)."""
        self.worlds.restore(moment)
        earned, running = np.zeros(courses.shape), np.ones(WORLDS, bool)
        for step in range(BLOCK * DEPTH):
            self.worlds.advance(courses[:, step // BLOCK, None])
            earned[:, step // BLOCK] += self.worlds.rewards[:, 0] * running
            self.steps += int(running.sum())
            running &= ~(self.worlds.terminated | self.worlds.truncated)
            if not running.any():
                break
        return earned

    def _tell(self, root: Node, course: list[int], earned: Any) -> None:
        """Adds to each node on the way what came from it on."""
        node, later = root, np.cumsum(earned[::-1])[::-1]
        for action, value in zip(course, later.tolist(), strict=True):
            if action not in node.after:
                return
            node = node.after[action]
            node.total += value
            self.low, self.high = min(self.low, value), max(self.high, value)


def play(scenario: str, seed: int, actions: list[int], **arguments: Any) -> tuple[bool, float, int]:
    """An episode of the test split; success, return, and how many steps were tried out."""
    env = SingleEnv(scenario, split="test", **arguments)
    env.reset(seed=seed)
    search, total, ended = TreeSearch(env, actions, seed), 0.0, False
    while not ended:
        action = search.choose()
        for _ in range(BLOCK):
            _, reward, terminated, truncated, info = env.step(action)
            total, ended = total + reward, terminated or truncated
            if ended:
                break
    env.close()
    search.close()
    return bool(info["success"]), float(total), search.steps


def main() -> None:
    """Plays some episodes of Tag."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--episodes", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    for number in range(asked.episodes):
        seed = spread("evaluation", asked.seed, number)
        success, earned, steps = play(
            "ALS/Tag-v0", seed, [0, 1, 3, 4, 5, 6], sensors=["proprioception"]
        )
        print(f"success {success}  return {earned:.2f}  tried {steps:,} steps", flush=True)


if __name__ == "__main__":
    main()
