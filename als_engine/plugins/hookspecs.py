"""The whole plugin surface: eleven hooks; a plugin marks those it implements with `@hookimpl`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final, Protocol

import pluggy

from als_engine.plugins.specs import (
    AgentSpec,
    EncoderSpec,
    EpisodeRecord,
    ScenarioSpec,
    SensorSpec,
    ShapeSpec,
    SuiteSpec,
)

if TYPE_CHECKING:
    from pathlib import Path

    import typer

    from als_engine.plugins.findings import Finding, Purged
    from als_engine.simulation import Simulation

PROJECT = "als_engine"  # The pluggy project, and the entry-point group that plugins are found in.

API_VERSION: Final = 1
"""Of the hooks and specs. A plugin may say which it is written for: see `docs/plugins.md`."""

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def als_scenarios() -> Iterable[ScenarioSpec]:  # type: ignore[empty-body]
    """Returns the scenarios that the plugin offers."""


@hookspec
def als_sensors() -> Iterable[SensorSpec]:  # type: ignore[empty-body]
    """Returns the sensors that the plugin offers to every scenario."""


@hookspec
def als_shapes() -> Iterable[ShapeSpec]:  # type: ignore[empty-body]
    """Returns the shapes that the plugin offers for props."""


@hookspec
def als_agents() -> Iterable[AgentSpec]:  # type: ignore[empty-body]
    """Returns the agents and learners that the plugin offers."""


@hookspec
def als_encoders() -> Iterable[EncoderSpec]:  # type: ignore[empty-body]
    """Returns the observation encoders that the plugin offers."""


@hookspec
def als_suites() -> Iterable[SuiteSpec]:  # type: ignore[empty-body]
    """Returns the benchmark suites that the plugin offers."""


@hookspec
def als_commands(app: typer.Typer) -> None:
    """Adds commands to the `als` command line, with `app.command()` or `app.add_typer()`."""


@hookspec
def als_episode_end(record: EpisodeRecord) -> None:
    """Called when an episode ends, in the process in which it ends."""


@hookspec
def als_doctor(report: Callable[[Finding], None]) -> None:
    """Tells `als doctor` what the plugin needs from this machine, by calls of `report`."""


class Purger(Protocol):
    """Takes a person out of files or folders of one kind, so that no byte of them stays."""

    def __call__(self, path: Path, person: str, /) -> Purged | None:
        """Takes a person out, if the path is of this kind; called again, it goes on.

        Args:
            path: a file or a folder.
            person: what they are called there, such as a pseudonym.

        Returns:
            What was in it; None where it is of another kind, which is then as it was.

        Raises:
            ALSError: it is of this kind, and cannot be read or written.
        """


@hookspec
def als_purge(add: Callable[[Purger], None]) -> None:
    """Adds what takes persons out of the plugin's files and folders, for `als data purge`."""


class Onlooker(Protocol):
    """Looks at the worlds of a simulation, and changes nothing: no array, and no random state."""

    def look(self) -> None:
        """Called after every step, in the process that makes it."""

    def close(self) -> None:
        """Called when the simulation is closed."""


@hookspec
def als_watch(simulation: Simulation, add: Callable[[Onlooker], None]) -> None:
    """Adds onlookers to a simulation of a run that can be watched: see `system/watched.py`."""
