"""Does pretraining help, and does adaptation? Runs every arm, and prints what can be said.

    python benchmarks/evidence.py run              all that is missing, on two processes
    python benchmarks/evidence.py run tag          one scenario
    python benchmarks/evidence.py table            the tables, from benchmarks/results/evidence/
    python benchmarks/evidence.py docs             puts tables and curves into docs/evidence.md

Every run of one arm with one seed is a file of its own, written when it has ended: interrupt it
whenever you like, the same command goes on. The seed is that of everything: experience,
pretraining, learner and worlds. Scores are returns on held-out levels, where random is 0 and the
expert 1; the intervals are 95% stratified bootstrap intervals of interquartile means over seeds.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parent))

from arms import ADAPTATION, ARMS, SETTINGS

RESULTS = Path(__file__).parent / "results" / "evidence"


def main() -> int:
    """Does what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="run what is missing")
    run.add_argument("settings", nargs="*", choices=[*SETTINGS], help="which scenarios")
    run.add_argument("--seeds", type=int, default=5)
    run.add_argument("--jobs", type=int, default=2, help="processes at once")
    run.add_argument("--arms", nargs="*", default=[*ARMS, *ADAPTATION], help="which arms")
    one = commands.add_parser("one", help="one run, in this process")
    one.add_argument("setting", choices=SETTINGS)
    one.add_argument("arm", choices=[*ARMS, *ADAPTATION])
    one.add_argument("seed", type=int)
    commands.add_parser("table", help="print what there is")
    commands.add_parser("docs", help="put what there is into the docs")
    options = parser.parse_args()
    if options.command == "run":
        return run_missing(options.settings or list(SETTINGS), options)
    if options.command == "one":
        return run_one(options.setting, options.arm, options.seed)
    from tables import print_tables, write_docs

    rows = read_rows()
    if options.command == "table":
        print_tables(rows)
    else:
        write_docs(rows)
    return 0


def path_of(setting: str, arm: str, seed: int) -> Path:
    """The file of one run."""
    return RESULTS / f"{setting}-{arm}-{seed}.json"


def read_rows() -> list[dict[str, object]]:
    """Every run that has ended."""
    paths = sorted(RESULTS.glob("*.json"))
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths]


def run_one(setting: str, arm: str, seed: int) -> int:
    """Makes one run and writes its file."""
    from arms import run

    from als_engine.system.files import write_text

    result = run(setting, arm, seed)
    write_text(path_of(setting, arm, seed), json.dumps(result) + "\n")
    return 0


def run_missing(settings: list[str], options: argparse.Namespace) -> int:
    """Runs what has no file yet; pretraining comes first, since arms share it."""
    from als_engine.cli.bars import counting_bar

    wanted = [
        (setting, arm, seed)
        for seed in range(options.seeds)
        for setting in settings
        for arm in options.arms
        if not path_of(setting, arm, seed).exists()
        and (SETTINGS[setting].drift or arm not in ADAPTATION)
    ]
    failed = 0
    # One lane for each seed and setting: its arms share a dataset and an encoder, made once.
    lanes: dict[tuple[str, int], list[str]] = {}
    for setting, arm, seed in wanted:
        lanes.setdefault((setting, seed), []).append(arm)
    done = itertools.count(1)
    with counting_bar("runs") as update, ThreadPoolExecutor(options.jobs) as pool:
        update(0, len(wanted))

        def lane(setting: str, seed: int, arms: list[str]) -> int:
            bad = 0
            for arm in arms:
                command = [sys.executable, __file__, "one", setting, arm, str(seed)]
                bad += subprocess.run(command, check=False).returncode != 0
                update(next(done), len(wanted))
            return bad

        for ended in as_completed(
            pool.submit(lane, setting, seed, arms) for (setting, seed), arms in lanes.items()
        ):
            failed += ended.result()
    if failed:
        print(f"{failed} runs failed", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
