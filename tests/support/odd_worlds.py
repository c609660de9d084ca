"""A plugin whose every text is made to break what shows it: markup, control characters, signs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import ClassVar

import gymnasium
import pytest
from acme_worlds import Reach

from als_engine import ScenarioSpec, SuiteEntry, SuiteSpec, hookimpl
from als_engine.plugins.discovery import Plugin
from als_engine.plugins.registry import registry

ID = "Odd/Reach-v0"
ODD = "[/home] acme[learn] [bold]b[/bold] :smile: <i>&\x1b[31m\x1b]0;owned\x07\r\u202e\x00 µ×✓日"
"""Markup of rich's, of HTML, an escape sequence, a title, a return, and signs beyond ASCII."""


class Odd(Reach):
    __doc__ = f"Walk to the flag.\n\n    {ODD}\n\n    - a list of {ODD}\n"

    utterances: ClassVar = (ODD, "no")

    def metrics(self, state):
        return {**super().metrics(state), ODD: state.step.astype("float32")}


@hookimpl
def als_scenarios():
    return [
        ScenarioSpec(
            ID, task="odd_worlds:Odd", max_episode_steps=5, max_avatars=2, summary=ODD, family=ODD
        )
    ]


@hookimpl
def als_suites():
    return [SuiteSpec("odd/suite", summary=ODD, entries=(SuiteEntry(ID),))]


@hookimpl
def als_commands(app):
    @app.command("odd")
    def odd(value: str = ODD) -> None:
        """A command with [/home] in its help."""


@pytest.fixture(scope="module")
def odd() -> Iterator[str]:
    """Registers the plugin, and one that has failed; takes both back."""
    hooks = sys.modules[__name__]
    plugins = [
        registry.add(hooks, distribution="odd-worlds"),
        Plugin(f"failed{ODD}", "1.0", ODD, ODD, "failed", error=ODD, traceback=ODD),
    ]
    registry._plugins.append(plugins[1])
    yield ID
    for plugin in plugins:
        registry.remove(plugin)
    gymnasium.registry.pop(ID, None)
