"""What is left of the first scenario when an agent has learnt others after it?

    python benchmarks/continual.py            learns what is missing, evaluates on held-out levels
    python benchmarks/continual.py --tune     tries strengths of `ewc` on validation levels
    python benchmarks/continual.py --table    prints the table of docs/continual.md
    python benchmarks/continual.py --figure docs/images/continual.png

Three scenarios in their order, each learnt from 6,000 steps that its expert shows, by five methods
and five seeds, with the same gradient steps and learning rate for all. The strength of `ewc` was
chosen by `--tune`, on validation levels and a seed that is not among the five.
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

from trainings import make_missing
from transfer import over_seeds

RESULTS = Path(__file__).parent / "results" / "continual"
SCENARIOS = ["ALS/Tag-v0", "ALS/Vocabulary-v0", "ALS/Delivery-v0"]
SETTINGS: dict[str, Any] = {
    "scenarios": SCENARIOS, "steps": 6_000, "updates": 600, "encoder": "mlp", "episodes": 25,
}  # fmt: skip
STRENGTHS = (0.1, 1.0, 10.0, 100.0)
STRENGTH = 1.0
SEEDS = 5


def main() -> int:
    """Runs what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=SEEDS, help="sequences of each method")
    parser.add_argument("--tune", action="store_true", help="play ewc on validation levels")
    parser.add_argument("--table", action="store_true", help="print what is there")
    parser.add_argument("--figure", type=Path, help="draw what is there")
    options = parser.parse_args()
    if options.tune:
        for strength in STRENGTHS:
            found = run("ewc", 100, lambda progress: None, "validation", strength)
            print(f"strength {strength:g}: mean score {found['mean']:.3f}", flush=True)
        return 0
    if not (options.table or options.figure):
        from als_plugins.continual.records import METHODS

        for seed in range(options.seeds):
            for method in METHODS:
                path = RESULTS / f"{method}-{seed}.json"
                make_missing(path, f"{method}, seed {seed}", partial(run, method, seed))
    print_table()
    if options.figure:
        draw(options.figure)
    return 0


def run(
    method: str, seed: int, show: Any, split: str = "test", strength: float = STRENGTH
) -> dict[str, Any]:
    """One sequence."""
    from als_plugins.continual.records import SequenceJob
    from als_plugins.continual.sequence import learn_sequence

    job = SequenceJob.model_validate(
        {**SETTINGS, "method": method, "seed": seed, "split": split, "strength": strength}
    )
    with TemporaryDirectory() as folder:
        result = learn_sequence(job, Path(folder) / "sequence")
    return {
        "command": f"python benchmarks/continual.py --seeds {seed + 1}",
        "matrix": [[round(score, 4) for score in line] for line in result.matrix],
        "mean": round(result.mean, 4),
        "backward": round(result.backward_transfer or 0.0, 4),
        "weights": result.found[-1].weights,
        "seconds": round(sum(each.seconds for each in result.found), 1),
    }


def results() -> dict[str, list[dict[str, Any]]]:
    """Method to what its seeds have found, the method `alone` first."""
    found: dict[str, list[dict[str, Any]]] = {}
    for method in ("alone", "nothing", "replay", "ewc", "lora"):
        files = sorted(RESULTS.glob(f"{method}-[0-9]*.json"))
        if files:
            found[method] = [json.loads(path.read_text(encoding="utf-8")) for path in files]
    return found


def print_table() -> None:
    """Prints means over seeds, with 95% intervals."""
    found = results()
    if "alone" not in found:
        return
    heads = ("method", "seeds", "mean score in the end", "backward transfer", "forward transfer")
    print(f"| {' | '.join(heads)} | weights |")
    print("| --- | ---: | --- | --- | --- | ---: |")
    for method, seeds in found.items():
        forward = [
            sum(ours["matrix"][i][i] - theirs["matrix"][i][i] for i in range(1, len(SCENARIOS)))
            / (len(SCENARIOS) - 1)
            for ours, theirs in zip(seeds, found["alone"], strict=False)
        ]
        print(
            f"| `{method}` | {len(seeds)} | {over_seeds([each['mean'] for each in seeds])} "
            f"| {over_seeds([each['backward'] for each in seeds])} "
            f"| {'-' if method == 'alone' else over_seeds(forward)} | {seeds[0]['weights']:,} |"
        )


def draw(path: Path) -> None:
    """Draws the mean matrices."""
    from als_plugins.continual.chart import write_matrices

    matrices = {}
    for method, seeds in results().items():
        matrices[method] = [
            [sum(each["matrix"][y][x] for each in seeds) / len(seeds) for x in range(y + 1)]
            for y in range(len(SCENARIOS))
        ]
    write_matrices(matrices, SCENARIOS, path)


if __name__ == "__main__":
    sys.exit(main())
