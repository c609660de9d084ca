"""Runs the examples of `docs/examples`, in environments made of what each says that it needs.

    make examples                      all of them, at a tiny size
    make examples ARGS="sb3 minari"    those whose names have one of these words

The first environment has the versions of `constraints.txt`. An example that cannot be installed
beside those joins another, with the newest versions that go together (of torch, the tested one).
What cannot be installed anywhere is named, with what pip says of it, and is not run.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "tests" / "support"))
examples: Any = import_module("example_files")

PIP = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile")
JUPYTER = ("ipykernel", "nbclient")
"""What executes a notebook, beside what the notebook needs."""
LONGEST = 1800.0
"""How long an installation or a run may take, seconds."""


@dataclass
class Environment:
    """A virtual environment with this checkout, and the examples that are installed in it."""

    place: Path
    constraints: Path
    wanted: list[str] = field(default_factory=lambda: ["als-engine"])
    examples: list[Any] = field(default_factory=list)

    def make(self) -> None:
        """Makes it, with this checkout alone."""
        command = [sys.executable, "-m", "venv", str(self.place)]
        subprocess.run(command, check=True, timeout=LONGEST)
        self._pip("-e", str(ROOT)).check_returncode()

    def take(self, example: Any) -> str:
        """Installs what an example needs beside what is there; why not, where that cannot be."""
        wanted = [*self.wanted, *map(str, example.requirements)]
        wanted += JUPYTER if example.path.suffix == ".ipynb" else ()
        done = self._pip(*wanted)  # All of it, so that pip sees what does not go together.
        if done.returncode:
            errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
            return (errors or done.stderr.splitlines() or ["no reason"])[0]
        self.wanted = wanted
        self.examples.append(example)
        return ""

    def run(self, example: Any) -> subprocess.CompletedProcess[str]:
        """Runs an example at a tiny size; a notebook as Jupyter does."""
        folder = self.place / "run" / example.path.stem
        folder.mkdir(parents=True)
        if example.path.suffix == ".ipynb":
            (folder / example.name).write_text(json.dumps(example.notebook()), encoding="utf-8")
            words = [self._inside("jupyter-execute"), "--inplace", example.name]
        else:
            words = [self._inside("python"), *example.script(folder)]
        alone = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
        alone["PATH"] = os.pathsep.join([str(Path(words[0]).parent), os.environ["PATH"]])
        return subprocess.run(
            words, cwd=folder, env=alone, capture_output=True, text=True, timeout=LONGEST
        )

    def _pip(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [self._inside("python"), *PIP, "-c", str(self.constraints), *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=LONGEST)

    def _inside(self, program: str) -> str:
        return str(self.place / ("Scripts" if sys.platform == "win32" else "bin") / program)


def main(words: list[str]) -> int:
    chosen = [
        each for each in examples.RUN if not words or any(word in each.name for word in words)
    ]
    well = []
    with tempfile.TemporaryDirectory(prefix="als-examples-") as folder:
        environments = install(chosen, Path(folder))
        for number, environment in enumerate(environments, 1):
            for example in environment.examples:
                began = time.monotonic()
                done = environment.run(example)
                well.append(done.returncode == 0)
                verdict = "well" if well[-1] else "NOT WELL"
                took = time.monotonic() - began
                say(f"{example.name} is {verdict} in environment {number} ({took:.0f} s)")
                shown = (
                    [line for line in done.stdout.splitlines() if examples.SHOWS.search(line)]
                    if well[-1]
                    else done.stderr.splitlines()[-20:]
                )
                for line in shown:
                    say(f"    {line}")
    return 0 if well and all(well) else 1


def install(chosen: list[Any], folder: Path) -> list[Environment]:
    """Environments in which the examples are installed, each example in one of them."""
    torch = folder / "torch.txt"
    pins = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    torch.write_text("\n".join(pin for pin in pins if pin.startswith("torch==")), "utf-8")
    environments = [Environment(folder / "1", ROOT / "constraints.txt")]
    environments[0].make()
    for example in chosen:
        for environment in environments:
            if not (why := environment.take(example)):
                break
        else:
            new = Environment(folder / str(len(environments) + 1), torch)
            new.make()
            if not (why := new.take(example)):
                environments.append(new)
        say(f"{example.name} {f'could not be had: {why}' if why else 'is installed'}")
    return environments


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
