"""Builds the wheel and tries it, installed, on every supported Python that this machine has.

    make wheel               on the Python of .venv, with its libraries
    make wheels              on the others
    make wheels BUDGET=400   another one is begun only if it should end in so many seconds

Each of the others gets an environment of its own with the wheel and what it depends on, MuJoCo
included, and no other extra: torch alone takes minutes. Then `installed.py` runs in it. The first
one is tried however long it takes.
"""

from __future__ import annotations

import glob
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
SMOKE = Path(__file__).with_name("installed.py")

PYTHONS = ("3.13", "3.10", "3.12", "3.14", "3.11")
"""The most telling first."""

PATIENCE = 1200
"""Seconds that one of them may take."""

ASKS = "import ensurepip, sys, venv; print('%d.%d' % sys.version_info[:2], sys.implementation.name)"
QUIET = ["--quiet", "--disable-pip-version-check"]


def main(budget: float) -> int:
    began, longest = time.monotonic(), 0.0
    here = "{}.{}".format(*sys.version_info)
    found = {each: path for each in PYTHONS if each != here and (path := find(each))}
    missing = sorted({*PYTHONS} - {*found, here})
    say(f"Beside {here}: {', '.join(found) or 'none'}; not on this machine: {', '.join(missing)}")
    with tempfile.TemporaryDirectory(prefix="als-wheels-") as folder:
        wheel = build(Path(folder))
        for tried, (python, path) in enumerate(found.items()):
            started = time.monotonic()
            if tried and started - began + longest > budget:
                say(f"Not tried, for want of time: {', '.join([*found][tried:])}")
                break
            try:
                smoke(path, wheel, Path(folder) / python)
            except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
                say(f"Python {python}: {error}")
                return 1
            longest = max(longest, time.monotonic() - started)
            say(f"Python {python} is well ({time.monotonic() - started:.0f} s)")
    return 0


def own() -> int:
    """The wheel on this Python, with the libraries that are here, torch among them."""
    with tempfile.TemporaryDirectory(prefix="als-wheel-") as folder:
        place = Path(folder) / "site"
        wheel = build(Path(folder))
        command = [sys.executable, "-m", "pip", "install", *QUIET, "--no-deps", "--no-compile"]
        subprocess.run([*command, "--target", str(place), str(wheel)], check=True)
        # The sources are the same, so what the checkout has compiled need not be compiled again.
        for package in ("als_engine", "scenarios/als_scenarios", "plugins/als_plugins"):
            source, into = ROOT / package, place / Path(package).name
            for file in source.rglob("*.nb[ic]"):
                copy = into / file.relative_to(source)
                copy.parent.mkdir(exist_ok=True)
                shutil.copyfile(file, copy)
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
    subprocess.run([*command, str(ROOT)], check=True, timeout=PATIENCE)
    wheel = next(folder.glob("als_engine-*.whl"))
    say(f"{wheel.name} is built ({time.monotonic() - began:.0f} s)")
    return wheel


def smoke(python: str, wheel: Path, place: Path) -> None:
    """An environment with the wheel, and the smoke test in it, outside the checkout."""
    began = time.monotonic()
    subprocess.run([python, "-m", "venv", str(place)], check=True, timeout=PATIENCE)
    inside = str(place / ("Scripts" if sys.platform == "win32" else "bin") / "python")
    # Bytecode is compiled where it is imported; compiling all of it takes longer.
    command = [inside, "-m", "pip", "install", *QUIET, "--no-compile", "--only-binary", ":all:"]
    command += ["-c", str(ROOT / "constraints.txt"), f"{wheel}[mujoco]"]
    subprocess.run(command, check=True, timeout=PATIENCE)
    say(f"  installed ({time.monotonic() - began:.0f} s)")
    given = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [inside, str(SMOKE)]
    subprocess.run(command, check=True, timeout=PATIENCE, cwd=place, env=given)


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # Else what it runs would go on.
    word = sys.argv[1] if len(sys.argv) > 1 else "inf"
    sys.exit(own() if word == "own" else main(float(word)))
