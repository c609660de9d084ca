"""Times an author's first minutes: the wheel in a fresh environment, `als new scenario`, its tests.

    make fresh

1. Builds the wheel, and downloads it with all that it needs: that is not counted.
2. In a new environment, without a network: installs the wheel, writes a package with `als new
   scenario`, installs that with its extra `dev`, runs its tests, and `als check` of it.
3. Runs both again, with the kernels that the first runs have compiled: the difference is what
   compiling takes.

Prints the seconds of each step: of all processors together (user and system), and of the clock. On
a busy machine the clock says nothing, and processors take up to twice as long for the same work.
Exit code 1 where a step fails, or where the second part takes longer than `LIMIT` by both.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.append(str(Path(__file__).parent))

import wheels

LIMIT = 120.0
NAME = "fetch-kettle"
NEEDED = ("hatchling", "editables", "pip", "mypy>=1.15", "pytest>=8.3", "ruff>=0.9")
"""What building and testing the new package takes, beside the engine."""


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="als-fresh-") as name:
        folder = Path(name)
        wheel = wheels.build(folder)
        stock = folder / "stock"
        pip = [sys.executable, "-m", "pip", "download", *wheels.QUIET, "-d", str(stock)]
        pip += ["-c", str(wheels.ROOT / "constraints.txt"), "--only-binary", ":all:"]
        step("download, not counted", [*pip, str(wheel), *NEEDED], folder)
        return first_minutes(folder, stock)


def first_minutes(folder: Path, stock: Path) -> int:
    """Installs, writes, tests and checks; 1 where that takes too long."""
    place = folder / "env"
    python = wheels._inside(place)
    # Nothing that this user has compiled or installed before counts.
    own = {"NUMBA_CACHE_DIR": str(folder / "kernels"), "XDG_CACHE_HOME": str(folder / "cache")}
    own |= {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(stock), "PIP_NO_CACHE_DIR": "1"}
    made = folder / NAME
    pip = [python, "-m", "pip", "install", *wheels.QUIET, "--no-compile"]
    als = [python, "-c", "from als_engine.cli import main; main()"]
    tests = [python, "-m", "pytest", "-q"]
    check = [*als, "check", NAME]
    spent, began = 0.0, time.monotonic()
    for what, command, where in (
        ("python -m venv env", [sys.executable, "-m", "venv", str(place)], folder),
        ("pip install the wheel", [*pip, *map(str, stock.glob("als_engine-*.whl"))], folder),
        (f"als new scenario {NAME}", [*als, "new", "scenario", NAME], folder),
        (f"pip install -e './{NAME}[dev]'", [*pip, "-e", f"{made}[dev]"], folder),
        ("pytest", tests, made),
        (f"als check {NAME}", check, made),
    ):
        spent += step(what, command, where, own)
    taken = time.monotonic() - began
    wheels.say(f"{spent:6.1f} s of processors, {taken:6.1f} s by the clock in all, of {LIMIT:.0f}")
    for what, command in (("pytest again", tests), (f"als check {NAME} again", check)):
        step(f"{what}, all compiled", command, made, own)
    return int(min(spent, taken) > LIMIT)


def step(what: str, command: list[str], where: Path, own: dict[str, str] | None = None) -> float:
    """Runs a command, and says how long it took; returns its processor seconds."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    began, before = time.monotonic(), _used()
    done = subprocess.run(
        command,
        cwd=where,
        env=kept | (own or {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    taken, used = time.monotonic() - began, _used() - before
    wheels.say(f"{used:6.1f} s of processors, {taken:6.1f} s by the clock: {what}")
    if done.returncode:
        wheels.say(done.stdout)
        raise SystemExit(1)
    return used


def _used() -> float:
    """Processor seconds of all processes that have ended, and of theirs."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    sys.exit(main())
