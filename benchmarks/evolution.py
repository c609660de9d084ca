"""Evolution against gradients on Tag, and how fast a population plays.

    python benchmarks/evolution.py            all trainings that are missing, one after another
    python benchmarks/evolution.py --rate     what a population costs beside the worlds alone
    python benchmarks/evolution.py --table    prints what is in results/evolution

Trainings are on the train split, with 16 worlds; what is reported was played on the test split.
Settings were tried on the validation split.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from trainings import make_missing, whole
from transfer import over_seeds

RESULTS = Path(__file__).parent / "results" / "evolution"
SCENARIO = "ALS/Tag-v0"
ARGUMENTS: dict[str, Any] = {
    "action_mode": "continuous",
    "sensors": ["entities", "proprioception"],
}
SEEDS, STEPS, WORLDS, EPISODES = 5, 40_000, 16, 50
RUNS: dict[str, tuple[str, dict[str, Any]]] = {
    "openai": ("es", {"sigma": 0.5, "learning_rate": 0.3}),
    "cma": ("es", {"algorithm": "cma", "sigma": 0.5}),
    "mappo": ("mappo", {"rollout": 1_024, "batch_size": 256}),
}


def main() -> int:
    """Runs what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rate", action="store_true", help="measure rates, and no more")
    parser.add_argument("--table", action="store_true", help="print what is there")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="trainings of each")
    options = parser.parse_args()
    if options.rate:
        from als_engine.system.files import write_text

        text = json.dumps(rate(), indent=2)
        write_text(RESULTS / "rate.json", text + "\n")
        print(text)
        return 0
    if not options.table:
        for seed in range(options.seeds):
            for name in RUNS:
                path = RESULTS / f"{name}-{seed}.json"
                make_missing(path, f"{name}, seed {seed}", partial(train, name, seed))
    print_table()
    return 0


def train(name: str, seed: int, show: Any) -> dict[str, Any]:
    """One training and its evaluation on held-out levels."""
    from als_engine.agents.saving import versions
    from als_engine.agents.training import train_agent
    from als_engine.evaluation.protocol import evaluate

    learner, config = RUNS[name]
    trained = train_agent(
        SCENARIO, learner, steps=STEPS, worlds=WORLDS, seed=seed, arguments=ARGUMENTS,
        config=config, on_progress=show,
    )  # fmt: skip
    whole(trained, STEPS)
    played = evaluate(trained.agent, SCENARIO, EPISODES, seed=seed, arguments=ARGUMENTS)
    return {
        "command": f"python benchmarks/evolution.py --seeds {seed + 1}",
        "config": config,
        "steps": trained.progress.steps,
        "return": round(float(played.returns.mean()), 4),
        "success": round(float(played.metrics["success"].mean()), 4),
        "versions": versions(),
    }


class Beside:
    """Lets worlds alone do what a population's worlds do, and keeps both times, seconds.

    They have the same seeds, are reset together and are told the same actions, in turn first and
    second: all else is equal, also what else the machine does.
    """

    def __init__(self, rows: Any, alone: Any) -> None:
        self.rows, self.alone, self.steps, self.generation = rows, alone, 0, 0
        self.spent, self._others, self._began = 0.0, 0.0, time.process_time()
        self._step, self._reset = rows.step, rows.reset
        rows.step, rows.reset = self.step, self.reset

    def _both(self, mine: Any, others: Any) -> Any:
        if self.steps % 2:
            found = mine()
        before = time.process_time()
        others()
        self._others += time.process_time() - before
        return found if self.steps % 2 else mine()

    def step(self, actions: Any) -> Any:
        found = self._both(partial(self._step, actions), partial(self.alone.step, actions))
        self.steps += 1
        return found

    def reset(self) -> Any:
        self.alone.spread_for("evolution", self.generation, parts=2)
        self.alone.seed(0)
        self.generation += 1
        return self._both(self._reset, self.alone.reset)

    def seconds(self) -> tuple[float, float]:
        """Of the population with all that it computes, and of the worlds alone."""
        return time.process_time() - self._began - self._others, self._others


def rate(worlds: int = 64, generations: int = 4) -> dict[str, Any]:
    """Steps a second of a population, and of the same worlds that are told the same actions."""
    from als_engine.agents.agent import Training
    from als_engine.agents.saving import make_agent
    from als_engine.envs.rows import Rows
    from als_plugins.evolution.learner import Evolution

    both = [Rows(SCENARIO, worlds, observers=1, **ARGUMENTS) for _ in range(2)]
    for rows in both:  # Whatever is compiled or opened first is no part of it.
        rows.seed(1)
        rows.reset()
    agent = make_agent("es", SCENARIO, ARGUMENTS, RUNS["openai"][1])
    assert isinstance(agent, Evolution)
    beside = Beside(*both)
    agent.learn(both[0], Training(steps=generations * worlds * 240, seed=0))
    population, alone = beside.seconds()
    assert (both[0].rewards == both[1].rewards).all()
    for rows in both:
        rows.close()
    steps = beside.steps * worlds
    return {
        "command": "python benchmarks/evolution.py --rate",
        "worlds": worlds,
        "steps": steps,
        "steps a second, population": round(steps / population),
        "steps a second, worlds alone": round(steps / alone),
        "ratio": round(alone / population, 3),
    }


def print_table() -> None:
    """Mean over trainings with its interval, in Markdown."""
    print("| learner | steps | trainings | return | success |")
    print("| --- | ---: | ---: | --- | --- |")
    for name in RUNS:
        files = sorted(RESULTS.glob(f"{name}-*.json"))
        found = [json.loads(path.read_text(encoding="utf-8")) for path in files]
        if found:
            print(
                f"| {name} | {found[0]['steps']:,} | {len(found)} "
                f"| {over_seeds([one['return'] for one in found])} "
                f"| {over_seeds([one['success'] for one in found])} |"
            )


if __name__ == "__main__":
    sys.exit(main())
