"""Is `mappo` PPO, and what does each of its ingredients do? Five trainings with each, side by side.

    python benchmarks/ingredients.py                all that is missing, one after another
    python benchmarks/ingredients.py tag ppo mappo  one scenario, two arms
    python benchmarks/ingredients.py --table        prints what is in results/ingredients

All arms have the hyperparameters `SAME`, which were chosen for `mappo` on Tag, on the validation
split, and no arm was tuned for itself; each changes what its row says. Played are validation levels
as well: this compares learners, and reports no result. Scores are those of the suite `core`: 0 is
random, 1 is the expert. Each result is a file of its own, so that an interrupted call goes on.
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

from solving import suite_entry
from trainings import make_missing, whole
from transfer import over_seeds

RESULTS = Path(__file__).parent / "results" / "ingredients"
EPISODES = 100
SEEDS = 5
WORLDS = 32
STEPS = 100_000
SCENARIOS = {"tag": "ALS/Tag-v0", "diagnosis": "ALS/Diagnosis-v0"}
SAME: dict[str, Any] = {
    "learning_rate": 1e-3, "anneal": True, "gamma": 0.97, "gae_lambda": 0.95, "rollout": 2_048,
    "batch_size": 256, "n_epochs": 4, "clip_range": 0.2, "ent_coef": 0.0, "vf_coef": 0.5,
    "max_grad_norm": 0.5, "net_arch": [128, 128], "encoder": "mlp",
}  # fmt: skip


@dataclass(frozen=True)
class Arm:
    """What is other than in `SAME`.

    Attributes:
        says: what a row of the table is called.
        agent: the learner.
        config: hyperparameters.
        scenarios: where it is tried.
    """

    says: str
    agent: str = "mappo"
    config: dict[str, Any] = field(default_factory=dict)
    scenarios: tuple[str, ...] = ("tag",)


BOTH = ("tag", "diagnosis")
ARMS = {
    "ppo": Arm("`ppo` (Stable-Baselines3)", "ppo", scenarios=BOTH),
    "plain": Arm("`mappo` with nothing added", config={"normalise_value": False}, scenarios=BOTH),
    "mappo": Arm("`mappo`: returns normalised for the critic", scenarios=BOTH),
    "advantages": Arm("advantages not normalised", config={"normalise_advantage": False}),
    "constant": Arm("a constant learning rate", config={"anneal": False}),
    "entropy": Arm("a weight of entropy, 0.01 to 0", config={"ent_coef": 0.01, "ent_coef_end": 0}),
    "bound": Arm("updates end at a KL of 0.015", config={"target_kl": 0.01}),
    "clip": Arm("values move 0.2 at most", config={"clip_value": 0.2}),
    "gru": Arm("a memory (GRU)", config={"memory": "gru"}),
    "attention": Arm("`attention` in place of `mlp`", config={"encoder": "attention"}),
}


def main() -> int:
    """Runs what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    words = [*SCENARIOS, *ARMS]
    parser.add_argument("words", nargs="*", help=f"some of {', '.join(words)}; all by default")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="trainings of each")
    parser.add_argument("--table", action="store_true", help="print what is there")
    options = parser.parse_args()
    if unknown := set(options.words) - set(words):
        parser.error(f"unknown {unknown.pop()!r}; there are {', '.join(words)}")
    if not options.table:
        wanted = [word for word in options.words if word in SCENARIOS] or list(SCENARIOS)
        arms = [word for word in options.words if word in ARMS] or list(ARMS)
        train_all(wanted, arms, options.seeds)
    print_table()
    return 0


def train_all(scenarios: list[str], arms: list[str], seeds: int) -> None:
    """Trains and evaluates whoever is missing."""
    for seed, scenario, name in product(range(seeds), scenarios, arms):
        if scenario in ARMS[name].scenarios:
            make_missing(
                _file(scenario, name, seed),
                f"{scenario}, {name}, seed {seed}",
                partial(train, scenario, name, seed),
            )


def train(scenario: str, name: str, seed: int, show: Any) -> dict[str, Any]:
    """One training and its evaluation on validation levels."""
    from als_engine.agents.saving import versions
    from als_engine.agents.training import train_agent
    from als_engine.evaluation.protocol import evaluate

    arm, id_ = ARMS[name], SCENARIOS[scenario]
    arguments = {**suite_entry(id_)["arguments"], "action_mode": "continuous"}
    config = {**SAME, **arm.config}
    trained = train_agent(
        id_, arm.agent, steps=STEPS, worlds=WORLDS, seed=seed, arguments=arguments, config=config,
        device="cpu", on_progress=show,
    )  # fmt: skip
    whole(trained, STEPS)
    played = evaluate(
        trained.agent, id_, EPISODES, seed=seed, split="validation", arguments=arguments
    )
    return {
        "command": f"python benchmarks/ingredients.py {scenario} {name} --seeds {seed + 1}",
        "scenario": id_,
        "agent": arm.agent,
        "arguments": arguments,
        "config": config,
        "steps": trained.progress.steps,
        "seconds": round(trained.seconds, 1),
        "return": round(float(played.returns.mean()), 4),
        "success": round(float(played.metrics["success"].mean()), 4),
        "versions": versions(),
    }


def print_table() -> None:
    """The score of each arm, mean over trainings with its interval, in Markdown."""
    print(f"| {STEPS:,} steps | scenario | trainings | score |")
    print("| --- | --- | ---: | --- |")
    for scenario, id_ in SCENARIOS.items():
        entry = suite_entry(id_)
        low, high = entry["random"], entry["expert"]
        for name, arm in ARMS.items():
            files = sorted(RESULTS.glob(f"{scenario}-{name}-[0-9]*.json"))
            found = [json.loads(path.read_text(encoding="utf-8"))["return"] for path in files]
            if found:
                scores = [(one - low) / (high - low) for one in found]
                print(f"| {arm.says} | {id_} | {len(found)} | {over_seeds(scores)} |")


def _file(scenario: str, name: str, seed: int) -> Path:
    return RESULTS / f"{scenario}-{name}-{seed}.json"


if __name__ == "__main__":
    sys.exit(main())
