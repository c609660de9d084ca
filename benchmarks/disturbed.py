"""Does training on noise help under disturbances? ALS/Tag-v0 with mlp and attention.

    python benchmarks/disturbed.py --seeds 5 --out runs/disturbed
    python benchmarks/disturbed.py --out runs/disturbed --table

Each encoder is trained with and without noise in its sensors, for the same steps and with the same
hyperparameters. All are then tried as `als robustness` does it. The strength of the noise in
training is none of those that are tried, and the figures are of the test split. Each
training is a folder, so that an interrupted call goes on with the first one that is missing.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from trainings import whole

os.environ.setdefault("OMP_NUM_THREADS", "1")

SCENARIO = "ALS/Tag-v0"
ARGUMENTS = {"sensors": ["entities", "proprioception"], "action_mode": "continuous"}
ENCODERS: dict[str, dict[str, Any]] = {
    "mlp": {"encoder": "mlp"},
    "attention": {"encoder": "attention", "learning_rate": 5e-4},
}
NOISE = {"": 0.0, "-noise": 0.07}
ARMS = [f"{encoder}{noise}" for encoder in ENCODERS for noise in NOISE]


def main() -> int:
    """Runs what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=300_000)
    parser.add_argument("--seeds", type=int, default=5, help="trainings of each arm")
    parser.add_argument("--worlds", type=int, default=32)
    parser.add_argument("--episodes", type=int, default=100, help="of each trial")
    parser.add_argument("--out", type=Path, default=Path("runs/disturbed"))
    parser.add_argument("--table", action="store_true", help="print what is there")
    options = parser.parse_args()
    if not options.table:
        for seed in range(options.seeds):
            for arm in ARMS:
                train_and_try(arm, seed, options)
    print_table(options.out)
    return 0


def train_and_try(arm: str, seed: int, options: argparse.Namespace) -> None:
    """Trains an arm and tries it, unless that is done."""
    from als_engine.agents.saving import open_agent
    from als_engine.agents.training import Disturb, finished_training, train_agent
    from als_engine.agents.training_folder import TrainingFolder
    from als_engine.cli.bars import counting_bar, training_bar
    from als_engine.evaluation.splits import REPORTING
    from als_engine.system.files import write_text
    from als_plugins.robustness.trials import parse_trials, try_agent

    folder: Path = options.out / f"{arm}-{seed}"
    result = options.out / f"{arm}-{seed}.json"
    encoder, dash, noise = arm.partition("-")
    if not (TrainingFolder(folder).begun and finished_training(folder)):
        print(f"{arm}, seed {seed}", file=sys.stderr)
        strength = NOISE[f"{dash}{noise}"]
        with training_bar() as show:
            trained = train_agent(
                SCENARIO,
                "mappo",
                steps=options.steps,
                worlds=options.worlds,
                folder=folder,
                seed=seed,
                arguments=ARGUMENTS,
                config=ENCODERS[encoder],
                disturb=Disturb(noise=strength) if strength else None,
                on_progress=show,
            )
        whole(trained, options.steps)
    if not result.exists():
        opened = open_agent(folder)
        with counting_bar("trials") as count:
            found = try_agent(
                arm, opened, parse_trials(None),
                episodes=options.episodes, split=REPORTING, worlds=options.worlds, on_trial=count,
            )  # fmt: skip
        write_text(result, json.dumps(found.as_dict(), indent=2) + "\n")


def print_table(out: Path) -> None:
    """Success in each trial, mean over seeds with its interval, a column for each arm."""
    from als_engine.evaluation.statistics import mean_interval

    cells: dict[str, dict[str, list[float]]] = {}
    for arm in ARMS:
        for path in sorted(out.glob(f"{arm}-[0-9]*.json")):
            found = json.loads(path.read_text(encoding="utf-8"))
            for each in found["results"]:
                label = each["sensor"] or f"{each['strength']:g}"
                row = cells.setdefault(f"{each['kind']} {label}", {})
                row.setdefault(arm, []).append(each["success"]["value"])
    print(f"| success | {' | '.join(ARMS)} |")
    print(f"| --- |{' ---: |' * len(ARMS)}")
    for row, values in cells.items():
        shown = []
        for arm in ARMS:
            one = mean_interval(values.get(arm, []))
            shown.append(
                f"{one.value:.2f} [{one.low:.2f}, {one.high:.2f}]" if arm in values else ""
            )
        print(f"| {row} | {' | '.join(shown)} |")


if __name__ == "__main__":
    sys.exit(main())
