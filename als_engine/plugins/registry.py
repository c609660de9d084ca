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
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from importlib.metadata import EntryPoint
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar, cast

import pluggy

from als_engine.errors import ALSError, PluginError, UnknownIdError, unknown
from als_engine.plugins import hookspecs
from als_engine.plugins.containment import PATIENCE, Contained, caught, contained, describe
from als_engine.plugins.discovery import (
    BUNDLED,
    Namespaces,
    Plugin,
    PluginSettings,
    call_when_imported,
    find_installed,
    half_imported,
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
    Spec,
    SuiteSpec,
    load_object,
    namespace_of,
)

if TYPE_CHECKING:
    import typer

    from als_engine.plugins.trials import Trials

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


_MOST_SPECS: Final = 10_000
"""More than anybody offers; a hook may be a generator that has no end."""


class _Entry(NamedTuple):
    """A spec and where it came from."""

    spec: Spec
    plugin: Plugin


class _Loaded(NamedTuple):
    """A plugin whose hooks are called; `point` is None for one that is not installed."""

    plugin: Plugin
    hooks: object
    point: EntryPoint | None


class Added(NamedTuple):
    """What `Registry.add` was given, to add it in another process too."""

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
        self._hooks: list[_Loaded] = []
        # What `add` has added: a worker process, which finds what is installed, must be told of it.
        self.added: list[Added] = []
        self._waiting: list[tuple[Plugin, EntryPoint]] = []
        self._entries: dict[type[Spec], dict[str, _Entry]] = {kind: {} for kind in _KINDS}
        self._namespaces = Namespaces()
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

    def load(self, spec: Spec) -> Any:
        """Imports the class that a spec names.

        Raises:
            PluginError: It cannot be imported; says which extra to install where one is needed.
        """
        distribution = self.distribution(spec)
        extras = ",".join(getattr(spec, "needs", ()))
        hint = f'; install it with: pip install "{distribution}[{extras}]"' if extras else ""
        field = "task" if isinstance(spec, ScenarioSpec) else _KINDS[type(spec)]
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
        elif self._waiting:
            self._resume()
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
            if self._has(loaded, "als_commands"):
                self._add_commands(app, loaded, taken, watched)

    def _add_commands(
        self, app: typer.Typer, loaded: _Loaded, taken: dict[str, str], watched: bool
    ) -> None:
        plugin, point = loaded.plugin, loaded.point
        attempt: AbstractContextManager[None] = nullcontext()
        if watched and point is not None and plugin.distribution != BUNDLED:
            if reason := self._trials.why_not(plugin, point, "commands"):
                self._fail(loaded, "als_commands", PluginError(reason))
                return
            attempt = self._trials.attempt(plugin, point, "commands")
        own, names = app, list[str]()
        with attempt, _contained(plugin, "adding its commands") as done:
            own, names = self._commands(loaded)
            for name in names:
                if other := taken.get(name.casefold()):
                    what = f'command "{name}" of {plugin.distribution}'
                    raise PluginError(f"{what} exists already, from {other}")
        if done.error is not None:
            self._fail(loaded, "als_commands", done.error)
            return
        taken.update(dict.fromkeys(map(str.casefold, names), plugin.distribution))
        app.registered_commands += own.registered_commands
        app.registered_groups += own.registered_groups

    def _commands(self, loaded: _Loaded) -> tuple[typer.Typer, list[str]]:
        """Returns one plugin's commands in an app of their own, and their names."""
        import typer

        own = typer.Typer(name="als", add_completion=False)
        self._call("als_commands", loaded.hooks, app=own)
        if own.registered_callback is not None:
            raise PluginError("als_commands adds commands, and no options of `als` itself")
        if not (own.registered_commands or own.registered_groups):
            return own, []
        # Typer reads the signatures only here: a wrong one is this plugin's, and not everybody's.
        return own, list(typer.main.get_group(own).commands)

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
        installed = find_installed(PROJECT)
        for distribution, namespace, owner in installed.declared:
            if not self._settings.why_not(distribution):
                self._namespaces.declare(distribution, namespace, owner)
        for plugin, point in installed.plugins:
            self._plugins.append(plugin)
            if reason := self._settings.why_not(plugin.distribution):
                plugin.status, plugin.error = "disabled", reason
            elif partial := half_imported(point.value):
                self._waiting.append((plugin, point))
                call_when_imported(partial, self._resume)
            else:
                self._load(plugin, point)
        self._plugins += installed.broken
        names = {plugin.distribution for plugin in self._plugins}
        for name in sorted((self._settings.allowed or frozenset()) - names):
            reason = "ALS_PLUGINS names it, but no plugin of that name is installed"
            self._plugins.append(Plugin(name, "", "", "", "failed", error=reason))

    def _resume(self) -> None:
        """Loads what was half imported when it was found and is whole by now."""
        ready = [item for item in self._waiting if not half_imported(item[1].value)]
        self._waiting = [item for item in self._waiting if item not in ready]
        for plugin, point in ready:
            self._load(plugin, point)

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
            self._admit(plugin, point.load, point)
        except PluginError as error:
            _keep_failure(plugin, error)

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
            with _contained(plugin, "being imported") as done:
                hooks = get()
                self._manager.register(hooks, f"{plugin.distribution}:{plugin.name or id(hooks)}")
                self._check_hooks(hooks)
                offered = self._ask(hooks)
                self._check_ids(plugin, offered)
                if scenarios := [spec for spec in offered if isinstance(spec, ScenarioSpec)]:
                    for listener in self._listeners:
                        listener(scenarios)
            if done.error is not None:
                raise PluginError(_reason(done.error)) from done.error
            admitted = True
        finally:
            if not admitted and self._manager.is_registered(hooks):
                self._manager.unregister(hooks)
        for spec in offered:
            self._entries[type(spec)][spec.id] = _Entry(spec, plugin)
        plugin.specs, plugin.status = offered, "loaded"
        self._hooks.append(_Loaded(plugin, hooks, point))

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
            try:
                answers = self._call(hook, hooks)
                specs = [spec for answer in answers for spec in islice(answer, _MOST_SPECS + 1)]
            except BaseException as error:
                raise PluginError(f"{hook}: {_reason(error)}") from error
            if len(specs) > _MOST_SPECS:
                raise PluginError(f"{hook} must return at most {_MOST_SPECS} {kind.__name__}s")
            for spec in specs:
                if type(spec) is not kind:
                    raise PluginError(f"{hook} must return {kind.__name__}s, got {_shown(spec)}")
            offered += specs
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
            namespace = namespace_of(spec.id)
            if isinstance(spec, SensorSpec) and not namespace:
                # Every scenario may be made with it, also one that is installed later.
                raise PluginError(
                    f'{what} needs a namespace, such as "{plugin.distribution}/{spec.id}": names '
                    f"without one belong to {BUNDLED} and to the scenarios' own sensors"
                )
            if reason := self._namespaces.why_not(plugin.distribution, namespace):
                raise PluginError(f"{what}: {reason}")

    def _call(self, hook: str, hooks: object, **arguments: Any) -> list[Any]:
        """Calls one hook of one plugin, so that a failure can be laid at the right door."""
        others = self._manager.get_plugins() - {hooks}
        return cast("list[Any]", self._manager.subset_hook_caller(hook, others)(**arguments))

    def _has(self, loaded: _Loaded, hook: str) -> bool:
        callers = self._manager.get_hookcallers(loaded.hooks) or []
        return any(caller.name == hook for caller in callers)

    def _tell_each(self, hook: str, **arguments: Any) -> None:
        """Calls a hook of plugin after plugin, and drops one that fails."""
        self.start()
        # On a terminal a bar may be drawn by another thread, whose lines are not the plugin's.
        divert = not os.isatty(1)
        for loaded in list(self._hooks):
            if not self._has(loaded, hook):
                continue
            with _contained(loaded.plugin, f"in {hook}", divert=divert) as done:
                self._call(hook, loaded.hooks, **arguments)
            if done.error is not None:
                self._fail(loaded, hook, done.error)

    def _fail(self, loaded: _Loaded, hook: str, error: BaseException) -> None:
        """Keeps why a hook failed, says so, and calls the plugin no more."""
        plugin = loaded.plugin
        _keep_failure(plugin, error)
        self._drop(loaded)
        warnings.warn(
            f"plugin {plugin.distribution} failed in {hook} and is called no more: {plugin.error}",
            RuntimeWarning,
            stacklevel=4,
        )

    def _drop(self, loaded: _Loaded) -> None:
        self._hooks.remove(loaded)
        self._manager.unregister(loaded.hooks)


def _contained(
    plugin: Plugin, doing: str, *, divert: bool = True
) -> AbstractContextManager[Contained]:
    """Runs a plugin's code; ours is trusted with the process, and is not watched."""
    if plugin.distribution == BUNDLED:
        return caught()
    return contained(plugin.distribution, doing, PATIENCE, divert=divert)


def _reason(error: BaseException) -> str:
    """Returns what an error says: ours are sentences, others need their type."""
    return " ".join(str(error).split()) if isinstance(error, ALSError) else describe(error)


def _shown(value: object) -> str:
    try:
        return repr(value)[:200]
    except BaseException:
        return f"a {type(value).__name__}"


def _keep_failure(plugin: Plugin, error: BaseException) -> None:
    """Writes down why a plugin failed: one line for people, the traceback for its author."""
    plugin.status, plugin.error = "failed", _reason(error)
    plugin.traceback = "".join(traceback.format_exception(error))


registry = Registry()
"""The registry of this process. There is one, since plugins are installed once."""
