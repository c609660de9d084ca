"""How well does an agent play on the engine that it was not trained on?

    python benchmarks/transfer.py             trains, evaluates, prints the table of docs/physics.md
    python benchmarks/transfer.py tag         one scenario alone
    python benchmarks/transfer.py --table     prints what is in runs/transfer

Tag is learnt by PPO as in `learning.py`, Diagnosis by `mappo` from its expert (DAgger), on each
engine from five seeds; every agent is evaluated on both engines, on held-out levels. A cell is the
mean over seeds with its 95% interval. Each result is kept in runs/transfer: an interrupted call
goes on with the next agent.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

from learning import RUNS as LEARNING
from trainings import whole

RUNS = {
    "tag": LEARNING["tag"],
    "diagnosis": replace(
        LEARNING["diagnosis"],
        steps=60_000,
        worlds=32,
        config={"encoder": "attention", "learning_rate": 5e-4, "imitate": 60_000},
    ),
}
AGENTS = {"tag": "ppo", "diagnosis": "mappo"}
ENGINES = ("bullet", "mujoco")
SEEDS = 5
EPISODES = 100
FOLDER = Path("runs") / "transfer"


def main() -> int:
    """Runs what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="*", help=f"some of {', '.join(RUNS)}; all by default")
    parser.add_argument("--steps", type=int, help="train for this many steps instead")
    parser.add_argument("--table", action="store_true", help="print what is there")
    options = parser.parse_args()
    if unknown := set(options.runs) - set(RUNS):
        parser.error(f"unknown {unknown.pop()!r}; there are {', '.join(RUNS)}")
    if not options.table:
        train_all(options.runs or list(RUNS), options.steps)
    print_table()
    return 0


def train_all(names: list[str], steps: int | None) -> None:
    """Trains and evaluates whoever is missing."""
    from als_engine.cli.bars import counting_bar
    from als_engine.system.files import write_text

    missing = [
        (name, engine, seed)
        for name in names
        for engine in ENGINES
        for seed in range(SEEDS)
        if not _file(name, engine, seed).exists()
    ]
    with counting_bar("agents") as update:
        for done, (name, engine, seed) in enumerate(missing):
            update(done, len(missing))
            result = train(name, engine, seed, steps)
            write_text(_file(name, engine, seed), json.dumps(result, indent=2) + "\n")


def train(name: str, engine: str, seed: int, steps: int | None) -> dict[str, Any]:
    """One agent: its mean return on each engine."""
    from als_engine.agents.training import train_agent
    from als_engine.evaluation.protocol import evaluate

    run = RUNS[name]
    trained = train_agent(
        run.scenario,
        AGENTS[name],
        steps=steps or run.steps,
        worlds=run.worlds,
        seed=seed,
        arguments={**run.arguments, "physics": engine},
        config=run.config,
    )
    whole(trained, steps or run.steps)
    returns = {}
    for other in ENGINES:
        found = evaluate(
            trained.agent,
            run.scenario,
            EPISODES,
            seed=seed,
            arguments={**trained.record.arguments, "physics": other},
            observers=trained.record.observers,
        )
        returns[other] = float(found.returns.mean())
    return {"scenario": run.scenario, "steps": steps or run.steps, "returns": returns}


def print_table() -> None:
    """The mean returns of those trained here on those engines there, in Markdown."""
    print("| scenario | trained on | steps | played on Bullet | played on MuJoCo |")
    print("| --- | --- | ---: | ---: | ---: |")
    for name in RUNS:
        for engine in ENGINES:
            files = [_file(name, engine, seed) for seed in range(SEEDS)]
            found = [
                json.loads(path.read_text(encoding="utf-8")) for path in files if path.exists()
            ]
            if not found:
                continue
            cells = [over_seeds([one["returns"][other] for one in found]) for other in ENGINES]
            steps = " / ".join(sorted({f"{one['steps']:,}" for one in found}))
            print(f"| {found[0]['scenario']} | {engine} | {steps} | {cells[0]} | {cells[1]} |")


def over_seeds(values: list[float]) -> str:
    """The mean over seeds and its interval, by Student's t."""
    import numpy as np
    from scipy.stats import t

    mean, count = np.mean(values), len(values)
    if count < 2:
        return f"{mean:.2f} (one seed)"
    half = t.ppf(0.975, count - 1) * np.std(values, ddof=1) / count**0.5
    return f"{mean:.2f} [{mean - half:.2f}, {mean + half:.2f}]"


def _file(name: str, engine: str, seed: int) -> Path:
    return FOLDER / f"{name}-{engine}-{seed}.json"


if __name__ == "__main__":
    sys.exit(main())
