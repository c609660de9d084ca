"""Asks one plugin's hooks, and refuses answers that are not what a hook returns."""

from __future__ import annotations

import re
import traceback
from collections.abc import Mapping
from contextlib import AbstractContextManager
from importlib.metadata import EntryPoint
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

import pluggy

from als_engine.errors import ALSError, PluginError, unknown
from als_engine.plugins import hookspecs
from als_engine.plugins.containment import PATIENCE, Contained, caught, contained, describe
from als_engine.plugins.discovery import BUNDLED, Plugin
from als_engine.plugins.hookspecs import API_VERSION
from als_engine.plugins.names import Names
from als_engine.plugins.specs import (
    AgentSpec,
    EncoderSpec,
    ScenarioSpec,
    SensorSpec,
    ShapeSpec,
    Spec,
    SuiteSpec,
    namespace_of,
)

if TYPE_CHECKING:
    import typer

__all__ = [
    "KINDS",
    "Entries",
    "Entry",
    "Loaded",
    "ask",
    "call",
    "check_api",
    "check_hooks",
    "check_ids",
    "commands",
    "has",
    "in_place",
    "keep_failure",
    "last_own_place",
    "reason",
]

KINDS: dict[type[Spec], str] = {
    ScenarioSpec: "scenario",
    SensorSpec: "sensor",
    ShapeSpec: "shape",
    AgentSpec: "agent",
    EncoderSpec: "encoder",
    SuiteSpec: "suite",
}

_COMMAND: Final = re.compile("[a-z][a-z0-9-]*")
"""Nothing that looks like another command, or that acts on a terminal."""

_MOST_SPECS: Final = 10_000
"""More than anybody offers; a hook may be a generator that has no end."""


class Entry(NamedTuple):
    """A spec and where it came from."""

    spec: Spec
    plugin: Plugin


class Loaded(NamedTuple):
    """A plugin whose hooks are called; `point` is None for one that is not installed."""

    plugin: Plugin
    hooks: object
    point: EntryPoint | None


Entries = dict[type[Spec], dict[str, Entry]]
"""By kind and id."""


def check_hooks(manager: pluggy.PluginManager, hooks: object) -> None:
    """Refuses a plugin without hooks and a misspelt hook, which pluggy both lets pass."""
    callers = manager.get_hookcallers(hooks) or []
    if not callers:
        raise PluginError("it has no hooks; is each of them marked with @hookimpl?")
    for caller in callers:
        if not caller.has_spec():
            names = [name for name in dir(hookspecs) if name.startswith("als_")]
            raise PluginError(unknown("hook", caller.name, names))


def check_api(plugin: Plugin) -> None:
    """Refuses a plugin that says it is written for another version of the plugin API than ours."""
    if not plugin.api:
        return
    if not plugin.api.isdecimal():
        raise PluginError(f'als_engine.api must be a whole number, got "{plugin.api}"')
    if (theirs := int(plugin.api)) != API_VERSION:
        older = BUNDLED if theirs > API_VERSION else plugin.distribution
        raise PluginError(
            f"it is written for version {theirs} of the plugin API, and {BUNDLED} has version "
            f"{API_VERSION}: upgrade {older}"
        )


def ask(manager: pluggy.PluginManager, hooks: object) -> list[Spec]:
    """Returns what one plugin offers."""
    offered: list[Spec] = []
    for kind, noun in KINDS.items():
        hook = f"als_{noun}s"
        try:
            answers = call(manager, hook, hooks)
            if not answers and has(manager, hook, hooks):
                raise PluginError("it returned None; is there a `return`?")
            specs = [spec for answer in answers for spec in islice(answer, _MOST_SPECS + 1)]
        except BaseException as error:
            raise PluginError(f"{hook}: {reason(error)}") from error
        if len(specs) > _MOST_SPECS:
            raise PluginError(f"{hook} must return at most {_MOST_SPECS} {kind.__name__}s")
        for spec in specs:
            if type(spec) is not kind:
                raise PluginError(f"{hook} must return {kind.__name__}s, got {_shown(spec)}")
        offered += specs
    return offered


def call(manager: pluggy.PluginManager, hook: str, hooks: object, **arguments: Any) -> list[Any]:
    """Calls one hook of one plugin, so that a failure can be laid at the right door."""
    others = manager.get_plugins() - {hooks}
    return cast("list[Any]", manager.subset_hook_caller(hook, others)(**arguments))


def has(manager: pluggy.PluginManager, hook: str, hooks: object) -> bool:
    """Whether a plugin implements a hook."""
    callers = manager.get_hookcallers(hooks) or []
    return any(caller.name == hook for caller in callers)


def commands(manager: pluggy.PluginManager, hooks: object) -> tuple[typer.Typer, list[str]]:
    """Returns one plugin's commands in an app of their own, and their names."""
    import typer

    own = typer.Typer(name="als", add_completion=False)
    call(manager, "als_commands", hooks, app=own)
    if own.registered_callback is not None:
        raise PluginError("als_commands adds commands, and no options of `als` itself")
    if not (own.registered_commands or own.registered_groups):
        return own, []
    # Typer reads the signatures only here: a wrong one is this plugin's, and not everybody's.
    names = list(typer.main.get_group(own).commands)
    for name in names:
        if not _COMMAND.fullmatch(name):
            raise PluginError(
                f"command {name!a} must be of small letters, digits and hyphens alone"
            )
    return own, names


def in_place(
    plugin: Plugin, doing: str, *, divert: bool = True
) -> AbstractContextManager[Contained]:
    """Runs a plugin's code; ours is trusted with the process, and is not watched."""
    if plugin.distribution == BUNDLED:
        return caught()
    return contained(plugin.distribution, doing, PATIENCE, divert=divert, can_end=True)


def reason(error: BaseException) -> str:
    """Returns what an error says: ours are sentences, others need their type."""
    return " ".join(str(error).split()) if isinstance(error, ALSError) else describe(error)


def _shown(value: object) -> str:
    try:
        return repr(value)[:200]
    except BaseException:
        return f"a {type(value).__name__}"


def check_ids(entries: Entries, names: Names, plugin: Plugin, offered: list[Spec]) -> None:
    """Refuses duplicates and other people's namespaces, naming both distributions."""
    seen: set[tuple[type[Spec], str]] = set()
    for spec in offered:
        kind, name = KINDS[type(spec)], spec.id
        what = f'{kind} "{name}" of {plugin.distribution}'
        other = _whose(entries[type(spec)], name) or names.held(kind, name, plugin.distribution)
        # Ids that differ in capitals alone are a slip, or a trap.
        if other or (type(spec), name.casefold()) in seen:
            raise PluginError(f"{what} exists already, from {other or plugin.distribution}")
        seen.add((type(spec), name.casefold()))
        namespace = namespace_of(name)
        if isinstance(spec, (SensorSpec, ShapeSpec)) and not namespace:
            # Every scenario may be made with it, also one that is installed later.
            raise PluginError(
                f'{what} needs a namespace, such as "{plugin.distribution}/{name}": names '
                f"without one belong to {BUNDLED} and to the scenarios' own sensors"
            )
        if reason := names.why_not(plugin.distribution, namespace):
            raise PluginError(f"{what}: {reason}")


def _whose(entries: Mapping[str, Entry], id: str) -> str:
    """Returns who offers an id, in whatever capitals, or `''`."""
    if entry := entries.get(id):
        return entry.plugin.distribution
    folded = id.casefold()
    return next((e.plugin.distribution for i, e in entries.items() if i.casefold() == folded), "")


def keep_failure(plugin: Plugin, error: BaseException) -> None:
    """Writes down why a plugin failed: one line for people, the traceback for its author."""
    plugin.error = reason(error)
    root = error
    while isinstance(root, PluginError) and root.__cause__ is not None:
        root = root.__cause__
    # What we raise says what the plugin must not do; all else is its own code that fails.
    plugin.status = "refused" if isinstance(root, ALSError) else "failed"
    plugin.where = last_own_place(root, plugin.module)
    plugin.traceback = "".join(traceback.format_exception(error))


def last_own_place(error: BaseException, module: str) -> str:
    """Returns file, line and function of the last frame of a traceback in a plugin's package."""
    top = module.partition(":")[0].strip().partition(".")[0]
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    place = ""
    for frame, line in traceback.walk_tb(error.__traceback__):
        if str(frame.f_globals.get("__name__")).partition(".")[0] == top:
            code = frame.f_code
            within = "" if code.co_name == "<module>" else f" in {code.co_name}"
            place = f"{code.co_filename}:{line}{within}"
    return place
