"""Does every learner learn? Trains each on a bundled scenario and plays held-out levels.

    python benchmarks/learners.py run                      all that is missing, one after another
    python benchmarks/learners.py run attention-ddpg sac   some; --jobs 2 for two at a time
    python benchmarks/learners.py table                    what is in benchmarks/results/learners/

Every run of one learner with one seed is a file of its own, written when it has ended, so an
interrupted `run` goes on where it was. The seed is that of everything. A run is counted as having
learnt when the 95% bootstrap interval of its return, over held-out episodes, lies above that of
random actions on the same ones.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trainings import whole

os.environ.setdefault("OMP_NUM_THREADS", "1")

RESULTS = Path(__file__).parent / "results" / "learners"
EPISODES = 100

TAG = {"num_avatars": 2, "sensors": ["entities", "proprioception"]}
CONTINUOUS = {**TAG, "action_mode": "continuous"}
SMALL = {"width": 32, "depth": 1, "heads": 2, "features": 64}


@dataclass(frozen=True)
class Run:
    """One training, on `ALS/Tag-v0`: the learner, its budget and what is not its default."""

    agent: str
    steps: int
    config: dict[str, Any] = field(default_factory=dict)
    arguments: dict[str, Any] = field(default_factory=lambda: TAG)
    seeds: int = 1


OFF = {"gamma": 0.98}
ON = {"gamma": 0.98, "learning_rate": 5e-4, "n_epochs": 4}
RUNS = {
    # Learners, with their own encoder.
    "attention-ddpg": Run("attention-ddpg", 30_000, {**OFF, "encoder_config": SMALL}, seeds=5),
    "attention-ddpg, an encoder each": Run(
        "attention-ddpg", 30_000, {**OFF, "encoder_config": SMALL, "share_encoder": False}, seeds=3
    ),
    "ddpg": Run("ddpg", 30_000, OFF),
    "td3": Run("td3", 30_000, OFF),
    "sac": Run("sac", 30_000, {**OFF, "ent_coef": 0.02}),
    "dqn": Run("dqn", 30_000, OFF),
    "qrdqn": Run("qrdqn", 30_000, OFF),
    "ppo": Run("ppo", 100_000, ON, CONTINUOUS),
    "maskable-ppo": Run("maskable-ppo", 100_000, ON),
    "recurrent-ppo": Run("recurrent-ppo", 100_000, ON, CONTINUOUS),
    # Encoders, and more pairs.
    "dqn, attention": Run("dqn", 30_000, {**OFF, "encoder": "attention", "encoder_config": SMALL}),
    "dqn, graph-attention": Run(
        "dqn", 30_000, {**OFF, "encoder": "graph-attention", "encoder_config": SMALL}
    ),
    "dqn, attention-cnn": Run(
        "dqn", 30_000, {**OFF, "encoder": "attention-cnn", "encoder_config": {"channels": 16}},
        {**TAG, "sensors": ["rgb", "proprioception"], "frame_size": 24},
    ),
    "dqn, recurrent (GRU)": Run(
        "dqn", 30_000, {**OFF, "encoder": "recurrent", "encoder_config": {"cell": "gru"}}
    ),
    "dqn, recurrent (both ways)": Run(
        "dqn", 30_000, {**OFF, "encoder": "recurrent", "encoder_config": {"bidirectional": True}}
    ),
    "recurrent-ppo, recurrent (LSTM)": Run(
        "recurrent-ppo", 100_000, {**ON, "encoder": "recurrent"}, CONTINUOUS
    ),
    "sac, attention": Run(
        "sac", 30_000, {**OFF, "ent_coef": 0.02, "encoder": "attention", "encoder_config": SMALL}
    ),
    "td3, attention": Run("td3", 30_000, {**OFF, "encoder": "attention", "encoder_config": SMALL}),
}  # fmt: skip


def main() -> int:
    """Does what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="run what is missing")
    run.add_argument("runs", nargs="*", metavar="RUN", help=f"of {', '.join(RUNS)}; all by default")
    run.add_argument("--jobs", type=int, default=1, help="processes at once")
    one = commands.add_parser("one", help="one run, in this process")
    one.add_argument("run", choices=RUNS)
    one.add_argument("seed", type=int)
    commands.add_parser("table", help="print what there is")
    options = parser.parse_args()
    if options.command == "one":
        return run_one(options.run, options.seed)
    if options.command == "table":
        return print_table()
    if unknown := sorted(set(options.runs) - set(RUNS)):
        parser.error(f'no run "{unknown[0]}": there are {", ".join(RUNS)}')
    return run_missing(options.runs or list(RUNS), options.jobs)


def path_of(name: str, seed: int) -> Path:
    """The file of one run."""
    plain = "".join(c if c.isalnum() or c == "-" else " " for c in name).split()
    return RESULTS / f"{'-'.join(plain)}-{seed}.json"


def run_missing(names: list[str], jobs: int) -> int:
    """Runs what has no file yet, seed by seed."""
    from als_engine.cli.bars import counting_bar

    wanted = [
        (name, seed)
        for seed in range(max(RUNS[name].seeds for name in names))
        for name in names
        if seed < RUNS[name].seeds and not path_of(name, seed).exists()
    ]
    done = itertools.count(1)
    with counting_bar("runs") as update, ThreadPoolExecutor(jobs) as pool:
        update(0, len(wanted))

        def begin(name: str, seed: int) -> bool:
            command = [sys.executable, __file__, "one", name, str(seed)]
            failed = subprocess.run(command, check=False).returncode != 0
            update(next(done), len(wanted))
            return failed

        failures = sum(pool.map(begin, *zip(*wanted, strict=True))) if wanted else 0
    if failures:
        print(f"{failures} runs failed", file=sys.stderr)
    return 1 if failures else 0


def run_one(name: str, seed: int) -> int:
    """Makes one run and writes its file."""
    from als_engine.agents.training import train_agent
    from als_engine.evaluation.protocol import evaluate, reference
    from als_engine.system.files import write_text

    run = RUNS[name]
    curve: list[tuple[int, float]] = []

    def note(progress: Any) -> None:
        due = not curve or progress.steps - curve[-1][0] >= run.steps / 20
        if due and math.isfinite(progress.mean_return):
            curve.append((progress.steps, round(progress.mean_return, 2)))

    trained = train_agent(
        "ALS/Tag-v0", run.agent, steps=run.steps, worlds=16, seed=seed, arguments=run.arguments,
        config=run.config, device="cpu", on_progress=note,
    )  # fmt: skip
    whole(trained, run.steps)
    arguments = trained.record.arguments
    ours = evaluate(trained.agent, "ALS/Tag-v0", EPISODES, arguments=arguments)
    random = reference(ours).random
    result = {
        "run": name,
        "agent": run.agent,
        "seed": seed,
        "command": f'python benchmarks/learners.py one "{name}" {seed}',
        "arguments": arguments,
        "config": run.config,
        "steps": trained.progress.steps,
        "seconds": round(trained.seconds, 1),
        "episodes": EPISODES,
        "return": _rounded(ours.mean_return),
        "success": _rounded(ours.success),
        "random": _rounded(random.mean_return),
        "curve": curve,
    }
    RESULTS.mkdir(parents=True, exist_ok=True)
    write_text(path_of(name, seed), json.dumps(result) + "\n")
    return 0


def _rounded(interval: Any) -> list[float]:
    return [round(value, 3) for value in (interval.value, interval.low, interval.high)]


def print_table() -> int:
    """Prints what there is, as the table in docs/learners.md."""
    print("| learner | learnt | return | success | steps | minutes |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name in RUNS:
        found = [
            json.loads(path_of(name, seed).read_text(encoding="utf-8"))
            for seed in range(RUNS[name].seeds)
            if path_of(name, seed).exists()
        ]
        if found:
            learnt = sum(one["return"][1] > one["random"][2] for one in found)
            returns = ", ".join(f"{one['return'][0]:.1f}" for one in found)
            successes = ", ".join(f"{one['success'][0]:.0%}" for one in found)
            minutes = max(one["seconds"] for one in found) / 60
            print(
                f"| {name} | {learnt} of {len(found)} | {returns} | {successes} "
                f"| {RUNS[name].steps:,} | {minutes:.0f} |"
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
