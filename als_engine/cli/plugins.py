"""`als plugins`: what is installed, what each plugin gives, and why one failed."""

from __future__ import annotations

import os
from typing import Annotated, Any

import typer

from als_engine.cli.console import Table, say, say_json, show
from als_engine.cli.shared import Json
from als_engine.plugins.asking import KINDS
from als_engine.plugins.discovery import BUNDLED, Plugin
from als_engine.plugins.registry import registry
from als_engine.texts import command

__all__ = ["plugins"]


def plugins(
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with code 1 if a plugin failed, for CI.")
    ] = False,
    retry: Annotated[
        bool, typer.Option("--retry", help="Look again at plugins that ended the process.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show the installed plugins, what each one gives, and why one failed."""
    if retry:
        _retry()
        return
    found, failures = registry.plugins(), registry.failures()
    if as_json:
        say_json([_as_dict(plugin) for plugin in found])
    else:
        _print(found, failures)
    if strict and failures:
        raise typer.Exit(1)


def _retry() -> None:
    """Looks at what was set aside, and says what became of it; exit code 1 if one is left out."""
    looked = registry.retry()
    for plugin, reason in looked:
        what = f"{reason}; it stays out" if reason else "can be loaded, and is from now on"
        say(f"plugin {plugin.distribution} {what}")
    if not looked:
        say("No plugin was set aside.")
    if any(reason for _, reason in looked):
        raise typer.Exit(1)


def _print(found: list[Plugin], failures: list[Plugin]) -> None:
    _print_table(found)
    for plugin in failures:
        where = f" ({plugin.where})" if plugin.where else ""
        say(f"{plugin.distribution} {plugin.name}: {plugin.error}{where}", error=True)
        if os.environ.get("ALS_DEBUG"):
            say(plugin.traceback, error=True)
    strangers = [plugin for plugin in found if plugin.distribution != BUNDLED]
    if strangers:
        name = command((failures or strangers)[0].distribution)
        say(f"To leave one out: ALS_DISABLE_PLUGINS={name}; all that are not ours: =1", style="dim")


def _print_table(found: list[Plugin]) -> None:
    """Prints one row for each plugin; ids are folded and never cut, since people copy them."""
    table = Table(("distribution", "plugin", "status", "gives"))
    for plugin in found:
        distribution = f"{plugin.distribution} {plugin.version}".strip()
        gives = ", ".join(spec.id for spec in plugin.specs) or plugin.error
        table.row(distribution, plugin.name, plugin.status, gives)
    show(table)


def _as_dict(plugin: Plugin) -> dict[str, Any]:
    return {
        "distribution": plugin.distribution,
        "version": plugin.version,
        "plugin": plugin.name,
        "module": plugin.module,
        "api": plugin.api or None,
        "status": plugin.status,
        "reason": plugin.error or None,
        "where": plugin.where or None,
        "gives": [{"kind": KINDS[type(spec)], "id": spec.id} for spec in plugin.specs],
    }
