"""Does PPO learn here? Trains it on a scenario and evaluates it beside random and expert.

    python benchmarks/learning.py tag             trains, evaluates, writes results/tag.json
    python benchmarks/learning.py diagnosis
    python benchmarks/learning.py --table         prints what is in results/

Every figure is over episodes on held-out levels, with a 95% bootstrap interval over episodes. One
training seed: it shows that the scenario can be learned, not how two learners compare.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trainings import whole

os.environ.setdefault("OMP_NUM_THREADS", "1")

RESULTS = Path(__file__).parent / "results"
EPISODES = 200


@dataclass(frozen=True)
class Run:
    """One training: scenario, its arguments, hyperparameters and budget."""

    scenario: str
    steps: int
    arguments: dict[str, Any]
    config: dict[str, Any] = field(default_factory=dict)
    worlds: int = 16


RUNS = {
    "tag": Run(
        "ALS/Tag-v0",
        200_000,
        {
            "num_avatars": 2,
            "role": "chaser",
            "sensors": ["entities", "proprioception"],
            "action_mode": "continuous",
        },
        {"learning_rate": 5e-4, "n_epochs": 4, "gamma": 0.98},
    ),
    "diagnosis": Run(
        "ALS/Diagnosis-v0",
        600_000,
        {"sensors": ["chart", "entities", "proprioception"], "action_mode": "continuous"},
        {"learning_rate": 5e-4, "n_epochs": 4, "gamma": 0.98},
    ),
}


def main() -> int:
    """Runs what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", nargs="?", choices=sorted(RUNS), help="what to train")
    parser.add_argument("--steps", type=int, help="train for this many steps instead")
    parser.add_argument("--episodes", type=int, default=EPISODES)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--table", action="store_true", help="print what is in results/")
    options = parser.parse_args()
    if options.run:
        result = train(options.run, options.steps, options.episodes, options.seed)
        RESULTS.mkdir(exist_ok=True)
        text = json.dumps(result, indent=2) + "\n"
        (RESULTS / f"{options.run}.json").write_text(text, encoding="utf-8")
    if options.table or options.run:
        print_table()
    return 0


def train(name: str, steps: int | None, episodes: int, seed: int) -> dict[str, Any]:
    """Trains and evaluates one run; returns what goes into its file."""
    from als_engine.agents.agent import Progress
    from als_engine.agents.training import train_agent
    from als_engine.cli.bars import training_bar
    from als_engine.evaluation.protocol import evaluate, reference

    run = RUNS[name]
    budget = steps or run.steps
    curve: list[tuple[int, float, float]] = []
    with training_bar(budget) as bar:

        def show(progress: Progress) -> None:
            bar(progress)
            due = not curve or progress.steps - curve[-1][0] >= budget / 100
            if due and math.isfinite(progress.mean_return):
                curve.append((progress.steps, progress.mean_return, progress.success))

        trained = train_agent(
            run.scenario,
            "ppo",
            steps=budget,
            worlds=run.worlds,
            seed=seed,
            arguments=run.arguments,
            config=run.config,
            on_progress=show,
        )
    record = whole(trained, budget).record
    ours = evaluate(
        trained.agent, run.scenario, episodes, seed=seed, arguments=record.arguments,
        observers=record.observers,
    )  # fmt: skip
    yardsticks = reference(ours)
    rows = {"random": yardsticks.random, "ppo": ours, "expert": yardsticks.expert}
    return {
        "command": f"python benchmarks/learning.py {name} --steps {budget} --episodes {episodes} "
        f"--seed {seed}",
        "scenario": run.scenario,
        "arguments": record.arguments,
        "config": dict(run.config),
        "steps": record.training.steps if record.training else budget,
        "seconds": round(trained.seconds, 1),
        "seed": seed,
        "episodes": episodes,
        "split": "test",
        "versions": record.versions,
        "agents": {who: _summary(found) for who, found in rows.items() if found is not None},
        "curve": [[step, round(mean, 3), round(won, 3)] for step, mean, won in curve],
    }


def _summary(found: Any) -> dict[str, list[float]]:
    """Return and success as [mean, low, high]."""
    intervals = {"return": found.mean_return, "success": found.success}
    return {
        name: [round(value, 3) for value in (interval.value, interval.low, interval.high)]
        for name, interval in intervals.items()
    }


def print_table() -> None:
    """Prints every file in results/."""
    from rich.console import Console
    from rich.table import Table

    table = Table("scenario", "agent", "return (95%)", "success (95%)", "training steps")
    for path in sorted(RESULTS.glob("*.json")):
        result = json.loads(path.read_text(encoding="utf-8"))
        for who, found in result["agents"].items():
            cells = ["{:.2f} ({:.2f} to {:.2f})".format(*found[k]) for k in ("return", "success")]
            steps = f"{result['steps']:,}" if who == "ppo" else ""
            table.add_row(result["scenario"], who, *cells, steps)
    Console().print(table)


if __name__ == "__main__":
    sys.exit(main())
