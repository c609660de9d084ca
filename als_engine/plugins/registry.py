"""Answers what the installed plugins offer, and calls their hooks.

How they are found and loaded, and what becomes of one that fails, stands in `loading`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from als_engine.errors import PluginError, UnknownIdError, unknown
from als_engine.plugins import asking
from als_engine.plugins.containment import GivenUpError
from als_engine.plugins.discovery import BUNDLED, Plugin
from als_engine.plugins.loading import Loader
from als_engine.plugins.names import Offered
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
    from als_engine.plugins.hookspecs import Onlooker, Purger
    from als_engine.simulation import Simulation

__all__ = ["Plugin", "Registry", "registry"]

S = TypeVar("S", bound=Spec)


class Registry(Loader):
    """Everything that the installed plugins offer.

    Plugins are loaded once, at the first question. `import als_engine` asks the first one.
    """

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
        """Returns the plugins that failed or were refused."""
        return [plugin for plugin in self.plugins() if plugin.is_out]

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
        taken = {str(name): BUNDLED for name in names}
        for loaded in list(self._hooks):
            if asking.has(self._manager, "als_commands", loaded.hooks):
                self._add_commands(app, loaded, taken, watched)
        offered = [Offered("command", *item) for item in taken.items() if item[1] != BUNDLED]
        if watched and any(loaded.plugin.distribution != BUNDLED for loaded in self._hooks):
            self._remember(frozenset({"command"}), offered)

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
        alike = {name.casefold(): owner for name, owner in taken.items()}
        try:
            with attempt, asking.in_place(plugin, "adding its commands") as done:
                own, names = asking.commands(self._manager, loaded.hooks)
                for name in names:
                    held = self._names.held("command", name, plugin.distribution)
                    if other := alike.get(name.casefold()) or held:
                        what = f'command "{name}" of {plugin.distribution}'
                        raise PluginError(f"{what} exists already, from {other}")
        except GivenUpError as error:
            done.error = error
        if done.error is not None:
            self._fail(loaded, "als_commands", done.error)
            return
        taken.update(dict.fromkeys(names, plugin.distribution))
        plugin.commands = names
        app.registered_commands += own.registered_commands
        app.registered_groups += own.registered_groups

    def try_out(self, distribution: str, name: str, tell: Callable[[str], None]) -> None:
        """Loads one plugin and adds its commands, and tells how far it has come: see `alone`."""
        import typer

        for plugin, point in self._installed.plugins:
            if (plugin.distribution, plugin.name) == (distribution, name):
                self._load_now(plugin, point)
                tell("loaded")
                self._hooks = [loaded for loaded in self._hooks if loaded.plugin is plugin]
                self.add_commands(typer.Typer(), watched=False)

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

    def purgers(self) -> list[Purger]:
        """What takes persons out of files and folders, of every plugin."""
        found: list[Purger] = []
        self._tell_each("als_purge", add=found.append)
        return found

    def watch(self, simulation: Simulation) -> list[Onlooker]:
        """Lets every plugin add onlookers to a simulation of a run that can be watched."""
        found: list[Onlooker] = []
        self._tell_each("als_watch", simulation=simulation, add=found.append)
        return found

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

    def _tell_each(self, hook: str, **arguments: Any) -> None:
        """Calls a hook of plugin after plugin, and drops one that fails."""
        self.start()
        # On a terminal a bar may be drawn by another thread, whose lines are not the plugin's.
        divert = not os.isatty(1)
        for loaded in list(self._hooks):
            if not asking.has(self._manager, hook, loaded.hooks):
                continue
            try:
                with asking.in_place(loaded.plugin, f"in {hook}", divert=divert) as done:
                    asking.call(self._manager, hook, loaded.hooks, **arguments)
            except GivenUpError as error:
                done.error = error
            if done.error is not None:
                self._fail(loaded, hook, done.error)


registry = Registry()
"""The registry of this process. There is one, since plugins are installed once."""
