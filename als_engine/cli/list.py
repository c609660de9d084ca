"""`als list`: everything that is installed, by kind, with who ships it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any, Final

import typer

import als_engine
from als_engine.cli.console import Column, Table, say, say_json, show
from als_engine.cli.shared import Json
from als_engine.errors import ArgumentError, unknown
from als_engine.physics.engines import describe_engines
from als_engine.plugins.discovery import BUNDLED
from als_engine.plugins.registry import registry
from als_engine.plugins.specs import (
    AgentSpec,
    EncoderSpec,
    ScenarioSpec,
    SensorSpec,
    ShapeSpec,
    Spec,
    SuiteSpec,
)

__all__ = ["list_installed", "show_scenarios"]

KINDS: Final = (
    "scenario", "agent", "learner", "encoder", "sensor", "shape", "suite", "command",
)  # fmt: skip
"""In the order in which they are shown."""

_OF_SPECS: Final = {
    ScenarioSpec: "scenario",
    AgentSpec: "agent",
    EncoderSpec: "encoder",
    SensorSpec: "sensor",
    ShapeSpec: "shape",
    SuiteSpec: "suite",
}


@dataclass(frozen=True)
class Item:
    """Something that is installed.

    Attributes:
        kind: one of `KINDS`.
        id: what users type.
        summary: one line.
        distribution: who ships it.
        version: of the distribution; empty for what is not installed but added by a program.
        fields: of its spec.
    """

    kind: str
    id: str
    summary: str
    distribution: str = BUNDLED
    version: str = als_engine.__version__
    fields: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Returns what `--json` shows of it."""
        who = {"distribution": self.distribution, "version": self.version}
        return {"kind": self.kind, "id": self.id, "summary": self.summary, **self.fields, **who}


def list_installed(
    context: typer.Context,
    kind: Annotated[
        str | None,
        typer.Argument(help="Only these: scenario, agent, learner, sensor, suite and so on."),
    ] = None,
    as_json: Json = False,
) -> None:
    """List what is installed: scenarios, agents, learners, encoders, sensors, suites, commands."""
    kinds = KINDS if kind is None else (_kind(kind),)
    items = [*_offered(), *_sensors(), *_commands(context.find_root().command)]
    shown = [item for kind in kinds for item in items if item.kind == kind]
    if as_json:
        say_json([item.as_dict() for item in shown])
        return
    for each in kinds:
        _print_table(each, [item for item in shown if item.kind == each])
    if "scenario" in kinds:
        say(describe_engines(), style="dim")
    if failures := registry.failures():
        what = "plugin" if len(failures) == 1 else "plugins"
        say(f"{len(failures)} {what} failed to load: see `als plugins`.", error=True)


def show_scenarios() -> None:
    """Prints the installed scenarios, and the physics engines."""
    _print_table("scenario", [item for item in _offered() if item.kind == "scenario"])
    say(describe_engines(), style="dim")


def _kind(word: str) -> str:
    """The kind that a word names, in the singular or in the plural."""
    kind = word if word in KINDS else word.removesuffix("s")
    if kind not in KINDS:
        raise ArgumentError(unknown("kind", word, KINDS))
    return kind


def _offered() -> Iterator[Item]:
    """What the plugins offer, the bundled ones first."""
    for plugin in registry.plugins():
        for spec in plugin.specs:
            kind, who = _kind_of(spec), (plugin.distribution, plugin.version)
            yield Item(kind, spec.id, spec.summary, *who, spec.as_dict())


def _kind_of(spec: Spec) -> str:
    if isinstance(spec, AgentSpec) and spec.trainable:
        return "learner"
    return _OF_SPECS[type(spec)]


def _sensors() -> Iterator[Item]:
    """The engine's own sensors, which are no plugins."""
    from als_engine.sensors import SUMMARIES

    for name, summary in SUMMARIES.items():
        yield Item("sensor", name, summary)


def _commands(group: Any, before: str = "") -> Iterator[Item]:
    """The commands of a group, and those of the groups in it.

    Who ships one was written down when `als` was put together.
    """
    owners = {name: plugin for plugin in registry.plugins() for name in plugin.commands}
    for name, command in group.commands.items():
        path = f"{before}{name}"
        if hasattr(command, "commands"):
            yield from _commands(command, f"{path} ")
            continue
        plugin = owners.get(path.partition(" ")[0])
        who = (plugin.distribution, plugin.version) if plugin else ()
        yield Item("command", path, command.get_short_help_str(200), *who)


def _print_table(kind: str, items: list[Item]) -> None:
    """Prints the items of a kind; scenarios by family."""
    if not items:
        return
    more = ("family", "avatars") if kind == "scenario" else ()
    table = Table((*more[:1], Column("id", whole=True), *more[1:], "from", "summary"), f"{kind}s")
    last = ""
    for item in sorted(items, key=_family) if more else items:
        cells: list[object] = [item.id, f"{item.distribution} {item.version}".strip(), item.summary]
        if more:
            family = _family(item)
            cells.insert(1, f"{item.fields['min_avatars']}-{item.fields['max_avatars']}")
            cells.insert(0, family if family != last else "")
            last = family
        table.row(*cells)
    show(table)


def _family(item: Item) -> str:
    return item.fields["family"] or "other"
