"""The physics engines by name: which there are, which are installed, and how to make one."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

from als_engine.checks import one_of
from als_engine.errors import ArgumentError

if TYPE_CHECKING:
    from als_engine.physics.base import Physics


def bullet_package(
    python: tuple[Any, ...] = sys.version_info, system: str = sys.platform
) -> str | None:
    """The distribution that has wheels of the module pybullet; None: none has.

    Args:
        python: the version of Python.
        system: as `sys.platform` names it.
    """
    if python >= (3, 14):
        return None
    return "pybullet" if python < (3, 12) and system == "linux" else "pybullet-arm64"


def default_engine(python: tuple[Any, ...] = sys.version_info) -> str:
    """The default of `physics=`: Bullet, wherever it has wheels.

    It does not depend on what is installed, so that a run means the same on every machine with the
    same Python.
    """
    return "bullet" if bullet_package(python) else "mujoco"


DEFAULT: Final = default_engine()


def _bullet() -> Callable[[int], Physics]:
    from als_engine.physics.bullet.backend import Bullet

    return Bullet


def _mujoco() -> Callable[[int], Physics]:
    from als_engine.physics.mujoco.backend import MuJoCo

    return MuJoCo


@dataclass(frozen=True, slots=True)
class Engine:
    """A physics engine.

    Attributes:
        name: what `physics=` calls it.
        title: what people call it.
        module: what it is imported as.
        packages: the distributions that may bring the module.
        remedy: the command that installs it.
        load: imports it and returns what makes it for a number of worlds.
    """

    name: str
    title: str
    module: str
    packages: tuple[str, ...]
    remedy: str
    load: Callable[[], Callable[[int], Physics]]

    @property
    def version(self) -> str | None:
        """The version that is installed, or None; nothing is imported."""
        if find_spec(self.module) is None:
            return None
        for package in self.packages:
            try:
                return version(package)
            except PackageNotFoundError:
                continue
        return "unknown"


ENGINES: Final = {
    engine.name: engine
    for engine in (
        Engine(
            "bullet", "Bullet", "pybullet", ("pybullet", "pybullet-arm64"),
            f"pip install {bullet_package()}" if bullet_package()
            else 'it has no wheels for this Python, use physics="mujoco"', _bullet,
        ),
        Engine(
            "mujoco", "MuJoCo", "mujoco", ("mujoco",),
            'pip install "als-engine[mujoco]"', _mujoco,
        ),
    )
}  # fmt: skip


def check_physics(name: str) -> str:
    """Returns the name of an engine that is installed.

    Raises:
        ArgumentError: there is none of that name, or it is not installed.
    """
    engine = ENGINES[one_of("physics", name, tuple(ENGINES))]
    if engine.version is None:
        raise ArgumentError(
            f'physics="{name}" needs {engine.title}, which is not installed: {engine.remedy}'
        )
    return name


def preload(arguments: Mapping[str, object]) -> None:
    """Imports the engine that a scenario's arguments name, before a progress bar is drawn.

    An import can print something. What is wrong with the name is said when a world is made.
    """
    engine = ENGINES.get(str(arguments.get("physics", DEFAULT)))
    if engine is not None and engine.version is not None:
        engine.load()


def describe_engines() -> str:
    """Says which engines are installed, and how to get the others."""
    words = (
        f"{engine.name} {engine.version}"
        if engine.version
        else f"{engine.name} is not installed ({engine.remedy})"
        for engine in ENGINES.values()
    )
    return f"Physics: {', '.join(words)}."


def make_physics(name: str, num_worlds: int) -> Physics:
    """Makes an engine for a number of worlds."""
    return ENGINES[name].load()(num_worlds)
