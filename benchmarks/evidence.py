"""Does pretraining help, and does adaptation? Runs every arm, and prints what can be said.

    python benchmarks/evidence.py run              all that is missing, on two processes
    python benchmarks/evidence.py run tag          one scenario
    python benchmarks/evidence.py table            the tables, from benchmarks/results/evidence/
    python benchmarks/evidence.py docs             puts tables and curves into docs/evidence.md

Every arm is first tuned: each of the learning rates `RATES` is tried with one training, and the
one with the highest return on validation levels is taken. Then come the seeds. Every run of one arm
with one seed is a file of its own, written when it has ended: interrupt it whenever you like, the
same command goes on. The seed is that of everything: experience, pretraining, learner and worlds.
Scores are returns on test levels, where random is 0 and the expert 1; the intervals are 95%
stratified bootstrap intervals of interquartile means over seeds.
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

from arms import ADAPTATION, ARMS, PROBES, RATES, SETTINGS, TUNING, wanted

RESULTS = Path(__file__).parent / "results" / "evidence"
EVERY = [*ARMS, *PROBES, *ADAPTATION]


def main() -> int:
    """Does what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="run what is missing")
    run.add_argument("settings", nargs="*", choices=[*SETTINGS], help="which scenarios")
    run.add_argument("--seeds", type=int, default=5)
    run.add_argument("--jobs", type=int, default=2, help="processes at once")
    run.add_argument("--arms", nargs="*", choices=EVERY, default=EVERY, help="which arms")
    one = commands.add_parser("one", help="one run, in this process")
    one.add_argument("setting", choices=SETTINGS)
    one.add_argument("arm", choices=EVERY)
    one.add_argument("seed", type=int, help=f"{TUNING} tunes it")
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


def path_of(setting: str, arm: str, seed: int, rate: float | None = None) -> Path:
    """The file of one run; of one that tries a learning rate, with it."""
    tried = "" if rate is None else f"-rate-{rate:g}"
    return RESULTS / f"{setting}-{arm}-{seed}{tried}.json"


def read_rows() -> list[dict[str, object]]:
    """Every run that has ended, without those that tuned."""
    paths = sorted(RESULTS.glob("*.json"))
    rows = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
    return [row for row in rows if row["seed"] != TUNING]


def run_one(setting: str, arm: str, seed: int) -> int:
    """Makes one run, or those that tune an arm, and writes a file for each."""
    if seed == TUNING:
        for rate in RATES:
            if not path_of(setting, arm, seed, rate).exists():
                _write(path_of(setting, arm, seed, rate), setting, arm, seed, rate)
    else:
        # What is adapted is the agent of the arm "full".
        tuned = "full" if arm in ADAPTATION else arm
        rate = None if arm in PROBES else best_rate(setting, tuned)
        _write(path_of(setting, arm, seed), setting, arm, seed, rate)
    return 0


def best_rate(setting: str, arm: str) -> float:
    """The learning rate with the highest return on validation levels; a long arm's is the short's.

    Raises:
        SystemExit: it has not been tuned.
    """
    tried = {}
    for rate in RATES:
        path = path_of(setting, arm.removeprefix("long-"), TUNING, rate)
        if not path.exists():
            raise SystemExit(f"{setting}, {arm}: tune it first, by `run`, or by seed {TUNING}")
        tried[rate] = json.loads(path.read_text(encoding="utf-8"))["return"]
    return max(tried, key=lambda rate: tried[rate])


def _write(path: Path, setting: str, arm: str, seed: int, rate: float | None) -> None:
    from arms import run

    from als_engine.system.files import make_folder, write_text

    make_folder(RESULTS)
    write_text(path, json.dumps(run(setting, arm, seed, rate)) + "\n")


def run_missing(settings: list[str], options: argparse.Namespace) -> int:
    """Runs what has no file yet: first what tunes, then seed by seed."""
    tuned = {
        (setting, arm)
        for setting in settings
        for arm in options.arms
        if arm in ARMS and not ARMS[arm].long and arm in wanted(setting)
        if not all(path_of(setting, arm, TUNING, rate).exists() for rate in RATES)
    }
    missing = [
        (setting, arm, seed)
        for seed in range(options.seeds)
        for setting in settings
        for arm in options.arms
        if arm in wanted(setting) and not path_of(setting, arm, seed).exists()
    ]
    tuning = [(setting, arm, TUNING) for setting, arm in sorted(tuned)]
    failed = _in_lanes("tunings", tuning, options.jobs) or _in_lanes("runs", missing, options.jobs)
    if failed:
        print(f"{failed} runs failed", file=sys.stderr)
    return 1 if failed else 0


def _in_lanes(what: str, runs: list[tuple[str, str, int]], jobs: int) -> int:
    """Makes some runs, each in a process of its own; returns how many failed."""
    from als_engine.cli.bars import counting_bar

    # One lane for each seed and setting: its arms share a dataset and an encoder, made once.
    lanes: dict[tuple[str, int], list[str]] = {}
    for setting, arm, seed in runs:
        lanes.setdefault((setting, seed), []).append(arm)
    done, failed = itertools.count(1), 0
    with counting_bar(what) as update, ThreadPoolExecutor(jobs) as pool:
        update(0, len(runs))

        def lane(setting: str, seed: int, arms: list[str]) -> int:
            bad = 0
            for arm in arms:
                command = [sys.executable, __file__, "one", setting, arm, str(seed)]
                bad += subprocess.run(command, check=False).returncode != 0
                update(next(done), len(runs))
            return bad

        for ended in as_completed(
            pool.submit(lane, setting, seed, arms) for (setting, seed), arms in lanes.items()
        ):
            failed += ended.result()
    return failed


if __name__ == "__main__":
    sys.exit(main())
