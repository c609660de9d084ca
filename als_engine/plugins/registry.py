"""Loads the plugins, keeps each one's failure, refuses duplicates and looks specs up.

A plugin is an entry point in the group `als_engine`. It is loaded in its own `try`: one that is
broken is kept with its reason for `als plugins`, and everything else goes on working. What a plugin
offers is taken whole or not at all, so a refused plugin leaves no half of itself behind.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

import pluggy

from als_engine.errors import PluginError, UnknownIdError, unknown
from als_engine.plugins import asking, hookspecs
from als_engine.plugins.discovery import (
    BUNDLED,
    Namespaces,
    Plugin,
    PluginSettings,
    find_installed,
    half_imported_set_aside,
    normalized,
)
from als_engine.plugins.hookspecs import PROJECT
from als_engine.plugins.references import resolve
from als_engine.plugins.specs import (
    AgentSpec,
    EncoderSpec,
    EpisodeRecord,
    ScenarioSpec,
    SensorSpec,
    ShapeSpec,
    Spec,
    SuiteSpec,
    load_object,
)

if TYPE_CHECKING:
    import typer

    from als_engine.plugins.findings import Finding
    from als_engine.plugins.trials import Trials

__all__ = ["Plugin", "Registry", "registry"]

S = TypeVar("S", bound=Spec)
Listener = Callable[[Sequence[ScenarioSpec]], None]


class Added(NamedTuple):
    """The arguments of a call of `Registry.add`, to repeat it in another process."""

    plugin: Plugin
    hooks: object
    namespaces: tuple[str, ...]


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
        self._hooks: list[asking.Loaded] = []
        # What `add` has added: a worker process, which finds what is installed, must be told of it.
        self.added: list[Added] = []
        self._entries: asking.Entries = {kind: {} for kind in asking.KINDS}
        self._namespaces = Namespaces()
        self._listeners: list[Listener] = []

    def scenarios(self) -> list[ScenarioSpec]:
        """Returns every scenario, the bundled ones first."""
        return self._all(ScenarioSpec)

    def sensors(self) -> list[SensorSpec]:
        """Returns every sensor that a plugin offers; the engine's own are not plugins."""
        return self._all(SensorSpec)

    def shapes(self) -> list[ShapeSpec]:
        """Returns every shape that a plugin offers; the engine's own are not plugins."""
        return self._all(ShapeSpec)

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

    def load(self, spec: Spec) -> Any:
        """Imports the class that a spec names.

        Raises:
            PluginError: It cannot be imported; says which extra to install where one is needed.
        """
        distribution = self.distribution(spec)
        extras = ",".join(getattr(spec, "needs", ()))
        hint = f'; install it with: pip install "{distribution}[{extras}]"' if extras else ""
        field = "task" if isinstance(spec, ScenarioSpec) else asking.KINDS[type(spec)]
        return load_object(getattr(spec, field), hint, distribution)

    def distribution(self, spec: Spec) -> str:
        """Returns which distribution offers a spec; ours for one that nobody has registered."""
        entry = self._entries[type(spec)].get(spec.id)
        return entry.plugin.distribution if entry else BUNDLED

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
        if self._settings.strict if strict is None else strict:
            for plugin in self._plugins:
                if plugin.status == "failed":
                    raise PluginError(f"plugin {plugin.distribution}: {plugin.error}")

    def add(
        self, hooks: object, distribution: str, name: str = "", namespaces: Sequence[str] = ()
    ) -> Plugin:
        """Adds hooks that are not installed, as a notebook or a test does.

        Args:
            hooks: A module, or any object whose `@hookimpl` methods are the hooks.
            distribution: The name to keep them under.
            name: A name within the distribution.
            namespaces: Those that the distribution declares to be its own.

        Raises:
            PluginError: They offer something that they may not offer.
        """
        self.start(strict=False)
        plugin = Plugin(normalized(distribution), "", name, getattr(hooks, "__name__", ""))
        for namespace in namespaces:
            self._namespaces.declare(plugin.distribution, namespace, plugin.distribution)
        self._admit(plugin, lambda: hooks)
        self._plugins.append(plugin)
        self.added.append(Added(plugin, hooks, tuple(namespaces)))
        return plugin

    def has(self, hooks: object) -> bool:
        """Whether a plugin with these hooks is loaded."""
        self.start(strict=False)
        return any(loaded.hooks is hooks for loaded in self._hooks)

    def remove(self, plugin: Plugin) -> None:
        """Takes back what `add` has added; Gymnasium goes on knowing its scenarios."""
        self._plugins.remove(plugin)
        self.added = [added for added in self.added if added.plugin is not plugin]
        for entries in self._entries.values():
            for name in [name for name, entry in entries.items() if entry.plugin is plugin]:
                del entries[name]
        for loaded in [loaded for loaded in self._hooks if loaded.plugin is plugin]:
            self._drop(loaded)

    def try_out(self, distribution: str, name: str, word: str) -> None:
        """Loads one plugin and ends this process with a word on stdout: see `trials`."""
        import typer

        for plugin, point in find_installed(PROJECT).plugins:
            if (plugin.distribution, plugin.name) == (distribution, name):
                self._load_now(plugin, point)
                self._hooks = [loaded for loaded in self._hooks if loaded.plugin is plugin]
                self.add_commands(typer.Typer(), watched=False)
        os.write(1, word.encode())
        os._exit(0)  # Not waiting for its threads: that it can be loaded is all that was asked.

    def retry(self) -> list[tuple[Plugin, str]]:
        """Looks once more at the plugins that were set aside, each in a process of its own.

        Returns:
            Each of them, with what is still wrong or `''`; what is well again is loaded the next
            time.
        """
        aside = [plugin for plugin in self.plugins() if self._trials.is_aside(plugin)]
        return [(plugin, self._trials.retry(plugin)) for plugin in aside]

    def subscribe(self, listener: Listener) -> None:
        """Calls `listener` with the scenarios that are known, and with any that come later.

        A listener that raises refuses the plugin whose scenarios these are.
        """
        if known := self._known(ScenarioSpec):
            listener(known)
        self._listeners.append(listener)

    # The hooks that return no specs

    def add_commands(self, app: typer.Typer, watched: bool = True) -> None:
        """Adds every plugin's commands to the typer app; a plugin that fails adds none.

        Each plugin is given an app of its own, so that it cannot replace what others have added.

        Args:
            app: Where to.
            watched: Whether to remember plugins that end this process.
        """
        self.start()
        names = [info.name for info in app.registered_commands]
        names += [group.name for group in app.registered_groups]
        taken = {str(name).casefold(): BUNDLED for name in names}
        for loaded in list(self._hooks):
            if asking.has(self._manager, "als_commands", loaded.hooks):
                self._add_commands(app, loaded, taken, watched)

    def _add_commands(
        self, app: typer.Typer, loaded: asking.Loaded, taken: dict[str, str], watched: bool
    ) -> None:
        plugin, point = loaded.plugin, loaded.point
        attempt: AbstractContextManager[None] = nullcontext()
        if watched and point is not None and plugin.distribution != BUNDLED:
            if reason := self._trials.why_not(plugin, point, "commands"):
                self._fail(loaded, "als_commands", PluginError(reason))
                return
            attempt = self._trials.attempt(plugin, point, "commands")
        own, names = app, list[str]()
        with attempt, asking.in_place(plugin, "adding its commands") as done:
            own, names = asking.commands(self._manager, loaded.hooks)
            for name in names:
                if other := taken.get(name.casefold()):
                    what = f'command "{name}" of {plugin.distribution}'
                    raise PluginError(f"{what} exists already, from {other}")
        if done.error is not None:
            self._fail(loaded, "als_commands", done.error)
            return
        taken.update(dict.fromkeys(map(str.casefold, names), plugin.distribution))
        plugin.commands = names
        app.registered_commands += own.registered_commands
        app.registered_groups += own.registered_groups

    @property
    def listens_to_episodes(self) -> bool:
        """Whether anyone asks for episodes: if not, nobody needs to put records together."""
        return bool(self._manager.hook.als_episode_end.get_hookimpls())

    def episode_end(self, record: EpisodeRecord) -> None:
        """Tells every plugin of an episode that ended; one that fails is told no more."""
        if self.listens_to_episodes:
            self._tell_each("als_episode_end", record=record)

    def doctor(self, report: Callable[[Finding], None]) -> None:
        """Lets every plugin report what it needs from this machine."""
        self._tell_each("als_doctor", report=report)

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
        message = unknown(asking.KINDS[kind], id, sorted(self._entries[kind]))
        raise UnknownIdError(f"{message}{self._unloaded()}")

    def _resolved(
        self, kind: type[Spec], word: str | os.PathLike[str], suffix: str = ""
    ) -> str | Path:
        try:
            self.start()
            return resolve(word, asking.KINDS[kind], sorted(self._entries[kind]), suffix)
        except UnknownIdError as error:
            raise UnknownIdError(f"{error}{self._unloaded()}") from None

    def _unloaded(self) -> str:
        """Says that what is looked for may be in a plugin that failed; empty if none did."""
        if failed := len(self.failures()):
            what = "plugin" if failed == 1 else "plugins"
            return f" ({failed} {what} failed to load: see `als plugins`)"
        return ""

    def _load_installed(self) -> None:
        """Loads every entry point that the settings allow."""
        installed = find_installed(PROJECT)
        for distribution, namespace, owner in installed.declared:
            if not self._settings.why_not(distribution):
                self._namespaces.declare(distribution, namespace, owner)
        for plugin, point in installed.plugins:
            self._plugins.append(plugin)
            if reason := self._settings.why_not(plugin.distribution):
                plugin.status, plugin.error = "disabled", reason
            else:
                self._load(plugin, point)
        self._plugins += installed.broken
        names = {plugin.distribution for plugin in self._plugins}
        for name in sorted((self._settings.allowed or frozenset()) - names):
            reason = "ALS_PLUGINS names it, but no plugin of that name is installed"
            self._plugins.append(Plugin(name, "", "", "", "failed", error=reason))

    def _load(self, plugin: Plugin, point: EntryPoint) -> None:
        """Loads an entry point, unless it has ended the process before."""
        if plugin.distribution == BUNDLED:
            self._load_now(plugin, point)
        elif reason := self._trials.why_not(plugin, point, "loading"):
            plugin.status, plugin.error = "failed", reason
        else:
            with self._trials.attempt(plugin, point, "loading"):
                self._load_now(plugin, point)

    def _load_now(self, plugin: Plugin, point: EntryPoint) -> None:
        """Imports an entry point and takes what it offers, or keeps the reason why not."""
        try:
            with half_imported_set_aside(point):
                self._admit(plugin, point.load, point)
        except PluginError as error:
            asking.keep_failure(plugin, error)

    @cached_property
    def _trials(self) -> Trials:
        from als_engine.plugins.trials import Trials

        return Trials()

    def _admit(
        self, plugin: Plugin, get: Callable[[], object], point: EntryPoint | None = None
    ) -> None:
        """Registers hooks and everything that they offer, or nothing at all.

        Raises:
            PluginError: Whatever the plugin raised, or offers that it may not offer.
        """
        offered: list[Spec] = []
        hooks: object = None
        admitted = False
        try:
            with asking.in_place(plugin, "being imported") as done:
                hooks = get()
                self._manager.register(hooks, f"{plugin.distribution}:{plugin.name or id(hooks)}")
                asking.check_hooks(self._manager, hooks)
                offered = asking.ask(self._manager, hooks)
                asking.check_ids(self._entries, self._namespaces, plugin, offered)
                if scenarios := [spec for spec in offered if isinstance(spec, ScenarioSpec)]:
                    for listener in self._listeners:
                        listener(scenarios)
            if done.error is not None:
                raise PluginError(asking.reason(done.error)) from done.error
            admitted = True
        finally:
            if not admitted and self._manager.is_registered(hooks):
                self._manager.unregister(hooks)
        for spec in offered:
            self._entries[type(spec)][spec.id] = asking.Entry(spec, plugin)
        plugin.specs, plugin.status = offered, "loaded"
        self._hooks.append(asking.Loaded(plugin, hooks, point))

    def _tell_each(self, hook: str, **arguments: Any) -> None:
        """Calls a hook of plugin after plugin, and drops one that fails."""
        self.start()
        # On a terminal a bar may be drawn by another thread, whose lines are not the plugin's.
        divert = not os.isatty(1)
        for loaded in list(self._hooks):
            if not asking.has(self._manager, hook, loaded.hooks):
                continue
            with asking.in_place(loaded.plugin, f"in {hook}", divert=divert) as done:
                asking.call(self._manager, hook, loaded.hooks, **arguments)
            if done.error is not None:
                self._fail(loaded, hook, done.error)

    def _fail(self, loaded: asking.Loaded, hook: str, error: BaseException) -> None:
        """Keeps why a hook failed, says so, and calls the plugin no more."""
        plugin = loaded.plugin
        asking.keep_failure(plugin, error)
        self._drop(loaded)
        warnings.warn(
            f"plugin {plugin.distribution} failed in {hook} and is called no more: {plugin.error}",
            RuntimeWarning,
            stacklevel=4,
        )

    def _drop(self, loaded: asking.Loaded) -> None:
        self._hooks.remove(loaded)
        self._manager.unregister(loaded.hooks)


registry = Registry()
"""The registry of this process. There is one, since plugins are installed once."""
