"""The live bar works on a terminal, from the first moment on, and is silent elsewhere."""

from __future__ import annotations

import io
import sys

import pytest

from als_engine.agents.agent import Progress
from als_engine.cli.bars import training_bar
from als_engine.cli.console import spinner


class Terminal(io.StringIO):
    """Somebody watches."""

    def isatty(self) -> bool:
        return True


def use(watched: bool, monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    screen = Terminal() if watched else io.StringIO()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TERM", "xterm")
    return screen


def test_it_shows_steps_return_and_success(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = use(True, monkeypatch)
    with training_bar(2_000) as show:
        show(Progress(steps=0, total=2_000))
        show(Progress(steps=1_000, total=2_000, episodes=3, mean_return=1.5, success=0.25))
    written = screen.getvalue()
    for words in ("0 / 2,000 steps", "1,000 / 2,000 steps", "return 1.50", "success 25%"):
        assert words in written


def test_it_works_when_nobody_knows_how_long(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = use(True, monkeypatch)
    with training_bar():
        pass
    assert "return -" in screen.getvalue()


def test_nothing_is_written_where_nobody_watches(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = use(False, monkeypatch)
    with training_bar(10) as show, spinner("thinking"):
        show(Progress(steps=5, total=10))
    assert screen.getvalue() == ""
