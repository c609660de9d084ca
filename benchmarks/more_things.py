"""Does what was learnt carry over to more things than there were in training?

    python benchmarks/more_things.py                all that is missing, one after another
    python benchmarks/more_things.py tag --seeds 1  one scenario, one training with each encoder
    python benchmarks/more_things.py --table        prints what is in results/more_things

`mappo` is trained with each encoder from five seeds, then plays held-out test levels with as many
things as in training, and with more. Both encoders have the same hyperparameters, the learner's
defaults; nothing was tuned for either. 0 is random and 1 is the expert, measured on the same number
of things. Each result is a file of its own, so that an interrupted call goes on.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import dataclass, field
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

from trainings import make_missing, whole
from transfer import over_seeds

RESULTS = Path(__file__).parent / "results" / "more_things"
ENCODERS = ("mlp", "attention")
YARDSTICKS = ("random", "expert")
SEEDS = 5
EPISODES = 100
WORLDS = 32
STEPS = 100_000


@dataclass(frozen=True)
class Task:
    """A scenario, and the argument that says how many things there are.

    Attributes:
        scenario: its id.
        argument: whose first number is that of the training.
        numbers: that are played.
        arguments, config: of the scenario and of `mappo`.
    """

    scenario: str
    argument: str
    numbers: tuple[int, ...]
    arguments: dict[str, Any]
    config: dict[str, Any] = field(default_factory=dict)


TASKS = {
    "tag": Task(
        "ALS/Tag-v0", "num_avatars", (2, 4, 8), {"sensors": ["entities", "proprioception"]}
    ),
    "vocabulary": Task(
        "ALS/Vocabulary-v0",
        "num_things",
        (3, 4, 5),
        {"sensors": ["entities", "text", "proprioception"]},
        {"imitate": STEPS // 2},
    ),
}


def main() -> int:
    """Runs what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tasks", nargs="*", help=f"some of {', '.join(TASKS)}; all by default")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="trainings with each encoder")
    parser.add_argument("--table", action="store_true", help="print what is there")
    options = parser.parse_args()
    if unknown := set(options.tasks) - set(TASKS):
        parser.error(f"unknown {unknown.pop()!r}; there are {', '.join(TASKS)}")
    if not options.table:
        make_all(options.tasks or list(TASKS), options.seeds)
    print_table()
    return 0


def make_all(names: list[str], seeds: int) -> None:
    """Plays the yardsticks, then trains and plays whoever is missing."""
    for name, yardstick in product(names, YARDSTICKS):
        says = f"{name}, {yardstick}"
        make_missing(_file(name, yardstick), says, partial(measure, name, yardstick))
    for seed, name, encoder in product(range(seeds), names, ENCODERS):
        says = f"{name}, {encoder}, seed {seed}"
        make_missing(_file(name, encoder, seed), says, partial(train, name, encoder, seed))


def measure(name: str, yardstick: str, _: Any) -> dict[str, Any]:
    """What a yardstick reaches with each number of things."""
    from als_engine.agents.saving import make_agent

    task = TASKS[name]
    agent = make_agent(yardstick, task.scenario, arguments_of(task, task.numbers[0]))
    return play(name, yardstick, agent, seed=0)


def train(name: str, encoder: str, seed: int, show: Any) -> dict[str, Any]:
    """One training, and what it is worth with each number of things."""
    from als_engine.agents.training import train_agent

    task = TASKS[name]
    trained = train_agent(
        task.scenario, "mappo", steps=STEPS, worlds=WORLDS, seed=seed,
        arguments=arguments_of(task, task.numbers[0]), config={**task.config, "encoder": encoder},
        device="cpu", on_progress=show,
    )  # fmt: skip
    whole(trained, STEPS)
    return {"seconds": round(trained.seconds, 1), **play(name, encoder, trained.agent, seed)}


def play(name: str, who: str, agent: Any, seed: int) -> dict[str, Any]:
    """The mean return with each number of things, on test levels."""
    from als_engine.agents.saving import versions
    from als_engine.evaluation.protocol import evaluate

    task, returns = TASKS[name], {}
    for number in task.numbers:
        arguments = arguments_of(task, number)
        played = evaluate(agent, task.scenario, EPISODES, seed=seed, arguments=arguments)
        returns[str(number)] = round(float(played.returns.mean()), 4)
    command = f"python benchmarks/more_things.py {name} --seeds {seed + 1}"
    return {"command": command, "who": who, "returns": returns, "versions": versions()}


def arguments_of(task: Task, number: int) -> dict[str, Any]:
    """The scenario's arguments with so many things."""
    return {**task.arguments, "action_mode": "continuous", task.argument: number}


def print_table() -> None:
    """The score of each encoder with each number of things, mean over trainings, in Markdown."""
    print(f"| {STEPS:,} steps | things | trainings | `mlp` | `attention` |")
    print("| --- | ---: | ---: | --- | --- |")
    for name, task in TASKS.items():
        found = {who: _returns(name, who) for who in (*YARDSTICKS, *ENCODERS)}
        if not all(found.values()):
            continue
        for number in map(str, task.numbers):
            low, high = (found[who][0][number] for who in YARDSTICKS)
            scores = {
                who: over_seeds([(one[number] - low) / (high - low) for one in found[who]])
                for who in ENCODERS
            }
            trainings = min(len(found[who]) for who in ENCODERS)
            cells = " | ".join(scores.values())
            print(f"| {task.scenario} | `{task.argument}={number}` | {trainings} | {cells} |")


def _returns(name: str, who: str) -> list[dict[str, float]]:
    files = sorted(RESULTS.glob(f"{name}-{who}*.json"))
    return [json.loads(path.read_text(encoding="utf-8"))["returns"] for path in files]


def _file(name: str, who: str, seed: int | None = None) -> Path:
    return RESULTS / (f"{name}-{who}.json" if seed is None else f"{name}-{who}-{seed}.json")


if __name__ == "__main__":
    sys.exit(main())
