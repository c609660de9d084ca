"""Loads plugins, each for itself, and holds what they offer.

A plugin is an entry point in the group `als_engine`. It is loaded in its own `try`: one that is
broken is kept with its reason for `als plugins`, and everything else goes on working. What a plugin
offers is taken whole or not at all, so a refused plugin leaves no half of itself behind.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from functools import cached_property
from importlib.metadata import EntryPoint
from typing import TYPE_CHECKING, Final, NamedTuple

import pluggy

from als_engine.errors import PluginError
from als_engine.plugins import asking, hookspecs
from als_engine.plugins.containment import GivenUpError
from als_engine.plugins.discovery import (
    BUNDLED,
    Installed,
    Plugin,
    PluginSettings,
    find_installed,
    half_imported_set_aside,
    normalized,
)
from als_engine.plugins.hookspecs import PROJECT
from als_engine.plugins.names import Names, Offered
from als_engine.plugins.specs import ScenarioSpec, Spec

if TYPE_CHECKING:
    from als_engine.plugins.trials import Trials

__all__ = ["Loader"]

Listener = Callable[[Sequence[ScenarioSpec]], None]

_KINDS: Final = frozenset(asking.KINDS.values())


class Added(NamedTuple):
    """The arguments of a call of `Loader.add`, to repeat it in another process."""

    plugin: Plugin
    hooks: object
    namespaces: tuple[str, ...]


class Loader:
    """The plugins of this process. They are loaded once, at the first question."""

    def __init__(self) -> None:
        self._manager = pluggy.PluginManager(PROJECT)
        self._manager.add_hookspecs(hookspecs)
        self._settings = PluginSettings()
        self._started = False
        self._installed = Installed()
        self._plugins: list[Plugin] = []
        self._hooks: list[asking.Loaded] = []
        # What `add` has added: a worker process, which finds what is installed, must be told of it.
        self.added: list[Added] = []
        self._entries: asking.Entries = {kind: {} for kind in asking.KINDS}
        self._names = Names()
        self._listeners: list[Listener] = []

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
            self._installed = find_installed(PROJECT)
            self._load_installed(self._installed)
        if self._settings.strict if strict is None else strict:
            for plugin in self._plugins:
                if plugin.is_out:
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
        added = Added(plugin, hooks, tuple(namespaces))
        for namespace in namespaces:
            self._names.declare(plugin.distribution, namespace, plugin.distribution)
        try:
            self._admit(plugin, lambda: hooks)
        except BaseException:
            self._withdraw(added)
            raise
        self._plugins.append(plugin)
        self.added.append(added)
        return plugin

    def load_alone(self, plugin: Plugin, point: EntryPoint) -> None:
        """Loads an entry point in a process of its own, where it may do what it likes."""
        self.start(strict=False)
        if plugin.distribution == BUNDLED:  # Ours are there from the beginning.
            (known,) = (
                each
                for each in self._plugins
                if (each.distribution, each.name) == (plugin.distribution, plugin.name)
            )
            vars(plugin).update(vars(known))
            return
        self._plugins.append(plugin)
        try:
            asking.check_api(plugin)
            self._load_now(plugin, point)
        except PluginError as error:
            asking.keep_failure(plugin, error)

    def has(self, hooks: object) -> bool:
        """Whether a plugin with these hooks is loaded."""
        return any(loaded.hooks is hooks for loaded in self.loaded())

    def loaded(self) -> list[asking.Loaded]:
        """Returns the plugins whose hooks are called, with these."""
        self.start(strict=False)
        return list(self._hooks)

    def remove(self, plugin: Plugin) -> None:
        """Takes back what `add` has added; Gymnasium goes on knowing its scenarios."""
        self._plugins.remove(plugin)
        gone = [added for added in self.added if added.plugin is plugin]
        self.added = [added for added in self.added if added.plugin is not plugin]
        for added in gone:
            self._withdraw(added)
        for entries in self._entries.values():
            for name in [name for name, entry in entries.items() if entry.plugin is plugin]:
                del entries[name]
        for loaded in [loaded for loaded in self._hooks if loaded.plugin is plugin]:
            self._drop(loaded)

    def retry(self) -> list[tuple[Plugin, str]]:
        """Looks once more at the plugins that were set aside, each in a process of its own.

        Returns:
            Each of them, with what is still wrong or `''`; what is well again is loaded the next
            time.
        """
        self.start(strict=False)
        aside = [plugin for plugin in self._plugins if self._trials.is_aside(plugin)]
        try:
            return [(plugin, self._trials.retry(plugin)) for plugin in aside]
        finally:
            self._trials.close()

    def subscribe(self, listener: Listener) -> None:
        """Calls `listener` with the scenarios that are known, and with any that come later.

        A listener that raises refuses the plugin whose scenarios these are.
        """
        if known := [entry.spec for entry in self._entries[ScenarioSpec].values()]:
            listener([spec for spec in known if isinstance(spec, ScenarioSpec)])
        self._listeners.append(listener)

    def _load_installed(self, installed: Installed) -> None:
        """Loads every entry point that the settings allow."""
        why_not = self._settings.why_not
        strangers = {plugin.distribution for plugin, _ in installed.plugins} - {BUNDLED}
        if strangers:
            self._names.recall({name for name in strangers if not why_not(name)})
        for distribution, namespace, owner in installed.declared:
            if not why_not(distribution):
                self._names.declare(distribution, namespace, owner)
        try:
            for plugin, point in installed.plugins:
                self._plugins.append(plugin)
                if reason := why_not(plugin.distribution):
                    plugin.status, plugin.error = "disabled", reason
                else:
                    self._load(plugin, point)
        finally:
            if strangers:
                self._trials.close()
        self._plugins += installed.broken
        names = {plugin.distribution for plugin in self._plugins}
        for name in sorted((self._settings.allowed or frozenset()) - names):
            reason = "ALS_PLUGINS names it, but no plugin of that name is installed"
            self._plugins.append(Plugin(name, "", "", "", "failed", error=reason))
        if strangers:
            self._remember(_KINDS, self._offered())

    def _load(self, plugin: Plugin, point: EntryPoint) -> None:
        """Loads an entry point, unless it has ended the process before."""
        if plugin.distribution == BUNDLED:
            self._load_now(plugin, point)
            return
        try:
            asking.check_api(plugin)
            if reason := self._trials.why_not(plugin, point, "loading"):
                plugin.status, plugin.error = "failed", reason
                return
            with self._trials.attempt(plugin, point, "loading"):
                self._load_now(plugin, point)
        except PluginError as error:
            asking.keep_failure(plugin, error)

    def _load_now(self, plugin: Plugin, point: EntryPoint) -> None:
        """Imports an entry point and takes what it offers, or keeps the reason why not."""
        try:
            with half_imported_set_aside(point):
                self._admit(plugin, point.load, point)
        except GivenUpError:  # It hangs, which is to be remembered.
            raise
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
                asking.check_ids(self._entries, self._names, plugin, offered)
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

    def _offered(self) -> list[Offered]:
        return [
            Offered(asking.KINDS[kind], name, entry.plugin.distribution)
            for kind, entries in self._entries.items()
            for name, entry in entries.items()
            if entry.plugin.distribution != BUNDLED
        ]

    def _remember(self, kinds: frozenset[str], offered: Sequence[Offered]) -> None:
        """Keeps who has which names, where all that is installed had its chance to offer some."""
        by_status: dict[str, set[str]] = {}
        for plugin in self._plugins:
            by_status.setdefault(plugin.status, set()).add(plugin.distribution)
        if "disabled" not in by_status:
            settled = by_status.pop("loaded", set()).difference(*by_status.values())
            self._names.remember(kinds, offered, settled)

    def _withdraw(self, added: Added) -> None:
        """Frees the namespaces of what is taken back, unless others of its distribution have it."""
        name = added.plugin.distribution
        others = [each for each in self.added if each.plugin.distribution == name]
        kept = {namespace.casefold() for each in others for namespace in each.namespaces}
        for namespace in added.namespaces:
            if namespace.casefold() not in kept:
                self._names.withdraw(name, namespace)

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
        loaded.plugin.commands = []
