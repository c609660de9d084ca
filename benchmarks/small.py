"""What does it cost an agent to take less room?

    python benchmarks/small.py            trains, shrinks, evaluates what is missing
    python benchmarks/small.py --table    prints the table of docs/small.md

For each of five seeds an agent with attention is trained on Tag by imitation of the expert
(DAgger). It is then made small in several ways, and each is evaluated on held-out levels. Two rows
are trainings of their own: an mlp that imitates the agent (distillation), and attention that looks
at four tokens only. Times are those of one action in one row, on one thread; they are ratios to the
agent's own, taken in turn.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

from trainings import make_missing, whole
from transfer import over_seeds

RESULTS = Path(__file__).parent / "results" / "small"
SCENARIO = "ALS/Tag-v0"
ARGUMENTS: dict[str, Any] = {
    "action_mode": "continuous",
    "sensors": ["entities", "proprioception"],
}
STEPS = 30_000
SHOWN_BY_AGENT = 30_000
EPISODES = 50
SEEDS = 5
SPLIT = "test"
WAYS: dict[str, tuple[int, float]] = {
    "8 bits": (8, 1.0),
    "half of the weights": (32, 0.5),
    "a fifth of the weights": (32, 0.2),
    "a tenth of the weights": (32, 0.1),
    "8 bits and half of the weights": (8, 0.5),
}


def main() -> int:
    """Runs what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=SEEDS, help="trainings of each kind")
    parser.add_argument("--table", action="store_true", help="print what is there")
    options = parser.parse_args()
    if not options.table:
        for seed in range(options.seeds):
            make_missing(RESULTS / f"{seed}.json", f"seed {seed}", partial(run, seed))
    print_table()
    return 0


def run(seed: int, show: Any) -> dict[str, Any]:
    """All ways of one seed."""
    from als_plugins.fitting.shrink import shrink_agent

    found = {}
    with TemporaryDirectory() as made:
        folder = Path(made)
        learn(folder / "agent", seed, show, STEPS, {"encoder": "attention"})
        found["as trained"] = measured(folder / "agent", seed)
        for name, (bits, kept) in WAYS.items():
            shrink_agent(folder / "agent", folder / "small", 8 if bits == 8 else 32, kept)
            found[name] = measured(folder / "small", seed)
        source = str(folder / "agent" / "agent")
        learn(folder / "mlp", seed, show, SHOWN_BY_AGENT, {"encoder": "mlp"}, source)
        found["distilled into an mlp"] = measured(folder / "mlp", seed)
        shrink_agent(folder / "mlp", folder / "small", 8, 1.0)
        found["distilled, then 8 bits"] = measured(folder / "small", seed)
        sparse = {"encoder": "attention", "encoder_config": {"top": 4}}
        learn(folder / "sparse", seed, show, STEPS, sparse)
        found["looks at 4 tokens"] = measured(folder / "sparse", seed)
        near = {"encoder": "graph-attention", "encoder_config": {"nearest": 4}}
        learn(folder / "near", seed, show, STEPS, near)
        found["graph, each looks at the 4 nearest"] = measured(folder / "near", seed)
    return {"command": f"python benchmarks/small.py --seeds {seed + 1}", "found": found}


def learn(
    folder: Path, seed: int, show: Any, steps: int, config: dict[str, Any], source: str = "expert"
) -> None:
    """Trains an agent by imitation."""
    from als_plugins.imitation.imitate import imitate

    trained = imitate(
        SCENARIO, source=source, method="dagger", steps=steps, worlds=32, seed=seed,
        arguments=ARGUMENTS, config=config, folder=folder, on_progress=show,
    )  # fmt: skip
    whole(trained, steps)


def measured(folder: Path, seed: int) -> dict[str, float]:
    """Return on held-out levels, size and time of a saved agent."""
    from als_engine.agents.saving import open_agent
    from als_engine.evaluation.protocol import evaluate
    from als_plugins.fitting.shrink import measure

    found, opened = measure(folder), open_agent(folder)
    played = evaluate(
        opened.agent, SCENARIO, EPISODES, split=SPLIT, seed=seed, arguments=opened.arguments
    )
    return {
        "return": round(float(played.returns.mean()), 4),
        "bytes": found.bytes,
        "weights": found.weights,
        "milliseconds": found.milliseconds,
    }


def print_table() -> None:
    """Prints means over seeds, with 95% intervals."""
    from solving import suite_entry

    files = sorted(RESULTS.glob("[0-9]*.json"))
    if not files:
        return
    seeds = [json.loads(path.read_text(encoding="utf-8"))["found"] for path in files]
    entry = suite_entry(SCENARIO)
    low, high = entry["random"], entry["expert"]
    print(f"| agent | score ({len(seeds)} seeds) | numbers | kB | time of an action |")
    print("| --- | --- | ---: | ---: | ---: |")
    for name in seeds[0]:
        rows = [seed[name] for seed in seeds]
        times = [s[name]["milliseconds"] / s["as trained"]["milliseconds"] for s in seeds]
        scores = [(row["return"] - low) / (high - low) for row in rows]
        print(
            f"| {name} | {over_seeds(scores)} | {rows[0]['weights']:,} "
            f"| {rows[0]['bytes'] / 1_000:.0f} | {sorted(times)[len(times) // 2]:.2f} |"
        )


if __name__ == "__main__":
    sys.exit(main())
