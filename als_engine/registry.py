"""Loads the plugins, keeps each one's failure, refuses duplicates and looks specs up.

A plugin is an entry point in the group `als_engine`. It is loaded in its own `try`: one that is
broken is kept with its reason for `als plugins`, and everything else goes on working. What a plugin
offers is taken whole or not at all, so a refused plugin leaves no half of itself behind.
"""

from __future__ import annotations

import os
import traceback
import warnings
from collections.abc import Callable, Sequence
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, cast

import pluggy

from als_engine import hookspecs
from als_engine.discovery import (
    BUNDLED,
    Plugin,
    PluginSettings,
    call_when_imported,
    find_plugins,
    half_imported,
    normalized,
)
from als_engine.errors import PluginError, UnknownIdError, unknown
from als_engine.hookspecs import PROJECT
from als_engine.references import resolve
from als_engine.specs import (
    AgentSpec,
    EncoderSpec,
    EpisodeRecord,
    ScenarioSpec,
    SensorSpec,
    Spec,
    SuiteSpec,
    load_object,
    namespace_of,
)

__all__ = ["Plugin", "Registry", "registry"]

S = TypeVar("S", bound=Spec)
Listener = Callable[[Sequence[ScenarioSpec]], None]

_KINDS: dict[type[Spec], str] = {
    ScenarioSpec: "scenario",
    SensorSpec: "sensor",
    AgentSpec: "agent",
    EncoderSpec: "encoder",
    SuiteSpec: "suite",
}


class _Entry(NamedTuple):
    """A spec and where it came from."""

    spec: Spec
    plugin: Plugin


class Registry:
    """Everything that the installed plugins offer.

    Plugins are loaded once, at the first question. `import als_engine` asks the first one.
    """

    def __init__(self) -> None:
        self._manager = pluggy.PluginManager(PROJECT)
        self._manager.add_hookspecs(hookspecs)
        self._settings = PluginSettings()
        self._started = False
        self._plugins: list[Plugin] = []
        self._hooks: list[tuple[Plugin, object]] = []
        self._waiting: list[tuple[Plugin, EntryPoint]] = []
        self._entries: dict[type[Spec], dict[str, _Entry]] = {kind: {} for kind in _KINDS}
        # Namespaces are folded, so that nobody can pass for someone else by writing `als/`.
        self._owners = {"als": BUNDLED}
        self._listeners: list[Listener] = []

    # What there is

    def scenarios(self) -> list[ScenarioSpec]:
        """Returns every scenario, the bundled ones first."""
        return self._all(ScenarioSpec)

    def sensors(self) -> list[SensorSpec]:
        """Returns every sensor that a plugin offers; the engine's own are not plugins."""
        return self._all(SensorSpec)

    def agents(self) -> list[AgentSpec]:
        """Returns every agent and learner, the bundled ones first."""
        return self._all(AgentSpec)

    def encoders(self) -> list[EncoderSpec]:
        """Returns every observation encoder, the bundled ones first."""
        return self._all(EncoderSpec)

    def suites(self) -> list[SuiteSpec]:
        """Returns every benchmark suite, the bundled ones first."""
        return self._all(SuiteSpec)

    def scenario(self, id: str) -> ScenarioSpec:
        """Returns the scenario of that id, or raises an UnknownIdError with the nearest one."""
        return self._one(ScenarioSpec, id)

    def agent(self, id: str) -> AgentSpec:
        """Returns the agent of that id, or raises an UnknownIdError with the nearest one."""
        return self._one(AgentSpec, id)

    def encoder(self, id: str) -> EncoderSpec:
        """Returns the encoder of that id, or raises an UnknownIdError with the nearest one."""
        return self._one(EncoderSpec, id)

    def suite(self, id: str) -> SuiteSpec:
        """Returns the suite of that id, or raises an UnknownIdError with the nearest one."""
        return self._one(SuiteSpec, id)

    def agent_or_path(self, word: str | os.PathLike[str]) -> str | Path:
        """Returns the id of an agent, or the path of a saved one, as `references.resolve` does."""
        return self._resolved(AgentSpec, word)

    def suite_or_path(self, word: str | os.PathLike[str]) -> str | Path:
        """Returns the id of a suite, or the path of a TOML file."""
        return self._resolved(SuiteSpec, word, ".toml")

    def plugins(self) -> list[Plugin]:
        """Returns every plugin that was found, also those that failed or are disabled."""
        self.start()
        return list(self._plugins)

    def failures(self) -> list[Plugin]:
        """Returns the plugins that failed."""
        return [plugin for plugin in self.plugins() if plugin.status == "failed"]

    def load(self, spec: ScenarioSpec | AgentSpec | EncoderSpec) -> Any:
        """Imports the class that a spec names.

        Raises:
            PluginError: It cannot be imported; says which extra to install where one is needed.
        """
        if isinstance(spec, ScenarioSpec):
            return load_object(spec.task)
        reference = spec.agent if isinstance(spec, AgentSpec) else spec.encoder
        entry = self._entries[type(spec)].get(spec.id)
        distribution = entry.plugin.distribution if entry else BUNDLED
        extras = ",".join(spec.needs)
        hint = f'; install it with: pip install "{distribution}[{extras}]"' if extras else ""
        return load_object(reference, hint)

    # Loading

    def start(self, strict: bool | None = None) -> None:
        """Loads the installed plugins, if that has not been done yet.

        Args:
            strict: Raise the first failure; by default as `ALS_STRICT_PLUGINS` says.

        Raises:
            PluginError: A plugin failed, and loading is strict.
        """
        if not self._started:
            # First of all, since a plugin may ask the registry something while it is imported.
            self._started = True
            self._settings = PluginSettings.from_environment()
            self._load_installed()
        elif self._waiting:
            self._resume()
        if self._settings.strict if strict is None else strict:
            for plugin in self._plugins:
                if plugin.status == "failed":
                    raise PluginError(f"plugin {plugin.distribution}: {plugin.error}")

    def add(self, hooks: object, distribution: str, name: str = "") -> Plugin:
        """Adds hooks that are not installed, as a notebook or a test does.

        Args:
            hooks: A module, or any object whose `@hookimpl` methods are the hooks.
            distribution: The name to keep them under; it owns the namespaces it claims.
            name: A name within the distribution.

        Raises:
            PluginError: They offer something that they may not offer.
        """
        self.start(strict=False)
        plugin = Plugin(normalized(distribution), "", name, getattr(hooks, "__name__", ""))
        self._admit(plugin, hooks)
        self._plugins.append(plugin)
        return plugin

    def subscribe(self, listener: Listener) -> None:
        """Calls `listener` with the scenarios that are known, and with any that come later.

        A listener that raises refuses the plugin whose scenarios these are.
        """
        if known := self._known(ScenarioSpec):
            listener(known)
        self._listeners.append(listener)

    # The hooks that return no specs

    def add_commands(self, app: Any) -> None:
        """Lets every plugin add its commands to the typer app; a failure is kept."""
        self._tell_each("als_commands", app=app)

    @property
    def listens_to_episodes(self) -> bool:
        """Whether anyone asks for episodes: if not, nobody needs to put records together."""
        return bool(self._manager.hook.als_episode_end.get_hookimpls())

    def episode_end(self, record: EpisodeRecord) -> None:
        """Tells every plugin of an episode that ended; one that fails is told no more."""
        if self.listens_to_episodes:
            self._tell_each("als_episode_end", record=record)

    # How it works

    def _all(self, kind: type[S]) -> list[S]:
        self.start()
        return self._known(kind)

    def _known(self, kind: type[S]) -> list[S]:
        return [cast(S, entry.spec) for entry in self._entries[kind].values()]

    def _one(self, kind: type[S], id: str) -> S:
        self.start()
        if entry := self._entries[kind].get(id):
            return cast(S, entry.spec)
        message = unknown(_KINDS[kind], id, sorted(self._entries[kind]))
        raise UnknownIdError(f"{message}{self._unloaded()}")

    def _resolved(
        self, kind: type[Spec], word: str | os.PathLike[str], suffix: str = ""
    ) -> str | Path:
        try:
            return resolve(word, _KINDS[kind], sorted(self._ids(kind)), suffix)
        except UnknownIdError as error:
            raise UnknownIdError(f"{error}{self._unloaded()}") from None

    def _ids(self, kind: type[Spec]) -> list[str]:
        self.start()
        return list(self._entries[kind])

    def _unloaded(self) -> str:
        """Says that what is looked for may be in a plugin that failed; empty if none did."""
        if failed := len(self.failures()):
            what = "plugin" if failed == 1 else "plugins"
            return f" ({failed} {what} failed to load: see `als plugins`)"
        return ""

    def _load_installed(self) -> None:
        """Loads every entry point that the settings allow and that is fully imported."""
        for plugin, point in find_plugins(PROJECT):
            self._plugins.append(plugin)
            if reason := self._settings.why_not(plugin.distribution):
                plugin.status, plugin.error = "disabled", reason
            elif partial := half_imported(point.value):
                self._waiting.append((plugin, point))
                call_when_imported(partial, self._resume)
            else:
                self._load(plugin, point)
        installed = {plugin.distribution for plugin in self._plugins}
        for name in sorted((self._settings.allowed or frozenset()) - installed):
            reason = "ALS_PLUGINS names it, but no plugin of that name is installed"
            self._plugins.append(Plugin(name, "", "", "", "failed", error=reason))

    def _resume(self) -> None:
        """Loads what was half imported when it was found and is whole by now."""
        ready = [item for item in self._waiting if not half_imported(item[1].value)]
        self._waiting = [item for item in self._waiting if item not in ready]
        for plugin, point in ready:
            self._load(plugin, point)

    def _load(self, plugin: Plugin, point: EntryPoint) -> None:
        """Imports an entry point and takes what it offers, or keeps the reason why not."""
        try:
            self._admit(plugin, point.load())
        # Whatever a plugin does while it is imported, even `sys.exit()`, must not end us.
        except (Exception, SystemExit) as error:
            _keep_failure(plugin, error)

    def _admit(self, plugin: Plugin, hooks: object) -> None:
        """Registers hooks and everything that they offer, or nothing at all."""
        key = f"{plugin.distribution}:{plugin.name or id(hooks)}"
        self._manager.register(hooks, key)
        try:
            self._check_hooks(hooks)
            offered = self._ask(hooks)
            self._check_ids(plugin, offered)
            if scenarios := [spec for spec in offered if isinstance(spec, ScenarioSpec)]:
                for listener in self._listeners:
                    listener(scenarios)
        except BaseException:
            self._manager.unregister(name=key)
            raise
        for spec in offered:
            self._entries[type(spec)][spec.id] = _Entry(spec, plugin)
            if namespace := namespace_of(spec.id).casefold():
                self._owners[namespace] = plugin.distribution
        plugin.specs, plugin.status = offered, "loaded"
        self._hooks.append((plugin, hooks))

    def _check_hooks(self, hooks: object) -> None:
        """Refuses a plugin without hooks and a misspelt hook, which pluggy both lets pass."""
        callers = self._manager.get_hookcallers(hooks) or []
        if not callers:
            raise PluginError("it has no hooks; is each of them marked with @hookimpl?")
        for caller in callers:
            if not caller.has_spec():
                names = [name for name in dir(hookspecs) if name.startswith("als_")]
                raise PluginError(unknown("hook", caller.name, names))

    def _ask(self, hooks: object) -> list[Spec]:
        """Returns what one plugin offers."""
        offered: list[Spec] = []
        for kind, noun in _KINDS.items():
            hook = f"als_{noun}s"
            for answer in self._call(hook, hooks):
                for spec in answer or ():
                    if type(spec) is not kind:
                        raise PluginError(f"{hook} must return {kind.__name__}s, got {spec!r}")
                    offered.append(spec)
        return offered

    def _check_ids(self, plugin: Plugin, offered: list[Spec]) -> None:
        """Refuses duplicates and other people's namespaces, naming both distributions."""
        seen: set[tuple[type[Spec], str]] = set()
        for spec in offered:
            what = f'{_KINDS[type(spec)]} "{spec.id}" of {plugin.distribution}'
            entry = self._entries[type(spec)].get(spec.id)
            if entry or (type(spec), spec.id) in seen:
                other = entry.plugin.distribution if entry else plugin.distribution
                raise PluginError(f"{what} exists already, from {other}")
            seen.add((type(spec), spec.id))
            owner = self._owners.get(namespace_of(spec.id).casefold(), plugin.distribution)
            if owner != plugin.distribution:
                raise PluginError(
                    f'{what}: the namespace "{namespace_of(spec.id)}/" belongs to {owner}'
                )

    def _call(self, hook: str, hooks: object, **arguments: Any) -> list[Any]:
        """Calls one hook of one plugin, so that a failure can be laid at the right door."""
        others = self._manager.get_plugins() - {hooks}
        return cast("list[Any]", self._manager.subset_hook_caller(hook, others)(**arguments))

    def _tell_each(self, hook: str, **arguments: Any) -> None:
        """Calls a hook of plugin after plugin, and drops one that fails."""
        self.start()
        for plugin, hooks in list(self._hooks):
            try:
                self._call(hook, hooks, **arguments)
            except Exception as error:
                _keep_failure(plugin, error)
                self._manager.unregister(hooks)
                self._hooks.remove((plugin, hooks))
                warnings.warn(
                    f"plugin {plugin.distribution} failed in {hook} and is called no more: "
                    f"{plugin.error}",
                    RuntimeWarning,
                    stacklevel=3,
                )


def _keep_failure(plugin: Plugin, error: BaseException) -> None:
    """Writes down why a plugin failed: one line for people, the traceback for its author."""
    reason = str(error) if isinstance(error, PluginError) else f"{type(error).__name__}: {error}"
    plugin.status, plugin.error = "failed", " ".join(reason.split())
    plugin.traceback = "".join(traceback.format_exception(error))


registry = Registry()
"""The registry of this process. There is one, since plugins are installed once."""
