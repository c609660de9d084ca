"""The examples in `docs/examples`: what each asks for, how it is run in seconds, what it prints."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any, Final

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from places import ROOT

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FOLDER: Final = ROOT / "docs" / "examples"
_BLOCK = re.compile(r"(?m)^# /// script$\s(?P<content>(^#(| .*)$\s)+)^# ///$")
"""As PEP 723 has it."""

TINY: Final[dict[str, str]] = {
    "benchmarl_mappo.py": "--steps 200 --batch 100 --episodes 1 --limit 20",
    "cleanrl_ppo.py": "--steps 256 --envs 4 --episodes 4",
    "gymnasium_wrappers.py": "--episodes 1 --limit 12",
    "minari_dataset.py": "--episodes 2 --epochs 1",
    "optuna_search.py": "--trials 2 --steps 4096 --episodes 2",
    "rllib_ppo.py": "--iterations 1 --batch 200 --episodes 1 --limit 20",
    "sb3_ppo.py": "--steps 256 --worlds 4 --episodes 2",
    "supersuit_ppo.py": "--steps 512 --worlds 2 --episodes 2 --limit 20",
    "tianshou_dqn.py": "--steps 400 --envs 2 --episodes 4",
    "torchrl_ppo.py": "--steps 512 --envs 4",
    "tour.ipynb": "WALK, STEPS, EPISODES = 8, 1024, 2",
}
"""Options of a script, or what a notebook's cell with the tag "parameters" says instead."""

SERVED: Final = "drive.py"
"""It drives an avatar of a served world: `tests/als_plugins/serve/test_show.py` runs it."""


@dataclass(frozen=True)
class Example:
    """A script or a notebook.

    Attributes:
        path: its file.
    """

    path: Path

    @property
    def name(self) -> str:
        """Its file's name."""
        return self.path.name

    @property
    def code(self) -> str:
        """The Python in it: of a notebook, all cells one after the other."""
        return "\n".join(self._cells(shown=True))

    @property
    def metadata(self) -> dict[str, Any]:
        """Its inline script metadata."""
        (found,) = _BLOCK.finditer(self.code + "\n")
        lines = found["content"].splitlines()
        return tomllib.loads("\n".join(line[2:] for line in lines))

    @property
    def requirements(self) -> list[Requirement]:
        """What it asks for, without this project."""
        wanted = map(Requirement, self.metadata["dependencies"])
        return [each for each in wanted if each.name != "als-engine"]

    def missing(self) -> list[str]:
        """What of it is not here, each with the reason."""
        missing = []
        if sys.version_info < _oldest(self.metadata["requires-python"]):
            missing.append(f"Python {self.metadata['requires-python']}")
        for each in self.requirements:
            missing += _missing(each)
            for extra in each.extras if not missing else ():
                for brought in map(Requirement, requires(each.name) or ()):
                    if brought.marker and brought.marker.evaluate({"extra": extra}):
                        missing += _missing(brought)
        return missing

    def script(self, folder: Path) -> list[str]:
        """Arguments for Python that run it at a tiny size; a notebook is made a script for it."""
        if self.path.suffix == ".py":
            return [str(self.path), *TINY[self.name].split()]
        script = folder / f"{self.path.stem}.py"
        script.write_text("\n".join(self._cells(shown=False)), encoding="utf-8")
        return [str(script)]

    def notebook(self) -> dict[str, Any]:
        """The notebook, at a tiny size."""
        made: dict[str, Any] = json.loads(self.path.read_text(encoding="utf-8"))
        for cell in made["cells"]:
            if "parameters" in cell["metadata"].get("tags", ()):
                cell["source"] = TINY[self.name]
        return made

    def _cells(self, shown: bool) -> Iterator[str]:
        if self.path.suffix == ".py":
            yield self.path.read_text(encoding="utf-8")
            return
        whole = json.loads(self.path.read_text(encoding="utf-8")) if shown else self.notebook()
        for cell in whole["cells"]:
            if cell["cell_type"] == "code":
                yield "".join(cell["source"])


def _missing(wanted: Requirement) -> list[str]:
    """Why a requirement is not met here; nothing where it is."""
    try:
        found = version(wanted.name)
    except PackageNotFoundError:
        return [f"{wanted.name}{wanted.specifier}, which is not installed"]
    met = wanted.specifier.contains(found, prereleases=True)
    return [] if met else [f"{wanted.name}{wanted.specifier}, not {found}"]


def _oldest(versions: str) -> tuple[int, ...]:
    """The first version of Python that is meant."""
    (first,) = SpecifierSet(versions)
    return tuple(map(int, first.version.split(".")))


EXAMPLES: Final = tuple(
    Example(path) for path in sorted(FOLDER.iterdir()) if path.suffix in (".py", ".ipynb")
)
RUN: Final = tuple(example for example in EXAMPLES if example.name != SERVED)
SHOWS: Final = re.compile(r"random:? (?:return )? *-?\d+\.\d\d")
"""What every training prints: what actions by chance earn, beside what was learnt."""
