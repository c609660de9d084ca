"""What a world model is worth with few real steps: `python benchmarks/model_based.py`.

    python benchmarks/model_based.py            all that is missing, one after another
    python benchmarks/model_based.py tag 5000   one scenario and number of steps
    python benchmarks/model_based.py --table    prints what is in results/model_based

`mappo` learns from real steps alone; `mbpo` is the same with imagined rollouts between them;
`planner` learns nothing but an ensemble, of as many random steps, and plans over it. All are played
on the test split. Settings were tried on the validation split.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

from trainings import make_missing, whole
from transfer import over_seeds

RESULTS = Path(__file__).parent / "results" / "model_based"
SCENARIOS: dict[str, tuple[str, dict[str, Any]]] = {
    "tag": (
        "ALS/Tag-v0",
        {"action_mode": "continuous", "sensors": ["entities", "proprioception"]},
    ),
    "ward": (
        "ALS/Ward-v0",
        {"action_mode": "factored", "sensors": ["charts", "round", "proprioception"]},
    ),
}
STEPS = (5_000, 10_000, 20_000)
EPISODES = {"tag": 20, "ward": 10}
PLANNED = {"tag": 5, "ward": 3}
SMALL = {"rollout": 512, "batch_size": 256, "net_arch": [64, 64]}
AGENTS: dict[str, dict[str, Any]] = {
    "mappo": SMALL,
    "mbpo": {**SMALL, "model_members": 3, "model_fits": 20, "imagined_updates": 1},
    "cem": {"courses": 32, "rounds": 2, "blocks": 4},
    "mppi": {"courses": 32, "rounds": 2, "blocks": 4, "method": "mppi"},
}
FITS = 400


def main() -> int:
    """Runs what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scenario", nargs="?", choices=list(SCENARIOS))
    parser.add_argument("steps", nargs="?", type=int, choices=STEPS)
    parser.add_argument("--seeds", type=int, default=1, help="of each")
    parser.add_argument("--table", action="store_true", help="print what is there")
    options = parser.parse_args()
    if not options.table:
        names = [options.scenario] if options.scenario else list(SCENARIOS)
        for seed in range(options.seeds):
            for name in names:
                for steps in [options.steps] if options.steps else STEPS:
                    for agent in AGENTS:
                        path = _file(name, agent, steps, seed)
                        says = f"{name}, {agent}, {steps:,} steps, seed {seed}"
                        make_missing(path, says, partial(measure, name, agent, steps, seed))
    print_table()
    return 0


def measure(name: str, agent: str, steps: int, seed: int, show: Any) -> dict[str, Any]:
    """One agent with so many real steps, and its evaluation on held-out levels."""
    from als_engine.agents.saving import versions
    from als_engine.agents.training import train_agent
    from als_engine.evaluation.protocol import evaluate

    scenario, arguments = SCENARIOS[name]
    episodes = EPISODES[name]
    if agent in ("mappo", "mbpo"):
        trained = train_agent(
            scenario, agent, steps=steps, worlds=8, seed=seed, arguments=arguments,
            config=AGENTS[agent], on_progress=show,
        )  # fmt: skip
        acts: Any = whole(trained, steps).agent
        taken = trained.progress.steps
    else:
        acts, taken = planner(scenario, arguments, agent, steps, seed)
        episodes = PLANNED[name]
    played = evaluate(acts, scenario, episodes, seed=seed, arguments=arguments)
    return {
        "command": f"python benchmarks/model_based.py {name} {steps} --seeds {seed + 1}",
        "config": AGENTS[agent],
        "steps": taken,
        "episodes": episodes,
        "return": round(float(played.returns.mean()), 4),
        "success": round(float(played.metrics["success"].mean()), 4),
        "versions": versions(),
    }


def planner(
    scenario: str, arguments: dict[str, Any], agent: str, steps: int, seed: int
) -> tuple[Any, int]:
    """A planner over a model of random steps, and how many there were."""
    from als_engine.agents.saving import make_agent
    from als_plugins.experience.collect import collect
    from als_plugins.world_models.modelling import model_dataset
    from als_plugins.world_models.saving import Size

    length = 240 if "Tag" in scenario else 600
    with tempfile.TemporaryDirectory() as folder:
        data, out = Path(folder) / "data", Path(folder) / "model"
        collected = collect(
            scenario, data, policy="random", episodes=-(-steps // length), seed=seed, worlds=16,
            observers=1, split="train", arguments=arguments,
        )  # fmt: skip
        model_dataset(data, out, size=Size(members=2), steps=FITS, batch=128, seed=seed)
        made = make_agent("planner", scenario, arguments, {"model": str(out), **AGENTS[agent]})
    return made, collected.source.steps


def print_table() -> None:
    """Mean return over seeds, in Markdown."""
    print("| scenario | agent | " + " | ".join(f"{steps:,} steps" for steps in STEPS) + " |")
    print("| --- | --- |" + " --- |" * len(STEPS))
    for name in SCENARIOS:
        for agent in AGENTS:
            cells = []
            for steps in STEPS:
                files = sorted(RESULTS.glob(f"{name}-{agent}-{steps}-*.json"))
                found = [json.loads(path.read_text(encoding="utf-8")) for path in files]
                cells.append(over_seeds([one["return"] for one in found]) if found else "-")
            print(f"| {name} | {agent} | " + " | ".join(cells) + " |")


def _file(name: str, agent: str, steps: int, seed: int) -> Path:
    return RESULTS / f"{name}-{agent}-{steps}-{seed}.json"


if __name__ == "__main__":
    sys.exit(main())
