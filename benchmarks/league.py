"""A league for ALS/Tag-v0: an agent that plays against itself, and exploiters trained against it.

    python benchmarks/league.py --rounds 3 --out runs/league
    python benchmarks/league.py --out runs/league --table

In each round the agent goes on with self-play, in which all exploiters so far are rivals; then a
fresh learner is trained against it in each role, and joins them (Vinyals et al. 2019). The table
says what the exploiters of each round took from the agent, on validation levels: one may stop by
it. Each training is a folder, so that an interrupted call goes on with the first one that is
missing.
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
ROLES = ("chaser", "evader")
ARGUMENTS = {"sensors": ["entities", "proprioception", "role"], "action_mode": "continuous"}


def main() -> int:
    """Runs what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=300_000, help="of the agent, in each round")
    parser.add_argument("--exploiting", type=int, default=200_000, help="steps of each exploiter")
    parser.add_argument("--worlds", type=int, default=32)
    parser.add_argument("--episodes", type=int, default=100, help="to measure what they take")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("runs/league"))
    parser.add_argument("--table", action="store_true", help="print what is there")
    options = parser.parse_args()
    if not options.table:
        for number in range(options.rounds):
            play_round(number, options)
    print_table(options.out)
    return 0


def play_round(number: int, options: argparse.Namespace) -> None:
    """One round: self-play, then an exploiter in the place of each opponent."""
    from als_engine.agents.training import SelfPlay, finished_training, train_agent
    from als_engine.agents.training_folder import TrainingFolder
    from als_engine.cli.bars import training_bar

    out: Path = options.out
    folder, before = out / f"main-{number}", out / f"main-{number - 1}"
    rivals = [f"{path.parent}" for path in sorted(out.glob("exploiter-*/exploit.json"))]
    rivals = [name for name in rivals if int(name.rpartition("-")[2]) < number]
    if not (TrainingFolder(folder).begun and finished_training(folder)):
        print(f"round {number}: self-play against {len(rivals)} exploiters", file=sys.stderr)
        with training_bar() as show:
            trained = train_agent(
                SCENARIO,
                "mappo",
                steps=options.steps,
                worlds=options.worlds,
                folder=folder,
                seed=options.seed + number,
                arguments=ARGUMENTS,
                checkpoint_every=max(1, options.steps // 12),
                begin=before if number else None,
                self_play=SelfPlay(rivals=rivals),
                on_progress=show,
            )
        whole(trained, options.steps)
    for role in ROLES:
        exploiter = out / f"exploiter-of-{role}-{number}"
        if not (exploiter / "exploit.json").exists():
            print(f"round {number}: an exploiter of the {role}", file=sys.stderr)
            train_exploiter(folder, role, exploiter, options)


def train_exploiter(agent: Path, role: str, out: Path, options: argparse.Namespace) -> None:
    """Trains a fresh learner against the agent in a role, and saves it with what it took."""
    from als_engine.cli.bars import training_bar
    from als_engine.evaluation.splits import CHOOSING
    from als_engine.system.files import write_text
    from als_plugins.crossplay.exploiting import exploit
    from als_plugins.crossplay.matches import open_side

    opened, ground = open_side([agent], None, {"role": role})
    with training_bar() as show:
        found = exploit(
            opened[0],
            ground,
            steps=options.exploiting,
            worlds=options.worlds,
            seed=options.seed,
            episodes=options.episodes,
            split=CHOOSING,
            folder=out,
            on_progress=show,
        )
    write_text(out / "exploit.json", json.dumps(found.as_dict(), indent=2) + "\n")


def print_table(out: Path) -> None:
    """What the agent got in each round against itself, scripted behaviours and exploiters."""
    print("| round | role | against itself | scripted behaviours | exploiter | exploitability |")
    print("| ---: | --- | ---: | ---: | ---: | ---: |")
    files = out.glob("exploiter-of-*/exploit.json")
    for path in sorted(files, key=lambda file: (_round(file), file)):
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        each = [
            f"{found['against'][who]['return']['value']:.2f}"
            for who in ("itself", "company", "response")
        ]
        cells = [f"{_round(path)}", found["role"], *each, f"{found['exploitability']:.2f}"]
        print(f"| {' | '.join(cells)} |")


def _round(path: Path) -> int:
    return int(path.parent.name.rpartition("-")[2])


if __name__ == "__main__":
    sys.exit(main())
