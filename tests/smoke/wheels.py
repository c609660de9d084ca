"""Builds the wheel and tries it, installed, on every supported Python that this machine has.

    make wheel               on the Python of .venv, with its libraries
    make wheels              on the others
    make wheels BUDGET=400   the first, then others if they too end in so many seconds

Each of the others gets an environment of its own with the wheel and what it depends on, MuJoCo
included, and no other extra: torch alone takes minutes. Then `installed.py` runs in it, as on a
plain processor: since every kernel is compiled for that Python anyway, one run tells of both. Where
the dependencies cannot be had, for want of a network, say, that Python is named and not tried.
"""

from __future__ import annotations

import glob
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
SMOKE = Path(__file__).with_name("installed.py")
sys.path.append(str(ROOT / "tests" / "support"))
plain_processor: Any = import_module("plain_processor")

PYTHONS = ("3.13", "3.10", "3.12", "3.14", "3.11")
"""The most telling first."""

ASKS = "import ensurepip, sys, venv; print('%d.%d' % sys.version_info[:2], sys.implementation.name)"
QUIET = ["--quiet", "--disable-pip-version-check"]

KIND = "a plain processor" if platform.machine() in ("x86_64", "AMD64") else platform.machine()

LONGEST = 900.0
"""How long one may take, seconds."""


def main(budget: float) -> int:
    end, needed = time.monotonic() + budget, 0.0
    here = "{}.{}".format(*sys.version_info)
    found = {each: path for each in PYTHONS if each != here and (path := find(each))}
    missing = sorted({*PYTHONS} - {*found, here})
    say(f"Beside {here}: {', '.join(found) or 'none'}; not on this machine: {', '.join(missing)}")
    with tempfile.TemporaryDirectory(prefix="als-wheels-") as folder:
        wheel = build(Path(folder))
        for python, path in found.items():
            began, place = time.monotonic(), Path(folder) / python
            if needed and needed > end - began:
                say(f"Python {python} was not tried: {budget:.0f} s are too short for it as well")
                continue
            until = began + LONGEST
            try:
                if not install(path, wheel, place, until):
                    say(f"Python {python} was not tried: its libraries cannot be installed")
                    continue
                say(f"  installed ({time.monotonic() - began:.0f} s)")
                well = smoke(place, until)
            except subprocess.TimeoutExpired:
                say(f"Python {python} was not tried to its end in {LONGEST:.0f} s")
                continue
            verdict, needed = "well" if well else "NOT WELL", time.monotonic() - began
            say(f"Python {python} is {verdict} on {KIND} ({needed:.0f} s)")
            if not well:
                return 1
    return 0


def own() -> int:
    """The wheel on this Python, with the libraries that are here, torch among them."""
    with tempfile.TemporaryDirectory(prefix="als-wheel-") as folder:
        place = Path(folder) / "site"
        wheel = build(Path(folder))
        command = [sys.executable, "-m", "pip", "install", *QUIET, "--no-deps", "--no-compile"]
        subprocess.run([*command, "--target", str(place), str(wheel)], check=True)
        environment = {**os.environ, "PYTHONPATH": str(place)}
        done = subprocess.run([sys.executable, str(SMOKE)], cwd=folder, env=environment)
    return done.returncode


def find(python: str) -> str | None:
    """An interpreter of that version that runs and can make environments."""
    names = [f"{folder}/python{python}" for folder in os.environ["PATH"].split(os.pathsep)]
    names += sorted(glob.glob(os.path.expanduser(f"~/.pyenv/versions/{python}.*/bin/python")))
    for name in names:
        if os.access(name, os.X_OK):
            done = subprocess.run([name, "-c", ASKS], capture_output=True, text=True)
            if done.stdout.split() == [python, "cpython"]:
                return name
    return None


def build(folder: Path) -> Path:
    """The wheel of this checkout."""
    began = time.monotonic()
    command = [sys.executable, "-m", "pip", "wheel", *QUIET, "--no-deps", "-w", str(folder)]
    subprocess.run([*command, str(ROOT)], check=True)
    wheel = next(folder.glob("als_engine-*.whl"))
    say(f"{wheel.name} is built ({time.monotonic() - began:.0f} s)")
    return wheel


def install(python: str, wheel: Path, place: Path, until: float) -> bool:
    """Makes an environment with the wheel, outside the checkout; whether that could be done."""
    subprocess.run([python, "-m", "venv", str(place)], check=True, timeout=_left(until))
    # Bytecode is compiled where it is imported; compiling all of it takes longer.
    command = ["-m", "pip", "install", *QUIET, "--no-compile", "--only-binary", ":all:"]
    command += ["-c", str(ROOT / "constraints.txt"), f"{wheel}[mujoco]"]
    return subprocess.run([_inside(place), *command], timeout=_left(until)).returncode == 0


def smoke(place: Path, until: float) -> bool:
    """Runs the smoke test in an environment, as on a plain processor; whether all went well."""
    given = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    given |= {**plain_processor.PLAIN, "NUMBA_CACHE_DIR": str(place / "kernels")}
    command = [_inside(place), str(SMOKE), "everything"]
    return subprocess.run(command, timeout=_left(until), cwd=place, env=given).returncode == 0


def _inside(place: Path) -> str:
    return str(place / ("Scripts" if sys.platform == "win32" else "bin") / "python")


def _left(until: float) -> float:
    return max(0.1, until - time.monotonic())


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # Else what it runs would go on.
    word = sys.argv[1] if len(sys.argv) > 1 else "inf"
    sys.exit(own() if word == "own" else main(float(word)))
