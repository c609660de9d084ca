"""Does training on made levels raise the score on held-out ones?

    python benchmarks/making_levels.py            trains what is missing
    python benchmarks/making_levels.py --table    prints the table of docs/making.md
    python benchmarks/making_levels.py --figure docs/images/making_levels.png

A chaser of Tag is shown a little by the expert (2,000 steps), and then goes on by reinforcement
learning: on levels drawn evenly, by prioritised level replay, or on levels that `als make levels`
edits until it succeeds in half of the episodes. Whatever is played to make levels counts: each
takes as many steps in all. Four seeds, test levels with evaders that nobody has trained against;
steps and sizes were chosen beforehand.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

from trainings import make_missing, whole
from transfer import over_seeds

RESULTS = Path(__file__).parent / "results" / "making"
SCENARIO = "ALS/Tag-v0"
ARGUMENTS: dict[str, Any] = {
    "sensors": ["entities", "proprioception"],
    "action_mode": "continuous",
    "physics": "mujoco",
}
SHOWN, STEPS, EPISODES, SEEDS = 2_000, 16_384, 64, 4
CONFIG = {"encoder": "mlp", "learning_rate": 3e-4, "gamma": 0.98}
ARMS = ("shown by the expert", "drawn evenly", "prioritised level replay", "made levels")


def main() -> int:
    """Runs what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=SEEDS, help="of each")
    parser.add_argument("--table", action="store_true", help="print what is there")
    parser.add_argument("--figure", type=Path, help="draw levels and what they were edited from")
    options = parser.parse_args()
    if options.figure:
        draw(options.figure)
    elif not options.table:
        for seed in range(options.seeds):
            path = RESULTS / f"levels-{seed}.json"
            make_missing(path, f"levels, seed {seed}", partial(run, seed))
    print_table()
    return 0


def run(seed: int, show: Any) -> dict[str, Any]:
    """All rows of the table, by one seed."""
    import tempfile

    import numpy as np

    from als_engine import Rows
    from als_engine.agents.training import train_agent
    from als_plugins.imitation.imitate import imitate
    from als_plugins.making.levels import Wish, make_levels, parents_of

    scores = {}
    with tempfile.TemporaryDirectory() as folder:
        begun = Path(folder) / "shown"
        shown = imitate(
            SCENARIO, source="expert", steps=SHOWN, folder=begun, worlds=16, seed=seed,
            arguments=ARGUMENTS, config={"encoder": "mlp"}, device="cpu", on_progress=show,
        )  # fmt: skip
        scores["shown by the expert"] = scored(whole(shown, SHOWN))

        def trained(name: str, steps: int, curriculum: Any) -> None:
            done = train_agent(
                SCENARIO, steps=steps, worlds=16, seed=seed, config=CONFIG, begin=begun,
                curriculum=curriculum, device="cpu", on_progress=show,
            )  # fmt: skip
            scores[name] = scored(whole(done, steps))

        trained("drawn evenly", STEPS, None)
        trained("prioritised level replay", STEPS, {"kind": "plr", "anneal": 50})
        wish = Wish(target=0.5, count=24, parents=12, rounds=1, episodes=2, seed=seed)
        rows = Rows(SCENARIO, 16, observers=1, **ARGUMENTS)
        made, drawn, steps = make_levels(shown.agent, rows, parents_of(begun, 12, seed), wish)
        rows.close()
        chosen = [each.level for each in made]
        trained("made levels", STEPS - steps, {"kind": "plr", "chosen": chosen, "anneal": 24})
    return {
        "command": f"python benchmarks/making_levels.py --seeds {seed + 1}",
        "scores": scores,
        "steps": steps,
        "made": len(made),
        "edited": sum(each.edited_from is not None for each in made),
        "success": round(float(np.mean([each.success for each in made])), 4),
        "success_of_drawn": round(float(np.mean([each.success for each in drawn])), 4),
    }


def scored(trained: Any) -> dict[str, float]:
    """Return and success on test levels."""
    from als_engine.evaluation.protocol import evaluate

    found = evaluate(trained.agent, SCENARIO, EPISODES, arguments=ARGUMENTS)
    return {
        "return": round(found.mean_return.value, 4),
        "success": round(found.success.value, 4),
    }


def print_table() -> None:
    """Prints means over seeds, with 95% intervals."""
    files = sorted(RESULTS.glob("levels-[0-9]*.json"))
    found = [json.loads(path.read_text(encoding="utf-8")) for path in files]
    if not found:
        return
    print("| trained on | seeds | return on test levels | success | better than drawn evenly by |")
    print("| --- | ---: | --- | --- | --- |")
    for arm in ARMS:
        returns, success = (
            [each["scores"][arm][what] for each in found] for what in ("return", "success")
        )
        even = [each["scores"]["drawn evenly"]["return"] for each in found]
        gains = [a - b for a, b in zip(returns, even, strict=True)]
        more = "-" if arm in ARMS[:2] else over_seeds(gains)
        print(f"| {arm} | {len(found)} | {over_seeds(returns)} | {over_seeds(success)} | {more} |")
    for what in ("steps", "made", "edited", "success", "success_of_drawn"):
        print(f"{what}: {sum(each[what] for each in found) / len(found):.2f}", file=sys.stderr)


def draw(path: Path) -> None:
    """Levels, and below each what edits have made of it."""
    from als_engine.simulation import simulate
    from als_engine.task import edited_level
    from als_plugins.making.levels_command import sheet

    levels = []
    for level, edits in ((3, (8, 21)), (12, (5, 9)), (17, (3, 12)), (40, (2, 30))):
        for edit in edits:
            level = edited_level(level, edit)
        levels.append(level)
    simulation = simulate(SCENARIO)
    sheet(path, simulation, levels)
    simulation.close()


if __name__ == "__main__":
    sys.exit(main())
