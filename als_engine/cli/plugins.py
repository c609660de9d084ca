"""`als plugins`: what is installed, what each plugin gives, and why one failed."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from als_engine.cli.console import Table, say, show
from als_engine.plugins.discovery import Plugin
from als_engine.plugins.registry import registry

__all__ = ["plugins"]


def plugins(
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with code 1 if a plugin failed, for CI.")
    ] = False,
    retry: Annotated[
        bool, typer.Option("--retry", help="Look again at plugins that ended the process.")
    ] = False,
) -> None:
    """Show the installed plugins, what each one gives, and why one failed."""
    if retry:
        _retry()
        return
    _print_table(registry.plugins())
    failures = registry.failures()
    for plugin in failures:
        say(f"{plugin.distribution} {plugin.name}: {plugin.error}", error=True)
        if os.environ.get("ALS_DEBUG"):
            say(plugin.traceback, error=True)
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


def _print_table(found: list[Plugin]) -> None:
    """Prints one row for each plugin; ids are folded and never cut, since people copy them."""
    table = Table(("distribution", "plugin", "status", "gives"))
    for plugin in found:
        distribution = f"{plugin.distribution} {plugin.version}".strip()
        gives = ", ".join(spec.id for spec in plugin.specs) or plugin.error
        table.row(distribution, plugin.name, plugin.status, gives)
    show(table)
