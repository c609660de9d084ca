"""A smoke test of an installed wheel, run by the interpreter that it is installed for.

    /path/to/environment/bin/python tests/smoke/installed.py
    /path/to/environment/bin/python tests/smoke/installed.py everything

Nothing of the checkout is imported but `tests/support/golden.py`. A scenario of each family is
played on each engine, and its states are compared with the recorded ones; `everything` does so for
every scenario, with all that is observed. Then agents are trained, evaluated, put into a benchmark,
bundled and verified; with torch where it is installed.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from importlib import import_module
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path
from typing import Any

import als_engine
from als_engine.physics.engines import ENGINES
from als_engine.plugins.registry import registry

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-c", "from als_engine.cli import main; main()"]
LEARNERS = ("q-learning", "ppo") if find_spec("stable_baselines3") else ("q-learning",)
SUITE = f"""
agents = {json.dumps(["random", "expert", LEARNERS[0]])}
seeds = 1
episodes = 8

[[entries]]
scenario = "ALS/Tag-v0"
arguments = {{ sensors = ["entities", "proprioception"], max_episode_steps = 40 }}
steps = 2_000
"""

sys.path.append(str(ROOT / "tests" / "support"))
golden: Any = import_module("golden")


def main() -> None:
    began = time.monotonic()
    home = Path(als_engine.__file__).parents[1]
    assert home != ROOT, f"{home} is not an installed wheel"
    health = json.loads(als("doctor", "--json"))
    assert health["ok"], health
    say(f"als doctor ({time.monotonic() - began:.0f} s)")
    for engine in ENGINES.values():
        if engine.version:
            began = time.monotonic()
            compare(engine.name, "everything" in sys.argv)
            say(f"{golden.physics(engine.name)} ({time.monotonic() - began:.0f} s)")
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        learn(Path(folder))
    say(f"training, evaluation, bundle and verification ({time.monotonic() - began:.0f} s)")


def compare(engine: str, everything: bool) -> None:
    """Plays one scenario of each family, or every one, and compares with what is recorded."""
    recorded = golden.recorded(engine)
    specs = sorted(registry.scenarios(), key=lambda spec: (spec.family, spec.id))
    firsts = [next(members).id for _, members in groupby(specs, key=lambda spec: spec.family)]
    for played in [spec.id for spec in specs] if everything else firsts:
        found = golden.digests(played, engine, sensors=None if everything else ())
        assert len(set(found["states"])) == len(golden.SEEDS), f"{played}: its worlds are alike"
        if recorded:
            wrong = [name for name in found if found[name] != recorded[played][name]]
            assert not wrong, f"{played} on {engine}: other {', '.join(wrong)}"
    if not recorded:
        say(f"nothing is recorded for {golden.physics(engine)}: played, and not compared")


def learn(folder: Path) -> None:
    on = ["ALS/Tag-v0", "--sensors", "entities,proprioception"]
    for name in LEARNERS:
        als("train", *on, "--agent", name, "--steps", "2000", "--out", folder / name)
        found = json.loads(als("evaluate", folder / name, "--episodes", "8", "--json"))
        assert found["scenario"] == "ALS/Tag-v0"
    found = json.loads(als("evaluate", "expert", "--on", *on, "--episodes", "8", "--json"))
    assert found["scenario"] == "ALS/Tag-v0"
    suite, store, bundle = folder / "wheels.toml", folder / "runs.sqlite", folder / "bundle"
    suite.write_text(SUITE, encoding="utf-8")
    als("bench", "run", suite, "--store", store, "--workers", "1")
    als("bench", "bundle", "--store", store, "--out", bundle)
    als("verify", bundle, "--suite", suite, "--workers", "1")


def als(*words: object) -> str:
    """Runs the installed command, and returns what it prints."""
    command = [*COMMAND, *map(str, words)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, cwd=tempfile.gettempdir())
    said = f"als {' '.join(command[3:])}: exit code {done.returncode}"
    assert done.returncode == 0, f"{said}\n{done.stdout}"
    return done.stdout


def say(line: str) -> None:
    sys.stdout.write(f"  {line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
